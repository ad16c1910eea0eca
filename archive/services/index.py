"""From the spool into the index: repeatable at any point, nothing lost, nothing twice.

A batch goes: lock the delivery → forget what the last committed batch left in the spool → read files → index and link
them in one transaction → commit → remove them from the spool. Killed anywhere, the next run finds either the files
still in the spool and no trace of them in the index, or their names in `Delivery.committed_names`.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import structlog
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from archive import spool
from archive.domain.screening import SCREENING_CODES
from archive.errors import StorageAway
from archive.inspection import Inspected, inspect
from archive.intake import notices, policy
from archive.limits import limit
from archive.models import Delivery, Instance, QuarantinedFile
from archive.services import commit, removal
from archive.services.commit import Outcome
from archive.services.commit.outcome import REASONS
from audit import services as audit
from core.errors import NotFound, RetriableError
from core.ready import ready
from core.tenancy import tenant

logger = structlog.get_logger(__name__)

LOCK_NAMESPACE = 0x1DE8
TRIES = 6

__all__ = ["Outcome", "index_delivery", "try_index"]


def index_delivery(*, delivery: Delivery, only: Iterable[str] | None = None) -> list[Outcome]:
    """Index what is in the spool (or the files named in `only`) and say what became of each, in order of name.

    Waits while another process indexes the same delivery. A file that the other one took is answered from the index.
    """
    names = None if only is None else sorted(set(only))
    with tenant(delivery.organisation), _claimed(delivery=delivery, wait=True):
        outcomes = _run(delivery=delivery, names=names)
    if names is not None:
        answered = {outcome.name for outcome in outcomes}
        outcomes += [_recall(delivery=delivery, name=name) for name in names if name not in answered]
    return sorted(outcomes, key=lambda outcome: outcome.name)


def try_index(*, delivery: Delivery) -> bool:
    """The same for a task: False when another process is at it."""
    with tenant(delivery.organisation), _claimed(delivery=delivery, wait=False) as is_mine:
        if is_mine:
            _run(delivery=delivery, names=None)
    return is_mine


@contextmanager
def _claimed(*, delivery: Delivery, wait: bool) -> Iterator[bool]:
    """A lock that lives with the database connection: a worker that dies lets go of it."""
    key = int.from_bytes(delivery.pk.bytes[:4], "big", signed=True)
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [LOCK_NAMESPACE, key])
            is_mine = True
        else:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_NAMESPACE, key])
            is_mine = bool(cursor.fetchone()[0])
    try:
        yield is_mine
    finally:
        if is_mine and not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_NAMESPACE, key])


def _run(*, delivery: Delivery, names: list[str] | None) -> list[Outcome]:
    outcomes: list[Outcome] = []
    while True:
        _forget_committed(delivery_id=delivery.pk)
        present = spool.whole_files(delivery.pk)
        if names is not None:
            wanted = set(names)
            present = [name for name in present if name in wanted]
        if not present:
            break
        for start in range(0, len(present), limit("batch_files")):
            outcomes += _index_batch(delivery=delivery, names=present[start : start + limit("batch_files")])
        if names is not None:
            break  # what was asked for is done; what came meanwhile is another call's
    if names is None:
        _finish(delivery=delivery)
    return outcomes


def _forget_committed(*, delivery_id: uuid.UUID) -> None:
    row = _committed.first(delivery_id=delivery_id)
    if row is not None and row.committed_names:
        spool.remove(delivery_id, row.committed_names)


@ready(scoped=True, delivery_id=uuid.UUID)
def _committed(*, delivery_id: uuid.UUID) -> QuerySet[Delivery]:
    return Delivery.objects.filter(pk=delivery_id).only("committed_names").order_by()


@ready(scoped=True, delivery_id=uuid.UUID)
def _locked(*, delivery_id: uuid.UUID) -> QuerySet[Delivery]:
    rows = Delivery.objects.select_for_update(of=("self",), no_key=True).select_related("archive")
    return rows.filter(pk=delivery_id).order_by()


def _index_batch(*, delivery: Delivery, names: list[str]) -> list[Outcome]:
    """One batch, tried again when two deliveries of the same study crossed. Raises `RetriableError` at last."""
    files = [_inspect(delivery_id=delivery.pk, name=name) for name in names]
    policy.screen(delivery=delivery, files=files)
    for attempt in range(TRIES):
        try:
            with transaction.atomic():
                locked = _locked.first(delivery_id=delivery.pk)
                if locked is None:
                    raise NotFound
                spool.remove(delivery.pk, locked.committed_names)
                batch = commit.commit_batch(delivery=locked, archive=locked.archive, files=files)
                notices.tell_held(batch.quarantined, delivery=delivery)
            break
        except (IntegrityError, OperationalError, commit.Crossed) as error:
            # Both sides of a deadlock or of a race for the same UID are right; one of them has to come second.
            if connection.in_atomic_block or attempt == TRIES - 1:
                raise RetriableError from error
            logger.info("index_batch_repeated", delivery=str(delivery.pk), attempt=attempt, kind=type(error).__name__)
            time.sleep(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311 -- jitter, not a secret
        except OSError as error:
            logger.error("storage_away", delivery=str(delivery.pk), kind=type(error).__name__, errno=error.errno)
            raise StorageAway from error
    if batch.stale_keys:
        removal.purge(organisation_id=delivery.organisation_id)
    spool.remove(delivery.pk, names)
    return batch.outcomes


def _inspect(*, delivery_id: uuid.UUID, name: str) -> Inspected:
    file = inspect(
        path=spool.path_of(delivery_id, name), name=name, original_name=spool.original_name_of(delivery_id, name)
    )
    code, reason = spool.refusal_of(delivery_id, name)
    if code:
        file.code, file.reason = code, reason
        if code not in SCREENING_CODES:
            file.header = None
    return file


def _finish(*, delivery: Delivery) -> None:
    """A closed delivery whose spool is empty is complete; told once."""
    if spool.whole_files(delivery.pk) or spool.waiting_zips(delivery.pk):
        return
    with transaction.atomic():
        done = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.CLOSED).update(
            state=Delivery.State.INDEXED, indexed_at=timezone.now()
        )
        row = Delivery.objects.select_related("archive", "actor", "organisation").get(pk=delivery.pk)
        if done and row.received:
            audit.record(
                action="delivery.indexed",
                organisation=row.organisation,
                actor=row.actor,
                target=row,
                detail={
                    "archive": row.archive.slug,
                    "source": row.source,
                    "calling_ae_title": row.calling_ae_title,
                    "stored": row.stored,
                    "replaced": row.replaced,
                    "duplicate": row.duplicate,
                    "refused": row.refused,
                },
                address=row.address,
                outcome="success" if not row.refused else "failed" if not row.stored + row.duplicate else "success",
            )
    if row.state == Delivery.State.INDEXED and not spool.has_owner(row.pk):
        spool.remove_folder(row.pk)


def _recall(*, delivery: Delivery, name: str) -> Outcome:
    """What became of a file that another process indexed."""
    with tenant(delivery.organisation):
        instance = (
            Instance.objects.filter(
                archive_id=delivery.archive_id, storage_key=commit.storage_key(delivery=delivery, name=name)
            )
            .select_related("study", "series")
            .first()
        )
        if instance is not None:
            return Outcome(
                name=name,
                status=commit.STORED,
                sop_class_uid=instance.sop_class_uid,
                study_instance_uid=instance.study.study_instance_uid,
                series_instance_uid=instance.series.series_instance_uid,
                sop_instance_uid=instance.sop_instance_uid,
                size_bytes=instance.size_bytes,
            )
        refused = QuarantinedFile.objects.filter(
            delivery=delivery, storage_key=commit.storage_key(delivery=delivery, name=name, kind="quarantine")
        ).first()
    if refused is not None:
        return Outcome(
            name=name,
            original_name=refused.original_name,
            status=commit.REFUSED,
            code=refused.code,
            reason=refused.reason,
            dicom_status=commit.DICOM_STATUS.get(refused.code, commit.CANNOT_UNDERSTAND),
            sop_instance_uid=refused.sop_instance_uid,
            size_bytes=refused.size_bytes,
        )
    # A duplicate, one more refusal than are kept, or left out: nobody knows any more, and only what is stored is a success.
    code = "outcome-unknown"
    return Outcome(
        name=name, status=commit.REFUSED, code=code, reason=REASONS[code], dicom_status=commit.DICOM_STATUS[code]
    )
