"""Search everything (⌘K): apps add sources in `AppConfig.ready`; each answers only with what the person may see."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.http import HttpRequest
from django.utils.translation import gettext as _

from core import navigation
from core.errors import Message

LIMIT_PER_SOURCE = 6
LONGEST_QUERY = 200


@dataclass(frozen=True, kw_only=True)
class Hit:
    label: str
    url: str
    icon: str = "arrow-right"
    note: Message = ""


@dataclass(frozen=True, kw_only=True)
class Source:
    key: str
    label: Message
    find: Callable[[HttpRequest, str, int], Iterable[Hit]]
    order: int
    at_least: int


_sources: dict[str, Source] = {}


def register(
    *,
    key: str,
    label: Message,
    find: Callable[[HttpRequest, str, int], Iterable[Hit]],
    order: int = 100,
    at_least: int = 2,
) -> None:
    """Add a source. `find(request, words, limit)` yields at most `limit` hits, already filtered by permission.

    It is asked once `at_least` characters are typed.
    """
    _sources[key] = Source(key=key, label=label, find=find, order=order, at_least=at_least)


def search(request: HttpRequest, *, words: str) -> list[tuple[Message, list[Hit]]]:
    """Hits by group, in the order of the sources; pages of the person come first."""
    words = words.strip()[:LONGEST_QUERY]
    asked = [
        source
        for source in sorted(_sources.values(), key=lambda one: (one.order, one.key))
        if len(words) >= source.at_least
    ]
    groups: list[tuple[Message, list[Hit]]] = [
        (_("Go to"), _pages(request, words)),
        *((source.label, list(source.find(request, words, LIMIT_PER_SOURCE))[:LIMIT_PER_SOURCE]) for source in asked),
    ]
    return [(label, hits) for label, hits in groups if hits]


def _pages(request: HttpRequest, words: str) -> list[Hit]:
    wanted = words.casefold()
    return [
        Hit(label=str(entry.label), url=entry.url, icon=entry.icon, note=f"g {entry.go}" if entry.go else "")
        for entry in navigation.entries(request)
        if wanted in str(entry.label).casefold()
    ]
