from __future__ import annotations

from access.models import Organisation
from audit import services
from core.tasks import task


@task(queue="default", installation_wide=True, time_limit_seconds=120)
def seal_chains() -> None:
    """Chain what was written since the last run, for every organisation and the installation itself."""
    for organisation_id in [None, *Organisation.objects.values_list("pk", flat=True)]:
        while services.seal(organisation_id=organisation_id) == services.SEAL_BATCH:
            pass


@task(queue="heavy", time_limit_seconds=3600)
def verify_organisation(*, organisation_id: int, job_id: str) -> None:
    """Check one organisation's chain for an officer who waits for the verdict."""
    services.verify_as_job(organisation_id=organisation_id, job_id=job_id)
