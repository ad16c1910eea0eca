from __future__ import annotations

from django.utils.translation import gettext as _

from core import jobs
from core.tasks import task
from deid import services
from deid.services import endings

HOURS = 3600


def _give_up(*, organisation_id: int, run_id: int, job_id: str) -> None:
    message = _("A part of the system did not answer for a long time. Start the de-identification again.")
    endings.failed(run_id=run_id, message=message)
    jobs.fail(job_id=job_id, error=message)


@task(queue="heavy", time_limit_seconds=6 * HOURS, on_exhausted=_give_up)
def execute_run(*, organisation_id: int, run_id: int, job_id: str) -> None:
    services.execute_run(run_id=run_id, job_id=job_id)
