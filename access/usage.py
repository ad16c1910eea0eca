"""How much an organisation holds, and how much it may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from access import queries
from access.models import Organisation
from core.tenancy import tenant

Counter = Callable[[Organisation], int]

_storage: list[Counter] = []


def register_storage(counter: Counter) -> None:
    """Count the bytes that a floor above keeps for an organisation; called in its scope."""
    if counter not in _storage:
        _storage.append(counter)


@dataclass(frozen=True)
class Usage:
    """People and bytes of one organisation beside its quotas (None: no limit)."""

    people: int
    people_quota: int | None
    storage_bytes: int
    storage_quota_bytes: int | None

    @property
    def storage_percent(self) -> int | None:
        return _percent(self.storage_bytes, self.storage_quota_bytes)

    @property
    def people_percent(self) -> int | None:
        return _percent(self.people, self.people_quota)


def _percent(used: int, quota: int | None) -> int | None:
    if quota is None:
        return None
    return 100 if quota == 0 else min(100, used * 100 // quota)


def storage_bytes(organisation: Organisation) -> int:
    with tenant(organisation):
        return sum(counter(organisation) for counter in _storage)


def of(organisation: Organisation) -> Usage:
    with tenant(organisation):
        return Usage(
            people=queries.people_count(organisation),
            people_quota=organisation.people_quota,
            storage_bytes=storage_bytes(organisation),
            storage_quota_bytes=organisation.storage_quota_bytes,
        )
