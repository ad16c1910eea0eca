"""The tables of the audit trail, opened to the application's role for as long as a change of the schema takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.core.management import CommandError
from django.db import ProgrammingError, connection

from audit import ownership
from core.db import leakproof
from pacsweb.env import Environment

ADMIN_URL = "PACSWEB_DATABASE_ADMIN_URL"


@contextmanager
def opened_trail() -> Iterator[None]:
    """With the address of a superuser: hand the trail's tables over and take them back at the end, whatever happens.

    Without one they stay another role's, which is right where nothing changes them; PostgreSQL's refusal is passed on as
    `TrailClosed`, which names the setting.
    """
    address = Environment().get(ADMIN_URL)
    if not address:
        try:
            yield
        except ProgrammingError as error:
            if isinstance(error.__cause__, psycopg.errors.InsufficientPrivilege):
                raise TrailClosed(str(error)) from error
            raise
        return
    role = connection.settings_dict["USER"]
    with psycopg.connect(address, autocommit=True, connect_timeout=10) as admin, admin.cursor() as cursor:
        leakproof.mark(cursor)
        ownership.make_owner(cursor)
        ownership.open_for_migrations(cursor, role=role)
        try:
            yield
        finally:
            ownership.hand_over(cursor, role=role)


class TrailClosed(CommandError):
    def __init__(self, said: str) -> None:
        super().__init__(
            f"{said}\nThe tables of the audit trail belong to another role: set {ADMIN_URL} for this step."
        )
