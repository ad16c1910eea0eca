"""The left navigation: each app adds its places in `AppConfig.ready`; a person sees those that answer to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse

from core.errors import Message

Predicate = Callable[[HttpRequest], bool]
UrlMaker = Callable[[HttpRequest], str]
Counter = Callable[[HttpRequest], int | None]


def anyone(request: HttpRequest) -> bool:
    return True


@dataclass(frozen=True, kw_only=True)
class Place:
    key: str
    label: Message
    icon: str
    url: str | UrlMaker
    order: int = 100
    group: Message = ""
    may: Predicate = anyone
    count: Counter | None = None
    go: str = ""

    def address(self, request: HttpRequest) -> str:
        if callable(self.url):
            return self.url(request)
        return reverse(self.url, kwargs={"organisation": request.organisation.slug})  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A place as one person sees it now."""

    key: str
    label: Message
    icon: str
    url: str
    group: Message
    count: int | None
    go: str
    is_current: bool


_places: dict[str, Place] = {}
_administration: dict[str, Place] = {}


def register(
    *,
    key: str,
    label: Message,
    icon: str,
    url: str | UrlMaker,
    order: int = 100,
    group: Message = "",
    may: Predicate = anyone,
    count: Counter | None = None,
    go: str = "",
) -> None:
    """Add a place. `url` is a URL name that takes the organisation, or a function of the request.

    `icon` is a Lucide name, `may` says who sees it, `count` a number shown beside it, and `go` the letter that leads
    there after `g`. Registering a key again replaces the place.
    """
    for other in _places.values():
        if go and other.go == go and other.key != key:
            raise ValueError(f"The keys g {go} already lead to {other.key!r}.")
    _places[key] = Place(
        key=key, label=label, icon=icon, url=url, order=order, group=group, may=may, count=count, go=go
    )


def register_administration(
    *, key: str, label: Message, url: str | UrlMaker, order: int = 100, may: Predicate = anyone
) -> None:
    """Add a tab to the administration pages, e.g. archives; the page includes `access/administration_tabs.html`."""
    _administration[key] = Place(key=key, label=label, icon="settings", url=url, order=order, may=may)


def administration(request: HttpRequest) -> list[Entry]:
    if getattr(request, "organisation", None) is None:
        return []
    return [
        Entry(
            key=place.key,
            label=place.label,
            icon=place.icon,
            url=place.address(request),
            group="",
            count=None,
            go="",
            is_current=False,
        )
        for place in sorted(_administration.values(), key=lambda one: (one.order, one.key))
        if place.may(request)
    ]


def entries(request: HttpRequest, *, current: str = "") -> list[Entry]:
    """The places this person may use, in order. `current` names one; without it the address decides."""
    if getattr(request, "organisation", None) is None:
        return []
    shown = [place for place in sorted(_places.values(), key=lambda one: (one.order, one.key)) if place.may(request)]
    addresses = {place.key: place.address(request) for place in shown}
    here = current or _nearest(path=request.path, addresses=addresses)
    return [
        Entry(
            key=place.key,
            label=place.label,
            icon=place.icon,
            url=addresses[place.key],
            group=place.group,
            count=place.count(request) if place.count else None,
            go=place.go,
            is_current=place.key == here,
        )
        for place in shown
    ]


def _nearest(*, path: str, addresses: dict[str, str]) -> str:
    matches = [(len(address), key) for key, address in addresses.items() if path.startswith(address)]
    return max(matches)[1] if matches else ""
