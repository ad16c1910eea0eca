"""Deliveries: open, receive into the spool, close."""

from __future__ import annotations

import errno
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

import structlog
from django.db import transaction
from django.utils import timezone

from access.models import User
from access.queries import require
from archive import quota, spool
from archive.errors import DeliveryClosed, FileTooLarge, OutOfSpace, QuotaReached
from archive.intake import policy
from archive.limits import limit
from archive.models import Archive, Delivery, IntakeSource, QuarantinedFile
from archive.spool import SpooledFile, SpoolWriter
from audit import services as audit
from core import disks
from core.callers import client_address
from core.tenancy import all_tenants, tenant

logger = structlog.get_logger(__name__)

CHUNK_BYTES = 1 << 20
#: What a delivery says of its sender.
ORIGIN: Final = (
    "source",
    "actor_id",
    "calling_ae_title",
    "address",
    "intake_source_id",
    "sent_for_kind",
    "sent_for_id",
)

__all__ = ["SpooledFile", "close_delivery", "discard_spool", "open_delivery", "receive", "request_indexing"]


def open_delivery(
    *,
    archive: Archive,
    source: str,
    actor: User | None = None,
    calling_ae_title: str = "",
    address: str | None = None,
    admission: str = "",
    request: Any = None,
) -> Delivery:
    """Begin to receive. An `actor` needs `archive.add_images`; the row is committed and the spool folder there.

    Raises `NotASource` for an archive of de-identified images whose intake policy does not name the sender.
    `admission` is given where somebody has decided already that the images go in.
    """
    if actor is not None:
        require(actor, "archive.add_images", archive)
    organisation = archive.organisation
    with tenant(organisation), transaction.atomic():
        if request is not None and address is None:
            address = client_address(request) or None
        intake_source = None
        if not (admission and archive.is_gated):
            admission, intake_source = policy.admit(
                archive=archive, source=source, actor=actor, calling_ae_title=calling_ae_title, address=address
            )
        delivery: Delivery = Delivery.objects.create(
            organisation=organisation,
            archive=archive,
            source=source,
            admission=admission,
            intake_source=intake_source,
            **_sent_for(intake_source),
            actor=actor,
            calling_ae_title=calling_ae_title[:16],
            address=address,
        )
        audit.record(
            action="delivery.opened",
            organisation=organisation,
            actor=actor,
            target=delivery,
            detail={"archive": archive.slug, "source": str(source), "calling_ae_title": calling_ae_title[:16]},
            request=request,
            door=_door(source),
            address=address,
        )
    quota.know(delivery_id=delivery.pk, organisation_id=organisation.pk)
    spool.make_folder(delivery.pk)
    return delivery


def open_release(*, actor: User, file: QuarantinedFile, admission: str, request: Any = None) -> Delivery:
    """A delivery by which `actor`, whom the caller has authorised, lets one file out of quarantine.

    It names whoever sent the file, not who releases it: that is in the audit trail, and with the file.
    """
    origin = file.delivery
    with tenant(file.organisation), transaction.atomic():
        delivery: Delivery = Delivery.objects.create(
            organisation_id=file.organisation_id,
            archive_id=file.archive_id,
            release_of=file,
            admission=admission,
            **{name: getattr(origin, name) for name in ORIGIN},
        )
        audit.record(
            action="delivery.opened",
            organisation=file.organisation,
            actor=actor,
            target=delivery,
            detail={"archive": file.archive.slug, "source": str(origin.source), "file": file.public_id},
            request=request,
        )
    quota.know(delivery_id=delivery.pk, organisation_id=file.organisation_id)
    spool.make_folder(delivery.pk)
    return delivery


def _sent_for(source: IntakeSource | None) -> dict[str, Any]:
    if source is None or source.role is None:
        return {}
    return {"sent_for_kind": source.role.container_kind, "sent_for_id": source.role.container_id}


def _door(source: str) -> str:
    return {"dimse": "dimse", "stow": "dicomweb", "import": "command", "deid": "task"}.get(str(source), "")


