"""`manage.py create_token <user> [--scope …]`: make an API token and print its secret once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from access import services
from access.models import ApiToken, User
from core.errors import Invalid


class Command(BaseCommand):
    help = "Make an API token for a person and print it. The secret is shown this once and not kept."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="user name, e.g. educator@demo")
        parser.add_argument("--scope", action="append", choices=ApiToken.Scope.values, help="repeatable; default: all")
        parser.add_argument("--name", default="Command line")
        parser.add_argument("--days", type=int, default=None, help="days until it expires; default: never")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = User.objects.get_by_natural_key(options["user"])
        except User.DoesNotExist as error:
            raise CommandError("There is no person with this user name.") from error
        days = options["days"]
        try:
            _token, secret = services.create_token(
                user=user,
                name=options["name"],
                scopes=options["scope"] or ApiToken.Scope.values,
                expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
            )
        except Invalid as error:
            raise CommandError("; ".join(m for messages in error.fields.values() for m in messages)) from error
        self.stdout.write(secret)
