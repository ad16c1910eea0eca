"""Emptying the database after a test that commits.

Django truncates every table and makes content types and permissions anew, which takes a second. A test leaves rows in a
few tables only: these are deleted, and what `migrate` made stays as long as the test left it alone.
"""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.db import OperationalError, connection, transaction

from core.tenancy import all_tenants

MADE_BY_MIGRATE = ("auth_permission", "django_content_type")
# Of a table with more rows than this, deleting row by row is the slower way.
MANY = 5000


class Emptying:
    """Remembers, at the start of the tests, how many rows `migrate` made."""

    def __init__(self) -> None:
        with connection.cursor() as cursor:
            self._made = _rows_in(cursor, tables=MADE_BY_MIGRATE)
            cursor.execute("SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal GROUP BY 1")
            self._guarded = {table for (table,) in cursor.fetchall()}

    def empty(self) -> None:
        try:
            is_done = self._delete()
        except OperationalError:  # what a server of the test still writes
            is_done = False
        if not is_done:
            call_command("flush", verbosity=0, interactive=False)

    def _delete(self) -> bool:
        with all_tenants(), transaction.atomic(), connection.cursor() as cursor:
            tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
            rows = _rows_in(cursor, tables=tables)
            if {table: rows.get(table) for table in MADE_BY_MIGRATE} != self._made or max(rows.values()) > MANY:
                return False
            filled = [table for table in rows if table not in MADE_BY_MIGRATE]
            guarded = [table for table in filled if table in self._guarded]
            for table in guarded:
                cursor.execute(f'ALTER TABLE "{table}" DISABLE TRIGGER USER')
            for table in filled:
                cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a table's name
            # Foreign keys are asked now: a table with such questions open cannot get its triggers back.
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in guarded:
                cursor.execute(f'ALTER TABLE "{table}" ENABLE TRIGGER USER')
        return True


def _rows_in(cursor: Any, *, tables: Any) -> dict[str, int]:
    """How many rows each table that has any holds, counted no further than MANY + 1."""
    counts = " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM (SELECT 1 FROM \"{table}\" LIMIT {MANY + 1}) AS part"  # noqa: S608
        for table in tables
    )
    cursor.execute(f"SELECT * FROM ({counts}) AS counted(name, rows) WHERE rows > 0")  # noqa: S608
    return dict(cursor.fetchall())