def receive(*, delivery: Delivery, chunks: Iterable[bytes] | BinaryIO, name: str = "") -> SpooledFile:
    """Stream one file into the spool; returns when it may be acknowledged.

    Raises `OutOfSpace`, `FileTooLarge`, `DeliveryClosed` or `NotASource`; nothing of the file is kept then.
    """
    with SpoolWriter(delivery.pk) as writer:
        # Asked under the writer's lock: from here on the delivery is not taken for dead.
        with all_tenants():
            if not Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.OPEN).exists():
                raise DeliveryClosed
            policy.readmit(delivery)
        return write_one(writer=writer, chunks=chunks, name=name)


def write_one(
    *,
    writer: SpoolWriter,
    chunks: Iterable[bytes] | BinaryIO,
    name: str = "",
    spool_name: str = "",
    refusal: tuple[str, str] | None = None,
    durable: bool = True,
) -> SpooledFile:
    """The same with a writer that is already there, for doors that receive many files in a row.

    Without `durable` the file is only put by: it may be acknowledged after `make_durable`.
    """
    most = limit("file_bytes")
    check_space()
    room = quota.check(delivery_id=writer.delivery_id)
    with _full_disk_is_said(writer):
        writer.open(original_name=name, name=spool_name, refusal=refusal or ("", ""))
        for chunk in pieces(chunks):
            writer.write(chunk)
            if writer.size_bytes > most:
                raise FileTooLarge
            if room is not None and writer.size_bytes > room:
                raise QuotaReached
        spooled = writer.commit() if durable else writer.put_by()
        quota.take(delivery_id=writer.delivery_id, size_bytes=spooled.size_bytes)
        return spooled


def make_durable(*, writer: SpoolWriter) -> None:
    """What was put by may be acknowledged when this returns. Raises `OutOfSpace`; nothing of it is kept then."""
    with _full_disk_is_said(writer):
        writer.commit_all()


@contextmanager
def full_disk_is_said(*, delivery_id: uuid.UUID) -> Iterator[None]:
    """A disk, quota or file size limit that is reached becomes `OutOfSpace`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            logger.error("spool_full", delivery=str(delivery_id))
            raise OutOfSpace from error
        raise


@contextmanager
def _full_disk_is_said(writer: SpoolWriter) -> Iterator[None]:
    try:
        with full_disk_is_said(delivery_id=writer.delivery_id):
            yield
    finally:
        writer.abort()


def pieces(chunks: Iterable[bytes] | BinaryIO) -> Iterable[bytes]:
    read = getattr(chunks, "read", None)
    if read is None:
        yield from chunks
        return
    while piece := read(CHUNK_BYTES):
        yield piece


def check_space() -> None:
    """Refuse before the disk is so full that the database cannot work. Raises `OutOfSpace`."""
    if disks.least_room().is_short:
        raise OutOfSpace


def close_delivery(*, delivery: Delivery) -> bool:
    """No further files come: index what is there. Returns whether this call closed it; repeating does nothing."""
    with tenant(delivery.organisation), transaction.atomic():
        closed = Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.OPEN).update(
            state=Delivery.State.CLOSED, closed_at=timezone.now()
        )
        if closed:
            delivery.state = Delivery.State.CLOSED
            _enqueue(delivery_id=delivery.pk, organisation_id=delivery.organisation_id)
    return bool(closed)


def request_indexing(*, delivery_id: uuid.UUID | str, organisation_id: int | None = None) -> None:
    """Index what a delivery has so far; for a door that keeps receiving. Costs one message."""
    if organisation_id is None:
        with all_tenants():
            organisation_id = Delivery.objects.values_list("organisation_id", flat=True).get(pk=delivery_id)
    _enqueue(delivery_id=delivery_id, organisation_id=organisation_id)


def _enqueue(*, delivery_id: uuid.UUID | str, organisation_id: int) -> None:
    from archive import tasks

    tasks.index_delivery.enqueue(organisation_id=organisation_id, delivery_id=str(delivery_id))


def discard_spool(*, delivery: Delivery) -> int:
    """Forget unacknowledged parts of a delivery that nobody writes to any more; returns how many there were."""
    if spool.has_owner(delivery.pk):
        return 0
    return spool.remove_parts(delivery.pk)
