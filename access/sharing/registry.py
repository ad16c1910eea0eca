"""What can be shared: upper floors say here how one thing of theirs is found, reached, shown and handed over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from django.db.models import Model, Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.errors import Message

if TYPE_CHECKING:
    from access.sharing.models import Share

Means = Literal["view", "download"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """A tick box of the share form that only this kind of thing has."""

    name: str
    label: Message
    help: Message = ""


@dataclass(frozen=True, kw_only=True)
class Shareable:
    """One kind of thing.

    `permission` is what the sharer holds on the thing's container. `routes` are the only addresses (URL names, safe
    methods) that a guest may ask besides the share's own page, with what each needs; `covers` says whether the
    parts of such an address name the shared thing. `reach` is the guest's whole sight of a model: everything that asks
    `access.queries.visible_to` gets exactly this and nothing else.
    """

    kind: str
    model: type[Model]
    label: Message
    icon: str
    permission: str
    routes: Mapping[str, Means]
    find: Callable[[str], Model | None]
    covers: Callable[[Share, Mapping[str, Any]], bool]
    reach: Callable[[Share, type[Model], str], Q | None]
    #: Whether a member's own roles reach what such an address names: then the share is not needed.
    sees: Callable[[Any, Share, Mapping[str, Any]], bool]
    is_there: Callable[[Share], bool]
    describe: Callable[[Any], str]
    address: Callable[[Any], str]
    view: Callable[[HttpRequest, Share], HttpResponseBase]
    download: Callable[[HttpRequest, Share], HttpResponseBase] | None = None
    warning: Message = ""
    options: Sequence[Option] = field(default=())
    #: A sentence that refuses, or "" when this row can be shared now.
    refusal: Callable[[Any], Message] = lambda row: ""


_kinds: dict[str, Shareable] = {}


def register_shareable(shareable: Shareable) -> None:
    """Make a kind of thing shareable, in `AppConfig.ready` of the floor that shows it. Again: replaced."""
    _kinds[shareable.kind] = shareable


def find(kind: str) -> Shareable | None:
    return _kinds.get(kind)


def kinds() -> tuple[Shareable, ...]:
    return tuple(_kinds.values())
