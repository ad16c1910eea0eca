"""Queries that are made ready once: compiled once a process, planned by PostgreSQL once a connection.

What every request asks (who is this token, is the person a member, does a role of theirs open the archive) is asked the
same way each time. Django builds and compiles such a query anew for each, and PostgreSQL plans it anew, with the wall's
conditions on every table; together that costs many times what the answer does. Nothing of an *answer* is remembered
here: each call asks the database, so that a right taken away is gone with the next request.

The query itself is written as any other, once, as a function of its values::

    @ready(digest=str)
    def _token(*, digest: str) -> QuerySet[ApiToken]:
        return ApiToken.objects.select_related("user").filter(digest=digest)


    token = _token.first(digest="…")

The function runs once, with stand-ins for the values; it must not branch on them. A query of tenant rows is asked inside
the scope of an organisation (`scoped=True`), which is one more value. Several texts at once are a `list`, compared by
`field__any_of`. Any function that a queryset is made by may be used inside: the permission filter is compiled from the
one place where it is written.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Generic, TypeVar

from django.apps import apps
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import CharField, Lookup, Model, QuerySet
from django.db.models.query import get_related_populators
from psycopg.types.numeric import Int8

from core.tenancy import current_organisation, tenant

Row = TypeVar("Row", bound=Model)

ORGANISATION = "organisation_of_scope"


@CharField.register_lookup
class AnyOf(Lookup):  # type: ignore[type-arg]
    """`column = ANY(list)`: one parameter however long the list is, where `__in` has one for each."""

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*parameters, list(self.rhs)]


class NotReady(RuntimeError):
    """A query that cannot be made ready as it is written: a value of it is not in its SQL, or it needs a scope."""


def _stand_in(kind: type[Any], number: int) -> Any:
    """A value that no query has by itself, to be found again among the parameters of the SQL."""
    if kind is int:
        return 0x7EAD_0000_0000_0000 + number
    if kind is str:
        return f"\ue000stand-in {number}\ue001"
    if kind is list:
        return [_stand_in(str, number)]
    if kind is uuid.UUID:
        return uuid.UUID(int=(0x7EAD << 112) + number)
    if kind is dt.datetime:
        return dt.datetime(9000, 1, 1, microsecond=number, tzinfo=dt.UTC)
    raise TypeError(f"no stand-in for {kind}")


def _sent(value: Any) -> Any:
    # One type for whole numbers of every size: the plan is kept by statement and types of its parameters.
    return Int8(value) if type(value) is int else value


class Ready(Generic[Row]):
    """A queryset as a function of its values, ready to be asked. Make it with `ready`."""

    def __init__(self, build: Callable[..., QuerySet[Row]], *, kinds: dict[str, type[Any]], scoped: bool) -> None:
        self._build = build
        self._kinds = {**kinds, ORGANISATION: int} if scoped else kinds
        self._scoped = scoped
        self._plan: _Plan | None = None

    def first(self, **values: Any) -> Row | None:
        """The row, or None. Where several may be found the query itself says which (`order_by`, `[:1]`)."""
        found = self.all(**values)
        return found[0] if found else None

    def all(self, **values: Any) -> list[Row]:
        plan = self._plan or self._compile()
        if self._scoped:
            organisation = current_organisation()
            if organisation is None:
                raise NotReady("asked outside the scope of an organisation")
            values[ORGANISATION] = organisation.pk
        if values.keys() != self._kinds.keys():
            raise TypeError(f"takes {sorted(self._kinds)}, not {sorted(values)}")
        return plan.run(values)

    def _compile(self) -> _Plan:
        stand_ins = {name: _stand_in(kind, number) for number, (name, kind) in enumerate(self._kinds.items(), start=1)}
        given = {name: value for name, value in stand_ins.items() if name != ORGANISATION}
        organisation = apps.get_model("access", "Organisation")
        scope = tenant(organisation(pk=stand_ins[ORGANISATION])) if self._scoped else nullcontext()
        with scope:
            self._plan = _Plan(self._build(**given), stand_ins=stand_ins)
        return self._plan


class _Plan:
    """The SQL of a queryset, where its values go, and how a row becomes an object."""

    def __init__(self, rows: QuerySet[Any], *, stand_ins: dict[str, Any]) -> None:
        compiler: Any = rows.query.get_compiler(connection.alias)
        self._never = False
        self._locks = rows.query.select_for_update
        try:
            self._sql, parameters = compiler.as_sql()
        except EmptyResultSet:
            self._never = True
            return
        self._parameters = [_slot(value, stand_ins=stand_ins) for value in parameters]
        missing = stand_ins.keys() - {slot for slot, _value in self._parameters}
        if missing:
            raise NotReady(f"the SQL does not hold {sorted(missing)}: a value is changed on the way or not used")
        select, info = compiler.select, compiler.klass_info
        self._annotations = dict(compiler.annotation_col_map or {})
        fields = info["select_fields"]
        self._start, self._end = fields[0], fields[-1] + 1
        self._model: Any = info["model"]
        self._attributes = [column[0].target.attname for column in select[self._start : self._end]]
        self._populators = get_related_populators(info, select, connection.alias)  # type: ignore[call-arg]
        self._converters = compiler.get_converters([column[0] for column in select])
        self._apply = compiler.apply_converters

    def run(self, values: dict[str, Any]) -> list[Any]:
        if self._never:
            return []
        if self._locks and not connection.in_atomic_block:
            raise NotReady("rows are locked inside a transaction only")
        parameters = [_sent(values[slot] if slot else value) for slot, value in self._parameters]
        with connection.prepared_cursor() as cursor:  # type: ignore[attr-defined]
            cursor.execute(self._sql, parameters)
            found = cursor.fetchall()
        rows = self._apply(found, self._converters) if self._converters else found
        return [self._made(row) for row in rows]

    def _made(self, row: Any) -> Any:
        made = self._model.from_db(connection.alias, self._attributes, row[self._start : self._end])
        for populator in self._populators:
            populator.populate(row, made)
        for name, position in self._annotations.items():
            setattr(made, name, row[position])
        return made


def _slot(value: Any, *, stand_ins: dict[str, Any]) -> tuple[str, Any]:
    for name, stand_in in stand_ins.items():
        if type(value) is type(stand_in) and value == stand_in:
            return name, None
    return "", value


def ready(*, scoped: bool = False, **kinds: type[Any]) -> Callable[[Callable[..., QuerySet[Row]]], Ready[Row]]:
    """Make a function that returns a queryset ready; `kinds` are its values (int, str, datetime, UUID, or list for texts)."""

    def decorate(build: Callable[..., QuerySet[Row]]) -> Ready[Row]:
        return Ready(build, kinds=kinds, scoped=scoped)

    return decorate
