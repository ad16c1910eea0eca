"""`manage.py check`: somebody judges the rights of jobs; with `--database default` also: the wall between organisations
stands, and words are found behind it by index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from core import jobs, wall
from core.db import leakproof

HOW_TO_MARK: Final = "As a superuser, once in this database: {}; (docs/operations.md, “The database's role”)".format(
    "; ".join(leakproof.STATEMENTS)
)


@register()
def check_job_guard(app_configs: Sequence[AppConfig] | None = None, **_options: Any) -> list[CheckMessage]:
    """One error where no floor says whether the owners of jobs still hold what these need: they would all be refused."""
    if jobs.has_guard():
        return []
    return [
        Error(
            "Nobody judges whether the owner of a job still holds the rights that it needs, so none of these jobs runs.",
            hint="The app that knows rights calls `core.jobs.register_guard` in its `AppConfig.ready`.",
            id="pacsweb.jobs.guard",
        )
    ]


@register(Tags.database)
def check_walls(
    app_configs: Sequence[AppConfig] | None = None, databases: Sequence[str] | None = None, **_options: Any
) -> list[CheckMessage]:
    """One error for each hole, a warning for slow searches. A database with migrations to come is not judged: `migrate`
    ends by raising walls."""
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
        slow = wall.slow_searches(connection)
        if slow:
            found.append(Warning(slow, hint=HOW_TO_MARK, id="pacsweb.search.slow"))
    return found


def _is_unfinished(connection: Any) -> bool:
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
