"""The different values of a column, by as many steps through its index as there are values.

`SELECT DISTINCT` reads every row to find that half of them say “MR”. This asks for the least value, then for the next one
above it, and so on: with an index on what the rows are chosen by and the column, a hundred thousand rows with ten values
are eleven look-ups. PostgreSQL does not skip through an index by itself (“loose index scan”).
"""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL


def distinct_values(rows: QuerySet[Any], field: str, *, most: int) -> list[str]:
    """The values of a text column among `rows`, in its order, without the empty one; at most `most`, the first.

    `rows` must be chosen by what leads an index in which `field` follows, or each step reads as far as a value goes.
    """
    rows = rows.order_by(field).values(field)
    first, first_parameters = rows.filter(**{f"{field}__gt": ""})[:1].query.sql_with_params()
    above = RawSQL("step.value", ())
    following, following_parameters = rows.filter(**{f"{field}__gt": above})[:1].query.sql_with_params()
    statement = (  # both parts are as Django wrote them, their values apart
        f"WITH RECURSIVE step (value) AS (({first}) UNION ALL "  # noqa: S608
        f"SELECT ({following}) FROM step WHERE step.value IS NOT NULL) "
        "SELECT value FROM step WHERE value IS NOT NULL LIMIT %s"
    )
    with connections[rows.db].cursor() as cursor:
        cursor.execute(statement, [*first_parameters, *following_parameters, most])
        return [value for (value,) in cursor.fetchall()]
