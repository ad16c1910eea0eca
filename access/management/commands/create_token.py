"""`manage.py create_token <user> [--scope …]`: make an API token and print its secret once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from access import services
from access.models import ApiToken, User
from access.services.tokens import DEFAULT_DAYS, DEFAULT_SCOPES, longest_days
from core.errors import Invalid


class Command(BaseCommand):
    help = "Make an API token for a person and print it. The secret is shown this once and not kept."

    def add_arguments(self, parser: CommandParser) -> None:
        usual = ", ".join(DEFAULT_SCOPES)
        parser.add_argument("user", help="user name, e.g. educator@demo")
        parser.add_argument(
            "--scope",
            action="append",
            choices=ApiToken.Scope.values,
            help=f"what it may do; repeatable. Default: {usual}. Ask for write or admin by name.",
        )
        parser.add_argument("--name", default="Command line")
        parser.add_argument(
            "--days",
            type=int,
            default=None,
            help=f"days until it expires, within the limit of the person's organisations; default: {DEFAULT_DAYS}",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            user = User.objects.get_by_natural_key(options["user"])
        except User.DoesNotExist as error:
            raise CommandError("There is no person with this user name.") from error
        days = options["days"]
        if days is not None and not 1 <= days <= longest_days(user):
            raise CommandError(f"--days: between 1 and {longest_days(user)} for this person. No token was made.")
        try:
            _token, secret = services.create_token(
                user=user,
                name=options["name"],
                scopes=options["scope"] or DEFAULT_SCOPES,
                expires_at=timezone.now() + timedelta(days=days) if days is not None else None,
            )
        except Invalid as error:
            raise CommandError("; ".join(m for messages in error.fields.values() for m in messages)) from error
        self.stdout.write(secret)
