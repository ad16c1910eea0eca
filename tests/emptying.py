"""Emptying the database after a test that commits.

Django truncates every table and makes content types and permissions anew, which takes a second. A test leaves rows in a
few tables only: these are deleted, and what `migrate` made stays as long as the test left it alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection

from tests import superuser

MADE_BY_MIGRATE = ("auth_permission", "django_content_type")
# Of a table with more rows than this, deleting row by row is the slower way.
MANY = 5000


class Emptying:
    """Remembers, at the start of the tests, how many rows `migrate` made."""

    def __init__(self) -> None:
        with superuser.connect() as master, master.cursor() as cursor:
            self._made = _rows_in(cursor, tables=MADE_BY_MIGRATE)

    def empty(self) -> None:
        try:
            is_done = self._delete()
        except psycopg.OperationalError:  # what a server of the test still writes
            is_done = False
        if not is_done:
            self._truncate()
        # Heads of events that are gone: the sealer would ask where they went.
        Path(settings.AUDIT_HEADS).unlink(missing_ok=True)
        Path(settings.AUDIT_HEADS_BEGUN).unlink(missing_ok=True)

    def _delete(self) -> bool:
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        with superuser.connect() as master, master.transaction(), master.cursor() as cursor:
            _silence_triggers(cursor)
            rows = _rows_in(cursor, tables=tables)
            if {table: rows.get(table) for table in MADE_BY_MIGRATE} != self._made or max(rows.values()) > MANY:
                return False
            for table in rows:
                if table not in MADE_BY_MIGRATE:
                    cursor.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a table's name
        return True

    def _truncate(self) -> None:
        """As `manage.py flush`, which the application's role may not do to the audit trail."""
        tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
        with superuser.connect() as master, master.transaction(), master.cursor() as cursor:
            _silence_triggers(cursor)
            named = ", ".join(f'"{table}"' for table in tables)
            cursor.execute(f"TRUNCATE {named} RESTART IDENTITY CASCADE")
        emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias)


def _silence_triggers(cursor: Any) -> None:
    """Neither foreign keys nor the triggers of what only ever grows are asked: every table is emptied."""
    cursor.execute("SET LOCAL session_replication_role = replica")


def _rows_in(cursor: Any, *, tables: Any) -> dict[str, int]:
    """How many rows each table that has any holds, counted no further than MANY + 1."""
    counts = " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM (SELECT 1 FROM \"{table}\" LIMIT {MANY + 1}) AS part"  # noqa: S608
        for table in tables
    )
    cursor.execute(f"SELECT * FROM ({counts}) AS counted(name, rows) WHERE rows > 0")  # noqa: S608
    return dict(cursor.fetchall())
