"""Decide on files that were refused: try again, or discard."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from access.models import User
from access.queries import require
from archive import spool
from archive.errors import NeedsReason, StillQuarantined
from archive.models import Delivery, QuarantinedFile
from archive.permissions import ADD, MANAGE, VIEW
from archive.services import removal
from archive.services.deliveries import close_delivery, open_delivery, write_one
from archive.services.index import index_delivery
from archive.spool import SpoolWriter
from archive.storage import storage
from audit import services as audit
from core.errors import Conflict
from core.tenancy import tenant

LONGEST_REASON = 300


def release(*, actor: User, file: QuarantinedFile, reason: str = "", request: Any = None) -> None:
    """Try to store the file again, after the reason was removed (another policy, the other study deleted).

    A file that screening on arrival holds needs a manager who has looked at it and says why the finding is a false
    alarm; its study is then still not called de-identified. Raises `NeedsReason`, and `StillQuarantined` with the
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
        action = "quarantine.finding_overruled" if file.is_held else "quarantine.released"
        detail = {"archive": archive.slug, "code": file.code, **({"reason": said} if file.is_held else {})}

        def tell(outcome: str) -> None:
            audit.record(
                action=action,
                organisation=archive.organisation,
                actor=actor,
                target=file,
                detail=detail,
                request=request,
                outcome=outcome,
            )

        # Written down before the image goes in: no crash in between leaves an image that nobody let in.
        with transaction.atomic():
            _claim(file, state=QuarantinedFile.State.RELEASED, actor=actor, note=said)
            tell("success")
        try:
            outcome = _try_again(actor=actor, file=file, request=request)
        except BaseException:
            with transaction.atomic():
                _give_back(file, code=file.code, why=file.reason)
                tell("failed")
            raise
        if not outcome.is_success:
            with transaction.atomic():
                _give_back(file, code=outcome.code, why=outcome.reason)
                tell("failed")
            raise StillQuarantined(outcome.reason)
        with transaction.atomic():
            removal.note(organisation_id=archive.organisation_id, keys=[file.storage_key])
        removal.purge(organisation_id=archive.organisation_id)


def _try_again(*, actor: User, file: QuarantinedFile, request: Any) -> Any:
    # Who decides on a file need not be a source; only a finding that was looked at goes by without another check.
    admission = Delivery.Admission.RELEASED if file.is_held else Delivery.Admission.SCREENED
    delivery = open_delivery(
        archive=file.archive, source=Delivery.Source.UPLOAD, actor=actor, admission=admission, request=request
    )
    try:
        with storage().open(file.storage_key) as content, SpoolWriter(delivery.pk) as writer:
            spooled = write_one(writer=writer, chunks=content, name=file.original_name)
        outcome = index_delivery(delivery=delivery, only=[spooled.name])[0]
        with transaction.atomic():
            # The second refusal of the same bytes is no second file.
            again = QuarantinedFile.objects.filter(delivery=delivery)
            removal.note(organisation_id=file.organisation_id, keys=list(again.values_list("storage_key", flat=True)))
            again.delete()
    finally:
        close_delivery(delivery=delivery)
        spool.remove_parts(delivery.pk)
    return outcome


def discard(*, actor: User, file: QuarantinedFile, request: Any = None) -> None:
    """Give the bytes up for good; the row stays as a trace."""
    with tenant(file.organisation), transaction.atomic():
        archive = file.archive
        require(actor, "archive.delete_images", archive)
        _claim(file, state=QuarantinedFile.State.DISCARDED, actor=actor)
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
    claimed = QuarantinedFile.objects.filter(pk=file.pk, state=QuarantinedFile.State.KEPT).update(
        state=state, decided_at=timezone.now(), decided_by=actor, decision_note=note
    )
    if not claimed:
        raise Conflict


def _give_back(file: QuarantinedFile, *, code: str, why: str) -> None:
    """The file stays, with the reason that holds it now."""
    file.code, file.reason = code, why[:500]
    QuarantinedFile.objects.filter(pk=file.pk).update(
        state=QuarantinedFile.State.KEPT,
        decided_at=None,
        decided_by=None,
        decision_note="",
        code=file.code,
        reason=file.reason,
    )
