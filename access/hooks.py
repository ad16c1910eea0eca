"""What upper floors tell access: more ways to see a row, and who wants to hear of an act."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from django.db.models import Model, Q, QuerySet


class VisibilityProvider(Protocol):
    def __call__(self, *, user: Any, permission: str) -> Q | None:
        """The rows that `user` may see for a reason other than a role on the container; None when there are none."""


class Reason(NamedTuple):
    """One more way to see rows of a model."""

    provider: VisibilityProvider
    #: Kinds of containers whose roles it needs; None for one that follows from something else.
    kinds: frozenset[str] | None
    #: Images alone are seen for it: no description, date or other text that came with them.
    is_blind: bool


class ReachProvider(Protocol):
    def __call__(self, *, token: Any, permission: str) -> Q | None:
        """The rows that lie within a container which a limited token names; None when none do.

        It opens nothing: a reason to see the row has to stand beside it.
        """


class ConfiningRule(Protocol):
    def __call__(self, *, user: Any, at: datetime | None = None) -> QuerySet[Any]:
        """Primary keys of the containers that the person's confining roles keep shut, as a lazy query of one value.

        A token that is limited to other places, or a membership that sleeps, does not lift it.
        """


@dataclass(frozen=True, kw_only=True)
class Confinement:
    """A role that confines: who holds one on a container of kind `by` enjoys no role on the containers of `rule`.

    So a role that is given later, or by a rule of single sign-on, cannot open beside it what it is there to keep shut.
    `spared` permissions ("archive.add_images") hold all the same. `grants(container)` gives the confining grants that keep
    one container shut; `words` say to people why.
    """

    by: str
    rule: ConfiningRule
    grants: Callable[[Any], QuerySet[Any]]
    words: Any
    spared: frozenset[str] = frozenset()


class ActListener(Protocol):
    def __call__(
        self,
        *,
        action: str,
        organisation: Any,
        actor: Any,
        target: Any,
        detail: dict[str, Any],
        outcome: str,
        request: Any,
        target_label: str,
    ) -> None: ...


class Explainer(Protocol):
    def __call__(self, *, actor: Any, organisation: Any, target: Any, request: Any) -> str:
        """What made this act the actor's business, e.g. "break-glass 4k2m…"; empty when it is not this reason."""


class Ender(Protocol):
    def __call__(self, *, organisation: Any, user: Any) -> Any:
        """End, or set to rest, what `user` made in the organisation and could not make now."""


_explainers: list[Explainer] = []
_visibility: dict[type[Model], list[Reason]] = {}
_reaches: dict[type[Model], list[ReachProvider]] = {}
_confinements: dict[type[Model], list[Confinement]] = {}
_listeners: list[ActListener] = []


def register_visibility(
    model: type[Model],
    provider: VisibilityProvider,
    *,
    by: Iterable[type[Model]] | None = None,
    is_blind: bool = False,
) -> None:
    """Widen `access.queries.visible_to` for a model, e.g. images of a case assigned to a trainee.

    `by` names the kinds of containers whose roles give the reason: who has a role on none of them is not asked about it.
    `is_blind` withholds the texts that came with the images (`access.queries.visible_to(…, openly=True)` leaves such
    rows out): for the readers of unknowns.
    """
    kinds = None if by is None else frozenset(one._meta.label_lower for one in by)
    reason = Reason(provider, kinds, is_blind)
    reasons = _visibility.setdefault(model, [])
    if reason not in reasons:
        reasons.append(reason)


def visibility_reasons(model: type[Model]) -> tuple[Reason, ...]:
    return tuple(_visibility.get(model, ()))


def register_reach(model: type[Model], provider: ReachProvider) -> None:
    """Say which rows of a model belong to a container that is not the one they hang on, e.g. subjects to their site, so
    that a token limited to that container reaches them."""
    providers = _reaches.setdefault(model, [])
    if provider not in providers:
        providers.append(provider)


def reach_providers(model: type[Model]) -> tuple[ReachProvider, ...]:
    return tuple(_reaches.get(model, ()))


def register_confinement(container: type[Model], confinement: Confinement) -> None:
    """Keep containers of a kind shut to people whose role elsewhere confines them, whatever other roles they hold."""
    known = _confinements.setdefault(container, [])
    if confinement not in known:
        known.append(confinement)


def confinements(container: type[Model]) -> tuple[Confinement, ...]:
    return tuple(_confinements.get(container, ()))


def confines(container: Any) -> bool:
    """Whether a role on this container may shut others."""
    kind = container.container_kind()
    return any(one.by == kind for rules in _confinements.values() for one in rules)


def confined_people(container: Any) -> dict[int, str]:
    """Who is confined on one container, by primary key, and why."""
    return {
        pk: str(one.words)
        for one in confinements(type(container))
        for pk in one.grants(container).values_list("user", flat=True)
    }


def on_act(listener: ActListener) -> Callable[..., None]:
    """Hear of each act of this floor (sign-in, role change, token use); audit registers itself here."""
    if listener not in _listeners:
        _listeners.append(listener)
    return listener


def tell(
    *,
    action: str,
    organisation: Any = None,
    actor: Any = None,
    target: Any = None,
    detail: dict[str, Any] | None = None,
    outcome: str = "success",
    request: Any = None,
    target_label: str = "",
) -> None:
    """Tell the listeners of an act, inside the transaction that did it. `target_label` names what is no row."""
    for listener in _listeners:
        listener(
            action=action,
            organisation=organisation,
            actor=actor,
            target=target,
            detail=detail or {},
            outcome=outcome,
            request=request,
            target_label=target_label,
        )


_enders: list[Ender] = []


def on_rights_lost(ender: Ender) -> Ender:
    """Hear, inside the transaction and the organisation's scope, of everybody who may have lost a right there."""
    if ender not in _enders:
        _enders.append(ender)
    return ender


def rights_lost(*, organisation: Any, user: Any) -> None:
    """Somebody has fewer roles than before; what hangs on a right of theirs is looked at by those who made it."""
    for ender in _enders:
        ender(organisation=organisation, user=user)


_viewable: set[str] = set()


def register_viewable(*routes: str) -> None:
    """Open routes ("archive:study") or whole rooms ("archive:*") to "view as": nothing on them is anybody's own."""
    _viewable.update(routes)


def is_viewable(route: str) -> bool:
    return route in _viewable or f"{route.partition(':')[0]}:*" in _viewable


_visibility_words: list[Any] = []


def register_visibility_words(words: Any) -> None:
    """Say for people which other reasons there are to see a single thing, e.g. "a case that was assigned"."""
    if words not in _visibility_words:
        _visibility_words.append(words)


def visibility_words() -> tuple[Any, ...]:
    return tuple(_visibility_words)


def register_explainer(explainer: Explainer) -> None:
    """Say of an act why it was allowed, for acts whose own room gives no reason."""
    if explainer not in _explainers:
        _explainers.append(explainer)


def explain(*, actor: Any, organisation: Any, target: Any, request: Any) -> str:
    """The first reason that an explainer knows."""
    for explainer in _explainers:
        reason = explainer(actor=actor, organisation=organisation, target=target, request=request)
        if reason:
            return reason
    return ""


_source_words: dict[str, Callable[[str], str]] = {}


def register_source_words(prefix: str, words: Callable[[str], str]) -> None:
    """Say for people where a role with a source of this prefix ("sso:…") comes from."""
    _source_words[prefix] = words


def source_words(source: str) -> str:
    words = _source_words.get(source.partition(":")[0])
    return words(source) if words is not None else source
