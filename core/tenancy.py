"""One way in and out of a tenant: everything that reads or writes tenant rows runs inside `tenant(...)`.

The active scope is kept twice: django-scopes reads it to filter every query of a tenant model, and the database backend
(`core.db.postgresql`) tells it to PostgreSQL, whose row-level security (`core.wall`) repeats the filter for whatever
reaches the tables by another way.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from django_scopes import get_scope, scope, scopes_disabled

if TYPE_CHECKING:
    from access.models import Organisation

Item = TypeVar("Item")

_person: contextvars.ContextVar[int | None] = contextvars.ContextVar("person", default=None)


class Context(NamedTuple):
    """What the database is told: the organisation whose rows are there, whether all are, and who is signed in."""

    organisation: str = ""
    reach: str = ""
    person: str = ""


ALL = "all"
NOWHERE = Context()


@contextmanager
def tenant(organisation: Organisation) -> Iterator[None]:
    """Scope every query of tenant rows in the block to one organisation."""
    with scope(organisation=organisation):
        yield


@contextmanager
def all_tenants() -> Iterator[None]:
    """Lift the scope, for work of the installation itself (sweepers, seals, commands). Never in a view."""
    with scopes_disabled():
        yield


@contextmanager
def signed_in(*, user_id: int | None) -> Iterator[None]:
    """Say who asks, for the few rows that are a person's own in whatever organisation (their memberships)."""
    before = _person.set(user_id)
    try:
        yield
    finally:
        _person.reset(before)


def current_organisation() -> Organisation | None:
    """The organisation of the active scope, or None outside one."""
    found: Organisation | None = get_scope().get("organisation")
    return found


def current_context() -> Context:
    """The active scope as the database has to know it. Outside every scope no tenant row is there."""
    active = get_scope()
    person = _person.get()
    who = "" if person is None else str(person)
    if not active:
        return Context(person=who) if who else NOWHERE
    if not active.get("_enabled", True):
        return Context(reach=ALL, person=who)
    organisation = active.get("organisation")
    return Context(organisation="" if organisation is None else str(organisation.pk), person=who)


def carried(items: Iterable[Item]) -> Iterator[Item]:
    """Make each item in the scope of now, wherever it is asked for: the body of a streaming response is made after
    the middleware has left the scope."""
    return _carried(items=items, context=contextvars.copy_context())


def _carried(*, items: Iterable[Item], context: contextvars.Context) -> Iterator[Item]:
    source = iter(items)
    nothing = object()
    try:
        while (item := context.run(next, source, nothing)) is not nothing:
            yield item  # type: ignore[misc]
    finally:
        close = getattr(source, "close", None)
        if close is not None:
            context.run(close)
