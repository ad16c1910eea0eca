"""`manage.py create_organisation <address> <name> --administrator ada`: make a tenant with its first administrator."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access import founding
from core.errors import Invalid


class Command(BaseCommand):
    help = "Make an organisation with its first administrator. A new account gets a one-time password, shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="as in /o/<address>/, e.g. radiology")
        parser.add_argument("name", help="e.g. 'Department of Radiology'")
        parser.add_argument(
            "--administrator", required=True, help="an account (ada@elsewhere), or a name for a new one (ada)"
        )
        parser.add_argument("--display-name", default="", help="name of the new administrator")
        parser.add_argument("--email", default="", help="e-mail of the new administrator")
        parser.add_argument("--time-zone", default="UTC", help="e.g. Europe/Berlin")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = founding.found(
                slug=options["address"],
                name=options["name"],
                administrator=options["administrator"],
                display_name=options["display_name"],
                email=options["email"],
                time_zone=options["time_zone"],
            )
        except Invalid as error:
            raise CommandError(
                "; ".join(f"{name}: {m}" for name, said in error.fields.items() for m in said)
            ) from error
        self.stdout.write(f"organisation {made.organisation.slug}")
        self.stdout.write(f"administrator {made.administrator.username}")
        if made.password:
            self.stdout.write(f"one-time password {made.password}")
