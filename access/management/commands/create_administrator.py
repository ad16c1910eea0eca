"""`manage.py create_administrator <user>`: an administrator of the installation, who sees no clinical content."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access import founding
from core.errors import Invalid


class Command(BaseCommand):
    help = (
        "Make an account that administers the installation (organisations, quotas), or give this to one that is there. "
        "It opens no organisation."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name, e.g. root")
        parser.add_argument("--display-name", default="")
        parser.add_argument("--email", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user, password = founding.create_installation_administrator(
                username=options["user"], display_name=options["display_name"], email=options["email"]
            )
        except Invalid as error:
            raise CommandError("; ".join(m for said in error.fields.values() for m in said)) from error
        self.stdout.write(f"administrator of the installation {user.username}")
        if password:
            self.stdout.write(f"one-time password {password}")
