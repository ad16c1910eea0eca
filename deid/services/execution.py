"""Carry out a run: repeatable at any point, nothing twice, nothing stored that was not checked.

Each instance goes source file → temporary file → residue check → spool of the target archive, and its row is written
when it is there. A worker that dies leaves rows for what is done; the next one goes on with the rest. An instance that
was spooled but had no row yet is made again: the same bytes, which the archive knows as a duplicate.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import structlog
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from archive import decoding
from archive.errors import DecodersBusy
from archive.models import Delivery, Instance
from archive.services import deliveries, index_delivery
from archive.spool import SpoolWriter
from archive.storage import storage
from core import jobs
from core.errors import PacswebError, RetriableError
from core.jobs import JobCancelled, JobHandle
from deid.domain import pipeline
from deid.domain.findings import Reason, Verdict
from deid.errors import ApprovedContentChanged, EmptyStudy, RightToCopyEnded
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import endings, rounds, runs

logger = structlog.get_logger(__name__)

LOCK_NAMESPACE = 0x0DE1D

State = DeidentificationRun.State


def execute_run(*, run_id: int, job_id: str) -> None:
    """Do the work of a run. A second call while one is at it does nothing; after it ended, nothing either."""
    with _claimed(run_id) as is_mine:
        if not is_mine:
            return
        with jobs.running(job_id=job_id) as handle:
            if handle is None:
                index_spooled(runs.load(run_id))
                # Not a round that was begun since with a job of its own.
                endings.cancelled(run_id=run_id, actor=None, job_id=job_id)
                return
            try:
                _execute(run_id=run_id, handle=handle)
            except JobCancelled:
                index_spooled(runs.load(run_id))
                endings.cancelled(run_id=run_id, actor=None)
                raise
            except jobs.RightEnded as error:
                index_spooled(runs.load(run_id))
                endings.failed(run_id=run_id, message=str(RightToCopyEnded.default_message))
                raise RightToCopyEnded from error
            except RetriableError:
                raise
            except PacswebError as error:
                endings.failed(run_id=run_id, message=str(error.message))
                raise
            except Exception:
                endings.failed(run_id=run_id, message=_("An unexpected error stopped this work. It was logged."))
                raise


@contextmanager
def _claimed(run_id: int) -> Iterator[bool]:
    """A lock that lives with the database connection: a worker that dies lets go of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_NAMESPACE, run_id])
        is_mine = bool(cursor.fetchone()[0])
    try:
        yield is_mine
    finally:
        if is_mine and not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_NAMESPACE, run_id])


def _execute(*, run_id: int, handle: JobHandle) -> None:
    DeidentificationRun.objects.filter(pk=run_id, state=State.DRAFT).update(
        state=State.RUNNING, started_at=timezone.now(), error=""
    )
    run = runs.load(run_id)
    if not run.is_working:
        return
    if run.source_study is None:
        raise EmptyStudy(_("The source study was deleted in the meantime."))
    # What a second person approved is stored and nothing else, whatever the archive asks for by now.
    is_approved = run.state == State.STORING
    stores = is_approved or not run.asks_second_person
    settings = runs.settings_of(run)
    if stores:
        delivery = _delivery(run)
        with SpoolWriter(delivery.pk) as writer:
            if is_approved:
                _each_approved(run=run, settings=settings, handle=handle, writer=writer)
            else:
                _each_instance(run=run, settings=settings, handle=handle, writer=writer)
        deliveries.close_delivery(delivery=delivery)
        index_delivery(delivery=delivery)
        _settle(run)
        endings.finish(run=run, handle=handle)
    else:
        _each_instance(run=run, settings=settings, handle=handle, writer=None)
        endings.ask_for_approval(run=run, handle=handle)


def _delivery(run: DeidentificationRun) -> Delivery:
    """The run's open delivery. One left by a worker that died is used on, or indexed first if it was closed."""
    if run.delivery is not None:
        state = Delivery.objects.values_list("state", flat=True).get(pk=run.delivery_id)
        if state == Delivery.State.OPEN:
            return run.delivery
        if state == Delivery.State.CLOSED:
            index_delivery(delivery=run.delivery)
    # By the right of whoever let the run work, who need not be the one who asked for the copy.
    actor = run.job.owner if run.job is not None else run.requested_by
    delivery = deliveries.open_delivery(archive=run.target_archive, source=Delivery.Source.DEID, actor=actor)
    DeidentificationRun.objects.filter(pk=run.pk).update(delivery=delivery)
    run.delivery = delivery
    return delivery


