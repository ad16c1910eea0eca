"""`field__among=rows`: as `field__in=rows`, the rows asked once before the list is, and the answer looked up in an index.

PostgreSQL makes `IN (SELECT …)` under an OR a test on every row of the list, however few rows pass. As an array that is
known when the list begins, several such conditions, each on an indexed column, become one scan of those indexes.
"""

from __future__ import annotations

from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import Field, Lookup, Q, QuerySet
from django.db.models.fields.related import ForeignObject
from django.db.models.sql import Query


@ForeignObject.register_lookup
@Field.register_lookup
class Among(Lookup):  # type: ignore[type-arg]
    lookup_name = "among"
    prepare_rhs = False

    def __init__(self, lhs: Any, rhs: Any) -> None:
        # Django hands a queryset over as its query.
        query: Query = rhs.query if isinstance(rhs, QuerySet) else rhs
        rows: Any = ArraySubquery(query)
        rows.query.clear_ordering(clear_default=True)
        super().__init__(lhs, rows)

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        column, parameters = self.process_lhs(compiler, connection)
        rows, more = self.process_rhs(compiler, connection)
        return f"{column} = ANY({rows})", (*parameters, *more)


def asked_first(condition: Q) -> Q:
    """The same condition with `among` for each `in` of a query."""
    found = Q()
    found.connector, found.negated = condition.connector, condition.negated
    found.children = [_asked_first(child) for child in condition.children]
    return found


def _asked_first(child: Any) -> Any:
    if isinstance(child, Q):
        return asked_first(child)
    if isinstance(child, tuple) and child[0].endswith("__in") and isinstance(child[1], QuerySet):
        return f"{child[0].removesuffix('__in')}__among", child[1]
    return child
