from __future__ import annotations

import time
import uuid
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from archive import queries
from archive.models import Delivery, QuarantinedFile, Study
from archive.services import deletion, export, index, quarantine, removal, settle, sweep, unpack
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
    """Beat: index what a dead process left behind; remove bytes that nothing refers to and exports past their time."""
    for organisation_id, delivery_id in sweep.sweep_spool():
        index_delivery.enqueue(organisation_id=organisation_id, delivery_id=delivery_id)
    for organisation_id, delivery_id, name, job_id in sweep.lost_zips():
        if job_id:
            unpack_zip.enqueue(organisation_id=organisation_id, delivery_id=delivery_id, name=name, job_id=job_id)
        else:
            give_up_zip.enqueue(organisation_id=organisation_id, delivery_id=delivery_id, name=name)
    for organisation_id, file_id in sweep.unfinished_releases():
        finish_release.enqueue(organisation_id=organisation_id, file_id=file_id)
    removal.purge()
    export.sweep_exports(now=time.time())


@task(queue="ingest", time_limit_seconds=3600)
def finish_release(*, organisation_id: int, file_id: int) -> None:
    """End a release from quarantine whose process died; one that is alive is left alone."""
    file = QuarantinedFile.objects.select_related("archive", "organisation", "delivery").filter(pk=file_id).first()
    if file is not None:
        quarantine.finish_release(file=file)


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
        job.finish(
            result={"delivery": delivery_id, "zip": name, **tally.as_result()},
            result_url=queries.delivery_url(delivery),
            message=tally.sentence(),
        )


@task(queue="ingest", time_limit_seconds=3600)
def give_up_zip(*, organisation_id: int, delivery_id: str, name: str) -> None:
    """Keep a zip whose job failed in quarantine, so that its delivery can end."""
    delivery = Delivery.objects.select_related("archive", "organisation").get(pk=uuid.UUID(delivery_id))
    unpack.give_up(delivery=delivery, name=name)


@task(queue="heavy", time_limit_seconds=6 * 3600)
def export_studies(*, organisation_id: int, job_id: str, study_ids: list[int]) -> None:
    """Pack studies into the zip that the job's owner may fetch."""
    with jobs.running(job_id=job_id) as job:
        if job is None:
            return
        try:
            files, unlisted = export.write_export(
                job_id=job_id,
                study_ids=study_ids,
                progress=lambda done, total: job.progress(done=done, total=total),
            )
        except (jobs.JobCancelled, jobs.RightEnded):
            export.export_path(job_id).unlink(missing_ok=True)
            raise
        job.finish(
            result={"files": files, "unlisted": unlisted},
            result_url=queries.export_url(organisation=job.job.organisation, job_id=job_id),
            message=ngettext("%(n)s file", "%(n)s files", files) % {"n": files},
        )


@task(queue="heavy", time_limit_seconds=6 * 3600)
def delete_studies(*, organisation_id: int, job_id: str, study_ids: list[int]) -> None:
    """Delete studies one by one; what another part of the system holds stays and is counted."""
    with jobs.running(job_id=job_id) as job:
        if job is None:
            return
        tally: dict[str, Any] = {"deleted": 0, "kept": 0, "too_young": 0}
        for number, study_id in enumerate(study_ids, start=1):
            study = Study.objects.select_related("archive", "organisation").filter(pk=study_id).first()
            if study is not None:
                try:
                    deletion.delete_study(actor=job.job.owner, study=study)
                    tally["deleted"] += 1
                except deletion.StillUsed:
                    tally["kept"] += 1
                except deletion.KeptByRule:
                    tally["too_young"] += 1
            job.progress(done=number, total=len(study_ids))
        parts = [_("%(deleted)s deleted") % tally]
        if tally["kept"]:
            parts.append(_("%(kept)s kept because they are used elsewhere") % tally)
        if tally["too_young"]:
            parts.append(_("%(too_young)s kept by the organisation's rule") % tally)
        job.finish(result=tally, message=", ".join(parts))