def _each_instance(
    *, run: DeidentificationRun, settings: pipeline.Settings, handle: JobHandle, writer: SpoolWriter | None
) -> None:
    rows = Instance.objects.filter(study=run.source_study).select_related("series").order_by("series_id", "pk")
    total = rows.count()
    DeidentificationRun.objects.filter(pk=run.pk).update(total=total)
    done_before: dict[int, DeidentifiedInstance] = {
        row.source_instance_id: row for row in DeidentifiedInstance.objects.filter(run=run)
    }
    for count, instance in enumerate(rows.iterator(chunk_size=500), start=1):
        earlier = done_before.get(instance.pk)
        if earlier is None:
            _one(run=run, instance=instance, settings=settings, writer=writer)
        elif earlier.is_held_back and earlier.decision == DeidentifiedInstance.Decision.RELEASED:
            _released(run=run, row=earlier, instance=instance, settings=settings, writer=writer)
        elif writer is not None and not earlier.is_held_back and not earlier.spool_name:
            _store_approved(run=run, row=earlier, instance=instance, settings=settings, writer=writer)
        _tell(handle, done=count, total=total)
    given_up = DeidentifiedInstance.objects.filter(
        run=run, verdict=Verdict.HELD_BACK.value, decision="", reasons__contains=[Reason.NOT_CHECKED.value]
    )
    for row in given_up.select_related("source_instance__series").order_by("pk"):
        if row.source_instance is not None:
            _checked_again(run=run, row=row, instance=row.source_instance, settings=settings, writer=writer)


def _each_approved(
    *, run: DeidentificationRun, settings: pipeline.Settings, handle: JobHandle, writer: SpoolWriter
) -> None:
    """Store the images that a second person approved. What came into the source later has no row and stays out."""
    rows = DeidentifiedInstance.objects.filter(run=run, approved_by__isnull=False, spool_name="", is_stored=False)
    approved = list(rows.exclude(verdict=Verdict.HELD_BACK.value).select_related("source_instance"))
    for count, row in enumerate(approved, start=1):
        if row.source_instance is None:
            raise ApprovedContentChanged
        _store_approved(run=run, row=row, instance=row.source_instance, settings=settings, writer=writer)
        _tell(handle, done=count, total=len(approved))


def _tell(handle: JobHandle, *, done: int, total: int) -> None:
    message = _("Removing identity: %(done)d of %(total)d") % {"done": done, "total": total}
    handle.progress(done=done, total=total, message=message)


def _one(
    *, run: DeidentificationRun, instance: Instance, settings: pipeline.Settings, writer: SpoolWriter | None
) -> None:
    found = _processed(run=run, instance=instance, settings=settings, writer=writer)
    DeidentifiedInstance.objects.create(
        organisation_id=run.organisation_id,
        run=run,
        source_instance=instance,
        source_digest=bytes(instance.digest),
        instance_number=instance.instance_number,
        modality=instance.series.modality,
        sop_class_uid=instance.sop_class_uid,
        **found,
    )


def _released(
    *,
    run: DeidentificationRun,
    row: DeidentifiedInstance,
    instance: Instance,
    settings: pipeline.Settings,
    writer: SpoolWriter | None,
) -> None:
    """An image that somebody looked at and released; if the source has another content by now, they saw another one."""
    if bytes(instance.digest) != bytes(row.source_digest):
        DeidentifiedInstance.objects.filter(pk=row.pk).update(
            source_digest=bytes(instance.digest), decision="", decided_by=None, decided_at=None, decision_reason="",
            released_reasons=[], frames_shown=None,
        )  # fmt: skip
        # Nobody was shown the content that is there now.
        row.shown_frames.all().delete()
        return
    found = _processed(run=run, instance=instance, settings=settings, writer=writer, released=_put_aside(row))
    DeidentifiedInstance.objects.filter(pk=row.pk).update(**found)


def _checked_again(
    *,
    run: DeidentificationRun,
    row: DeidentifiedInstance,
    instance: Instance,
    settings: pipeline.Settings,
    writer: SpoolWriter | None,
) -> None:
    """An image that the decoder gave up on, after all others: what was too much for it then may not be now."""
    found = _processed(run=run, instance=instance, settings=settings, writer=writer)
    DeidentifiedInstance.objects.filter(pk=row.pk, decision="").update(source_digest=bytes(instance.digest), **found)


def _put_aside(row: DeidentifiedInstance) -> frozenset[Reason]:
    """Reasons that a person put aside for this image. One that this version does not know holds it back again."""
    known = {reason.value: reason for reason in Reason}
    return frozenset(known[code] for code in row.released_reasons if code in known)


