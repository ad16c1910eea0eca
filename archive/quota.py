"""The storage quota of an organisation, asked at every door before and while a file is taken.

Everything that is kept counts: images, quarantine, what waits in the spool (whole and unfinished files, zips and pieces of
uploads), and exports that can still be fetched.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db.models import Sum

from access.models import Organisation
from archive import spool
from archive.errors import QuotaReached
from archive.models import Delivery, QuarantinedFile, Study
from core.models import Job
from core.tenancy import all_tenants

# Counting costs more than a small file: between two counts a door adds up what it takes itself.
MEMORY_SECONDS = 5.0
REMEMBERED = 4096
EXPORTS = "exports"


@dataclass(slots=True)
class _Verdict:
    """What was counted when; `room` is None without a limit."""

    at: float
    is_open: bool
    room: int | None


_lock = threading.Lock()
_verdicts: dict[int, _Verdict] = {}
_organisations: dict[uuid.UUID, int] = {}


def used_bytes(organisation: Organisation) -> int:
    """All bytes that are kept for an organisation. In its scope."""
    stored = Study.objects.filter(organisation=organisation).aggregate(n=Sum("size_bytes"))["n"] or 0
    kept = QuarantinedFile.objects.filter(organisation=organisation, state=QuarantinedFile.State.KEPT)
    quarantined = kept.aggregate(n=Sum("size_bytes"))["n"] or 0
    return int(stored) + int(quarantined) + _spooled(organisation) + _exported(organisation)


def _spooled(organisation: Organisation) -> int:
    there = list(spool.delivery_ids())
    if not there:
        return 0
    own = Delivery.objects.filter(organisation=organisation, pk__in=there).values_list("pk", flat=True)
    return sum(spool.bytes_in(delivery_id) for delivery_id in own)


def _exported(organisation: Organisation) -> int:
    """Exports are files named by their job."""
    sizes: dict[str, int] = {}
    for path in (Path(settings.DATA_DIR) / EXPORTS).glob("*.zip"):
        try:
            sizes[str(uuid.UUID(path.stem))] = path.stat().st_size
        except (ValueError, FileNotFoundError):
            continue
    if not sizes:
        return 0
    own = Job.objects.filter(organisation=organisation, pk__in=list(sizes)).values_list("pk", flat=True)
    return sum(sizes[str(pk)] for pk in own)


def check(*, delivery_id: uuid.UUID) -> int | None:
    """How much more the organisation of the delivery may keep; None: no limit.

    Raises `QuotaReached` when it is nothing, or when the organisation is suspended.
    """
    organisation_id = _organisation_of(delivery_id)
    return None if organisation_id is None else check_organisation(organisation_id=organisation_id)


def take(*, delivery_id: uuid.UUID, size_bytes: int) -> None:
    """A file was taken: what is left until the next count."""
    organisation_id = _organisation_of(delivery_id)
    with _lock:
        known = _verdicts.get(organisation_id) if organisation_id is not None else None
        if known is not None and known.room is not None:
            known.room -= size_bytes


def _organisation_of(delivery_id: uuid.UUID) -> int | None:
    with _lock:
        organisation_id = _organisations.get(delivery_id)
    if organisation_id is None:
        with all_tenants():
            found = Delivery.objects.filter(pk=delivery_id).values_list("organisation_id", flat=True).first()
        if found is None:
            return None
        organisation_id = int(found)
        know(delivery_id=delivery_id, organisation_id=organisation_id)
    return organisation_id


def know(*, delivery_id: uuid.UUID, organisation_id: int) -> None:
    """Whose a delivery is: told by who opens it, so that its first file need not ask."""
    with _lock:
        if len(_organisations) >= REMEMBERED:
            _organisations.clear()
        _organisations[delivery_id] = organisation_id


def check_organisation(*, organisation_id: int) -> int | None:
    """The same for a door that knows the organisation."""
    now = time.monotonic()
    with _lock:
        known = _verdicts.get(organisation_id)
    if known is None or now - known.at > MEMORY_SECONDS:
        known = _count(organisation_id, at=now)
        with _lock:
            _verdicts[organisation_id] = known
    if not known.is_open or (known.room is not None and known.room <= 0):
        raise QuotaReached
    return known.room


def forget() -> None:
    """Ask anew at the next file."""
    with _lock:
        _verdicts.clear()


def _count(organisation_id: int, *, at: float) -> _Verdict:
    organisation = Organisation.objects.filter(pk=organisation_id).first()
    if organisation is None or organisation.is_suspended:
        return _Verdict(at=at, is_open=False, room=0)
    if organisation.storage_quota_bytes is None:
        return _Verdict(at=at, is_open=True, room=None)
    with all_tenants():
        return _Verdict(at=at, is_open=True, room=organisation.storage_quota_bytes - used_bytes(organisation))
