"""The home page, "what waits for me": apps add blocks in `AppConfig.ready`; a person sees those that concern them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from core.errors import Message


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number at the top of the page, e.g. "3 due today"."""

    label: Message
    value: int | str
    url: str = ""
    note: Message = ""
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line that waits: what it is, why it is here, where it leads."""

    title: str
    url: str
    note: Message = ""
    icon: str = ""
    end: Message = ""
    tone: str = ""
    thumbnail_url: str = ""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A block of the page: either `entries`, or a `template` rendered with `context`.

    `empty` is the sentence when there is nothing; without one, an empty section is left out. `side` puts it into the
    narrow column.
    """

    title: Message
    note: Message = ""
    entries: Sequence[Entry] = ()
    more_url: str = ""
    more_label: Message = ""
    empty: Message = ""
    template: str = ""
    context: Mapping[str, Any] = field(default_factory=dict)
    side: bool = False

    @property
    def is_shown(self) -> bool:
        return bool(self.entries or self.template or self.empty)


Provider = Callable[[HttpRequest], Section | Sequence[Section] | None]
FigureProvider = Callable[[HttpRequest], Sequence[Figure]]

_providers: list[tuple[int, Provider]] = []
_figures: list[tuple[int, FigureProvider]] = []


def register(provider: Provider, *, order: int = 100) -> None:
    """Add a block; `provider(request)` returns a `Section`, several, or None for a person it does not concern."""
    if (order, provider) not in _providers:
        _providers.append((order, provider))


def register_figures(provider: FigureProvider, *, order: int = 100) -> None:
    """Add numbers to the row at the top of the page."""
    if (order, provider) not in _figures:
        _figures.append((order, provider))


def sections(request: HttpRequest) -> list[Section]:
    found: list[Section] = []
    for _order, provider in sorted(_providers, key=lambda pair: pair[0]):
        answer = provider(request)
        if isinstance(answer, Section):
            found.append(answer)
        elif answer is not None:
            found.extend(answer)
    return [section for section in found if section.is_shown]


def figures(request: HttpRequest) -> list[Figure]:
    return [figure for _order, provider in sorted(_figures, key=lambda pair: pair[0]) for figure in provider(request)]
