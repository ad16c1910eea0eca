from __future__ import annotations

import structlog

from access.models import Organisation
from audit import sealing, services
from core.errors import PacswebError
from core.tasks import task

logger = structlog.get_logger(__name__)


@task(queue="default", installation_wide=True, time_limit_seconds=120)
def seal_chains() -> None:
    """Chain what was written since the last run, for every organisation and the installation itself.

    What stops it (a full disk, a lost file of heads) is logged and told to officers; the events wait, and the next run is
    seconds away.
    """
    try:
        _seal_all()
    except PacswebError as error:
        logger.error("sealing_stopped", code=error.code)
        sealing.note_state(code=error.code)
    else:
        sealing.note_state(code="")


def _seal_all() -> None:
    for organisation_id in [None, *Organisation.objects.values_list("pk", flat=True)]:
        while sealing.seal(organisation_id=organisation_id) == sealing.SEAL_BATCH:
            pass


@task(queue="heavy", time_limit_seconds=3600)
def verify_organisation(*, organisation_id: int, job_id: str) -> None:
    """Check one organisation's chain for an officer who waits for the verdict."""
    services.verify_as_job(organisation_id=organisation_id, job_id=job_id)
