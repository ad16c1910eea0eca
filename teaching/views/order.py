"""The order of entries that people move a step up or down."""

from __future__ import annotations

from core.errors import NotFound


def moved(ids: list[str], one: str, direction: str) -> list[str]:
    """The order after moving one entry a step up or down."""
    if one not in ids:
        raise NotFound
    at = ids.index(one)
    to = max(0, min(len(ids) - 1, at + (-1 if direction == "up" else 1)))
    ids.insert(to, ids.pop(at))
    return ids
