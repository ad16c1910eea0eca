"""Let go of stored bytes without losing track of them: noted in the transaction, removed after it."""

from __future__ import annotations

from collections.abc import Iterable

from archive.models import Removal
from archive.storage import storage

BATCH = 1000


def note(*, organisation_id: int, keys: Iterable[str]) -> None:
    """Remember keys whose bytes go once the surrounding transaction has committed."""
    Removal.objects.bulk_create(
        [Removal(organisation_id=organisation_id, storage_key=key) for key in keys if key], batch_size=1000
    )


def purge(*, organisation_id: int | None = None) -> int:
    """Remove the bytes of everything noted; safe to repeat and to run twice at once. Returns how many."""
    rows = Removal.objects.order_by("pk")
    if organisation_id is not None:
        rows = rows.filter(organisation_id=organisation_id)
    count = 0
    while found := list(rows.values_list("pk", "storage_key")[:BATCH]):
        for _pk, key in found:
            storage().delete(key)
        Removal.objects.filter(pk__in=[pk for pk, _key in found]).delete()
        count += len(found)
    return count
