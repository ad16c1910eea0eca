"""Decide on files that were refused: try again, or discard.

A release has two decisions in the database with the spool between them. It is `releasing` from the first to the second, and
holds a lock that lives with its connection: when the process dies, a sweeper finds the state without the lock and brings it
to its end (`finish_release`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from access.models import User
from access.queries import require
from archive import spool
from archive.domain.screening import SCREENING_CODES
from archive.errors import NeedsReason, StillQuarantined
from archive.models import Delivery, QuarantinedFile
from archive.permissions import ADD, MANAGE, VIEW
from archive.services import removal
from archive.services.deliveries import close_delivery, open_release, write_one
from archive.services.index import index_delivery
from archive.spool import SpoolWriter
from archive.storage import storage
from audit import services as audit
from core.errors import Conflict, PacswebError
from core.tenancy import tenant

logger = structlog.get_logger(__name__)

LONGEST_REASON = 300
LOCK_NAMESPACE = 0x1DE9
State = QuarantinedFile.State


def release(*, actor: User, file: QuarantinedFile, reason: str = "", request: Any = None) -> None:
    """Try to store the file again, after the reason was removed (another policy, the other study deleted).

    A file that screening on arrival or another floor holds needs a manager who has looked at it and says why it may go in
    all the same; its study is then still not called de-identified. Raises `NeedsReason`, and `StillQuarantined` with the
    present reason; the file then stays as it is. The decision is in the audit trail before the image is in the archive,
    and once more, as failed, when it does not get in.
    """
    with tenant(file.organisation):
        archive = file.archive
        said = reason.replace("\x00", "").strip()[:LONGEST_REASON]
        if file.is_held:
            require(actor, MANAGE, archive)
            if not said:
                raise NeedsReason
        else:
            require(actor, ADD, archive)
        if file.delivery.actor_id != actor.pk:
            require(actor, VIEW, archive)
        with _held_by_us(file) as is_ours:
            if not is_ours:
                raise Conflict
            # Written down before the image goes in: no crash in between leaves an image that nobody let in.
            with transaction.atomic():
                _claim(file, state=State.RELEASING, actor=actor, note=said)
                _tell(file, code=file.code, actor=actor, outcome="success", request=request)
            try:
                _try_again(actor=actor, file=file, request=request)
                why = _conclude(file, actor=actor, request=request)
            except BaseException:
                _conclude_if_nothing_is_spooled(file, actor=actor, request=request)
                raise
        if why:
            raise StillQuarantined(why)
        removal.purge(organisation_id=archive.organisation_id)


def finish_release(*, file: QuarantinedFile) -> bool:
    """Bring a release whose process died to its end: what it spooled goes in, otherwise the file is kept as before.

    Safe to repeat; False while somebody is at it.
    """
    with tenant(file.organisation), _held_by_us(file) as is_ours:
        if not is_ours:
            return False
        file.refresh_from_db()
        if file.state == State.RELEASING:
            logger.warning("release_finished_for_its_process", file=file.public_id)
            _conclude(file, actor=file.decided_by)
            removal.purge(organisation_id=file.organisation_id)
    return True


@contextmanager
def _held_by_us(file: QuarantinedFile) -> Iterator[bool]:
    """A lock that lives with the database connection, as that of the index."""
    key = [LOCK_NAMESPACE, file.pk % 2**31]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours and not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def _try_again(*, actor: User, file: QuarantinedFile, request: Any) -> None:
    # Who decides on a file need not be a source; only a finding that was looked at goes by without another check.
    admission = ""
    if file.archive.is_gated:
        admission = Delivery.Admission.RELEASED if file.is_held else Delivery.Admission.SCREENED
    delivery = open_release(actor=actor, file=file, admission=admission, request=request)
    try:
        with storage().open(file.storage_key) as content, SpoolWriter(delivery.pk) as writer:
            spooled = write_one(writer=writer, chunks=content, name=file.original_name)
        index_delivery(delivery=delivery, only=[spooled.name])
    finally:
        close_delivery(delivery=delivery)
        spool.remove_parts(delivery.pk)


def _deliveries(file: QuarantinedFile) -> QuerySet[Delivery]:
    rows: QuerySet[Delivery] = Delivery.objects.filter(release_of=file).select_related("archive", "organisation")
    return rows.order_by("opened_at")


def _conclude(file: QuarantinedFile, *, actor: User | None, request: Any = None) -> str:
    """Released when the image is in, kept otherwise; returns what holds it then. Under the lock of the file."""
    for delivery in _deliveries(file).exclude(state=Delivery.State.INDEXED):
        close_delivery(delivery=delivery)
        index_delivery(delivery=delivery)
    is_in = _deliveries(file).filter(Q(stored__gt=0) | Q(duplicate__gt=0) | Q(replaced__gt=0) | Q(skipped__gt=0))
    # The second refusal of the same bytes is no second file.
    again = QuarantinedFile.objects.filter(delivery__in=_deliveries(file).order_by())
    with transaction.atomic():
        if is_in.exists():
            QuarantinedFile.objects.filter(pk=file.pk, state=State.RELEASING).update(state=State.RELEASED)
            removal.note(organisation_id=file.organisation_id, keys=[file.storage_key])
            return ""
        latest = again.order_by("-received_at", "-pk").first()
        code, why = (latest.code, latest.reason) if latest is not None else (file.code, file.reason)
        _tell(file, code=file.code, actor=actor, outcome="failed", request=request)
        _give_back(file, code=code, why=why)
        removal.note(organisation_id=file.organisation_id, keys=list(again.values_list("storage_key", flat=True)))
        again.delete()
    return why


def _conclude_if_nothing_is_spooled(file: QuarantinedFile, *, actor: User, request: Any) -> None:
    """After a fault. What is in the spool may go in at any moment: the sweeper sees how that ends."""
    if any(spool.whole_files(delivery.pk) for delivery in _deliveries(file)):
        return
    try:
        _conclude(file, actor=actor, request=request)
    except PacswebError as error:
        logger.warning("release_left_to_the_sweeper", file=file.public_id, code=error.code)


def _tell(file: QuarantinedFile, *, code: str, actor: User | None, outcome: str, request: Any) -> None:
    is_held = code in SCREENING_CODES
    audit.record(
        action="quarantine.finding_overruled" if is_held else "quarantine.released",
        organisation=file.organisation,
        actor=actor,
        target=file,
        detail={"archive": file.archive.slug, "code": code, **({"reason": file.decision_note} if is_held else {})},
        request=request,
        outcome=outcome,
    )


def discard(*, actor: User, file: QuarantinedFile, request: Any = None) -> None:
    """Give the bytes up for good; the row stays as a trace."""
    with tenant(file.organisation), transaction.atomic():
        archive = file.archive
        require(actor, "archive.delete_images", archive)
        _claim(file, state=State.DISCARDED, actor=actor)
        removal.note(organisation_id=archive.organisation_id, keys=[file.storage_key])
        audit.record(
            action="quarantine.discarded",
            organisation=archive.organisation,
            actor=actor,
            target=file,
            detail={"archive": archive.slug, "code": file.code},
            request=request,
        )
        organisation_id = archive.organisation_id
        transaction.on_commit(lambda: _purge(organisation_id))


def _purge(organisation_id: int) -> None:
    removal.purge(organisation_id=organisation_id)


def _claim(file: QuarantinedFile, *, state: str, actor: User, note: str = "") -> None:
    claimed = QuarantinedFile.objects.filter(pk=file.pk, state=State.KEPT).update(
        state=state, decided_at=timezone.now(), decided_by=actor, decision_note=note
    )
    if not claimed:
        raise Conflict
    file.decision_note = note


def _give_back(file: QuarantinedFile, *, code: str, why: str) -> None:
    """The file stays, with the reason that holds it now."""
    file.code, file.reason = code, why[:500]
    QuarantinedFile.objects.filter(pk=file.pk).update(
        state=State.KEPT,
        decided_at=None,
        decided_by=None,
        decision_note="",
        code=file.code,
        reason=file.reason,
    )