def _processed(
    *,
    run: DeidentificationRun,
    instance: Instance,
    settings: pipeline.Settings,
    writer: SpoolWriter | None,
    released: frozenset[Reason] = frozenset(),
) -> dict[str, Any]:
    """What became of one instance, as fields of its row; it is in the spool when there is a writer and it passed."""
    with _opened(instance) as source, runs.temporary() as target:
        outcome = _made(source=source, target=target, settings=settings, released=released)
        if outcome.error:
            logger.warning("instance_not_deidentified", run=run.public_id, instance=instance.pk, kind=outcome.error)
        spool_name = ""
        if writer is not None and outcome.verdict is not Verdict.HELD_BACK:
            spool_name = _spool(writer=writer, target=target)
    return {
        "verdict": outcome.verdict.value,
        "reasons": [reason.value for reason in outcome.reasons],
        "residue_paths": list(outcome.residue_paths),
        "target_sop_instance_uid": outcome.sop_instance_uid,
        "target_digest": outcome.digest,
        "spool_name": spool_name,
        "actions": dict(outcome.record.counts),
    }


def _store_approved(
    *,
    run: DeidentificationRun,
    row: DeidentifiedInstance,
    instance: Instance,
    settings: pipeline.Settings,
    writer: SpoolWriter,
) -> None:
    """Make again what was approved and store it, if it is the same to the byte."""
    with _opened(instance) as source, runs.temporary() as target:
        outcome = _made(source=source, target=target, settings=settings, released=_put_aside(row))
        if outcome.verdict is Verdict.HELD_BACK or outcome.digest != bytes(row.target_digest):
            raise ApprovedContentChanged
        spool_name = _spool(writer=writer, target=target)
    DeidentifiedInstance.objects.filter(pk=row.pk).update(spool_name=spool_name)


def made_again(*, row: DeidentifiedInstance, source: BinaryIO, target: BinaryIO) -> pipeline.Outcome:
    """The copy of one instance for a look at it; nothing is stored."""
    settings = runs.settings_of(row.run)
    return _made(source=source, target=target, settings=settings, released=_put_aside(row))


def _made(
    *, source: BinaryIO, target: BinaryIO, settings: pipeline.Settings, released: frozenset[Reason]
) -> pipeline.Outcome:
    """As `pipeline.process`. Raises `DecodersBusy`, which is no fault of the image: the run goes on with it later."""
    try:
        return pipeline.process(source=source, target=target, settings=settings, released=released)
    except decoding.Busy as error:
        raise DecodersBusy from error


def _spool(*, writer: SpoolWriter, target: BinaryIO) -> str:
    target.seek(0)
    # The file's name would be the source's; there is none to pass on.
    return deliveries.write_one(writer=writer, chunks=target).name


@contextmanager
def _opened(instance: Instance) -> Iterator[BinaryIO]:
    try:
        stream = storage().open(instance.storage_key)
    except OSError as error:
        raise RetriableError(_("A file of the source archive cannot be read at the moment.")) from error
    with stream:
        yield stream


def index_spooled(run: DeidentificationRun) -> None:
    """A later round that is stopped while it stores: what is on its way into the archive arrives, and is proven."""
    on_the_way = rounds.prepared(run).exclude(spool_name="")
    if run.delivery is not None and rounds.is_later(run) and on_the_way.exists():
        deliveries.close_delivery(delivery=run.delivery)
        index_delivery(delivery=run.delivery)
        _settle(run, rows=on_the_way)


def _settle(run: DeidentificationRun, *, rows: QuerySet[DeidentifiedInstance] | None = None) -> None:
    """Ask the target archive's index what it has; what it refused is held back with that reason."""
    if rows is None:
        rows = DeidentifiedInstance.objects.filter(run=run).exclude(verdict=Verdict.HELD_BACK.value)
    passed = list(rows)
    there = {
        uid: bytes(digest)
        for uid, digest in Instance.objects.filter(
            archive=run.target_archive, study__study_instance_uid=run.target_study_instance_uid
        ).values_list("sop_instance_uid", "digest")
    }
    for row in passed:
        row.is_stored = there.get(row.target_sop_instance_uid) == bytes(row.target_digest)
        if not row.is_stored:
            row.verdict = Verdict.HELD_BACK.value
            row.reasons = [*row.reasons, Reason.NOT_STORED.value]
    DeidentifiedInstance.objects.bulk_update(passed, ["is_stored", "verdict", "reasons"], batch_size=500)
