"""What can be shared: upper floors say here how one thing of theirs is found, reached, shown and handed over."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from django.db.models import Model, Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from core.errors import Message, NotFound

if TYPE_CHECKING:
    from access.sharing.models import Share

Means = Literal["view", "download"]


@dataclass(frozen=True, kw_only=True)
class Option:
    """A tick box of the share form that only this kind of thing has."""

    name: str
    label: Message
    help: Message = ""


class Shareable(ABC):
    """One kind of thing; its floor says in a class of its own how one of them is found, reached, shown and handed over.

    `permission` is what the sharer holds on the thing's container. `routes` are the only addresses (URL names, safe
    methods) that a guest may ask besides the share's own page, with what each needs; `covers` says whether the
    parts of such an address name the shared thing. `reach` is the guest's whole sight of a model: everything that asks
    `access.queries.visible_to` gets exactly this and nothing else.
    """

    kind: ClassVar[str]
    model: ClassVar[type[Model]]
    label: ClassVar[Message]
    icon: ClassVar[str]
    permission: ClassVar[str]
    routes: ClassVar[Mapping[str, Means]]
    warning: ClassVar[Message] = ""
    options: ClassVar[Sequence[Option]] = ()
    #: Whether guests see images alone, without the descriptions, dates and other texts that came with them.
    is_blind: ClassVar[bool] = False
    #: Whether guests who may download get the whole of it by `download`.
    is_handed_over: ClassVar[bool] = False

    @abstractmethod
    def find(self, public_id: str) -> Model | None:
        """The row that somebody wants to share, with what its container and the other methods need."""

    @abstractmethod
    def covers(self, share: Share, kwargs: Mapping[str, Any]) -> bool:
        """Whether the parts of an address of `routes` name what is shared."""

    @abstractmethod
    def reach(self, share: Share, model: type[Model], permission: str) -> Q | None:
        """The rows of a model that the guest sees; None for none."""

    @abstractmethod
    def sees(self, user: Any, share: Share, kwargs: Mapping[str, Any]) -> bool:
        """Whether a member's own roles reach what such an address names: then the share is not needed."""

    @abstractmethod
    def is_there(self, share: Share) -> bool:
        """Whether the shared thing still is, and may still be shown."""

    @abstractmethod
    def describe(self, row: Any) -> str:
        """What lists of shares and the trail call it."""

    @abstractmethod
    def address(self, row: Any) -> str:
        """Its page for members."""

    @abstractmethod
    def view(self, request: HttpRequest, share: Share) -> HttpResponseBase:
        """Its page for the guest."""

    def download(self, request: HttpRequest, share: Share) -> HttpResponseBase:
        raise NotFound

    def refusal(self, row: Any) -> Message:
        """A sentence that refuses, or "" when this row can be shared now."""
        return ""

    def hold(self, row: Any) -> None:  # noqa: B027
        """Lock the row for the transaction that shares it, where what it opens may grow: whoever adds to it at the same
        moment comes before the share or finds it."""


_kinds: dict[str, Shareable] = {}


def register_shareable(shareable: Shareable) -> None:
    """Make a kind of thing shareable, in `AppConfig.ready` of the floor that shows it. Again: replaced."""
    _kinds[shareable.kind] = shareable


def find(kind: str) -> Shareable | None:
    return _kinds.get(kind)


def kinds() -> tuple[Shareable, ...]:
    return tuple(_kinds.values())
