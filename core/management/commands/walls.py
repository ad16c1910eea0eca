from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections

from core import wall
from core.checks import HOW_TO_MARK


class Command(BaseCommand):
    help = "Show the wall between organisations in the database, table by table; exits with 1 when it has a hole."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS)
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--raise", dest="build", action="store_true", help="bring every table to what its model asks for"
        )
        what.add_argument("--drop", action="store_true", help="take all policies away, to go back to an older release")
        what.add_argument("--sql", action="store_true", help="print the policies instead of looking at the database")

    def handle(self, *_arguments: Any, **options: Any) -> None:
        connection = connections[options["database"]]
        if options["sql"]:
            for planned in wall.walls():
                for policy in planned.policies:
                    self.stdout.write(policy.statement(table=planned.table) + ";")
            return
        if options["drop"]:
            with wall.as_owner(connection):
                dropped = wall.drop_walls(connection)
            self.stdout.write(f"{len(dropped)} tables have no wall any more.")
            return
        if options["build"]:
            with wall.as_owner(connection):
                raised = wall.raise_walls(connection)
            self.stdout.write(f"{len(raised)} tables were brought up to their models.")
        found = wall.faults(connection)
        for fault in found:
            self.stderr.write(fault.sentence)
        if found:
            raise CommandError(f"The wall has {len(found)} holes.")
        self.stdout.write(f"The wall stands around {len(wall.walls())} tables.")
        slow = wall.slow_searches(connection)
        if slow:
            self.stdout.write(f"{slow} {HOW_TO_MARK}")
