"""The storage quota of an organisation, asked at every door before a file is taken."""

from __future__ import annotations

import threading
import time
import uuid

from django.db.models import Sum

from access.models import Organisation
from archive.errors import QuotaReached
from archive.models import Delivery, Study
from core.tenancy import all_tenants

# A door may take this much longer than the quota lasts; asking for each file would cost more than the file.
MEMORY_SECONDS = 5.0
REMEMBERED = 4096

_lock = threading.Lock()
_verdicts: dict[int, tuple[float, bool]] = {}
_organisations: dict[uuid.UUID, int] = {}


def stored_bytes(organisation: Organisation) -> int:
    """What the archives of an organisation hold. In its scope."""
    return int(Study.objects.filter(organisation=organisation).aggregate(n=Sum("size_bytes"))["n"] or 0)


def check(*, delivery_id: uuid.UUID) -> None:
    """Raises `QuotaReached` when the organisation of the delivery holds as much as it may, or is suspended."""
    with _lock:
        organisation_id = _organisations.get(delivery_id)
    if organisation_id is None:
        with all_tenants():
            found = Delivery.objects.filter(pk=delivery_id).values_list("organisation_id", flat=True).first()
        if found is None:
            return
        organisation_id = int(found)
        know(delivery_id=delivery_id, organisation_id=organisation_id)
    check_organisation(organisation_id=organisation_id)


def know(*, delivery_id: uuid.UUID, organisation_id: int) -> None:
    """Whose a delivery is: told by who opens it, so that its first file need not ask."""
    with _lock:
        if len(_organisations) >= REMEMBERED:
            _organisations.clear()
        _organisations[delivery_id] = organisation_id


def check_organisation(*, organisation_id: int) -> None:
    """The same for a door that knows the organisation."""
    now = time.monotonic()
    with _lock:
        known = _verdicts.get(organisation_id)
    if known is None or now - known[0] > MEMORY_SECONDS:
        known = (now, _is_open(organisation_id))
        with _lock:
            _verdicts[organisation_id] = known
    if not known[1]:
        raise QuotaReached


def forget() -> None:
    """Ask anew at the next file."""
    with _lock:
        _verdicts.clear()


def _is_open(organisation_id: int) -> bool:
    organisation = Organisation.objects.filter(pk=organisation_id).first()
    if organisation is None or organisation.is_suspended:
        return False
    if organisation.storage_quota_bytes is None:
        return True
    with all_tenants():
        return stored_bytes(organisation) < organisation.storage_quota_bytes
