"""Raw SQL on the application's own connection, past every manager."""

from __future__ import annotations

from typing import Any

from django.db import connection

MEMBERS = "SELECT count(*) FROM access_membership"


def ask(sql: str, *parameters: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else [(cursor.rowcount,)]


def number(sql: str, *parameters: Any) -> int:
    return int(ask(sql, *parameters)[0][0])


def quote(name: str) -> str:
    return connection.ops.quote_name(name)
