"""Word lists, written as running text."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def ordered(text: str) -> tuple[str, ...]:
    return tuple(text.split())
