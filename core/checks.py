"""`manage.py check --database default`: the wall between organisations stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from core import wall


@register(Tags.database)
def check_walls(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **_options: Any
) -> list[CheckMessage]:
    """One error for each hole. A database with migrations to come is not judged: `migrate` ends by raising walls."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if connection.vendor != "postgresql" or _is_unfinished(connection):
            continue
        found += [
            Error(
                fault.sentence,
                hint="`python manage.py walls --raise` brings the tables to what the models ask for.",
                obj=fault.place,
                id=f"pacsweb.wall.{fault.code}",
            )
            for fault in wall.faults(connection)
        ]
    return found


def _is_unfinished(connection: Any) -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
