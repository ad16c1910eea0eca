from __future__ import annotations

import uuid

from archive import queries
from archive.models import Delivery
from archive.services import index, settle, sweep, unpack
from core import jobs
from core.tasks import task

BUSY_DELAY_SECONDS = 2


@task(queue="ingest", time_limit_seconds=3600)
def index_delivery(*, organisation_id: int, delivery_id: str) -> None:
    """Index what is in the spool of one delivery. While another worker is at it, look again a moment later."""
    delivery = Delivery.objects.select_related("archive", "organisation").filter(pk=uuid.UUID(delivery_id)).first()
    if delivery is None:
        return
    if not index.try_index(delivery=delivery):
        index_delivery.enqueue(
            delay_seconds=BUSY_DELAY_SECONDS, organisation_id=organisation_id, delivery_id=delivery_id
        )


@task(queue="default", time_limit_seconds=3600)
def settle_study(*, organisation_id: int, study_id: int) -> None:
    settle.settle_study(study_id=study_id)


@task(queue="ingest", installation_wide=True, time_limit_seconds=300)
def settle_due_studies() -> None:
    """Beat: begin what follows the last image of a study."""
    for organisation_id, study_id in settle.due_studies():
        if settle.claim(study_id=study_id):
            settle_study.enqueue(organisation_id=organisation_id, study_id=study_id)


@task(queue="ingest", installation_wide=True, time_limit_seconds=300)
def sweep_spool() -> None:
    """Beat: index what a dead process left behind."""
    for organisation_id, delivery_id in sweep.sweep_spool():
        index_delivery.enqueue(organisation_id=organisation_id, delivery_id=delivery_id)


@task(queue="heavy", time_limit_seconds=6 * 3600)
def unpack_zip(*, organisation_id: int, delivery_id: str, name: str, job_id: str) -> None:
    """Unpack an uploaded zip and index what is in it; the job tells how far it is and what was refused."""
    delivery = Delivery.objects.select_related("archive", "organisation").get(pk=uuid.UUID(delivery_id))
    with jobs.running(job_id=job_id) as job:
        if job is None:
            unpack.forget_zip(delivery=delivery, name=name)
            return
        tally = unpack.Tally()
        try:
            unpack.unpack(
                delivery=delivery,
                name=name,
                report=tally.add,
                progress=lambda done, total: job.progress(done=done, total=total),
            )
        except jobs.JobCancelled:
            unpack.forget_zip(delivery=delivery, name=name)
            raise
        job.finish(result=tally.as_result(), result_url=queries.delivery_url(delivery), message=tally.sentence())
