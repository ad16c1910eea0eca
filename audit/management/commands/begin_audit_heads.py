"""`manage.py begin_audit_heads`: begin the file of signed heads anew, when the old one is lost for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import heads, sealing, services
from core.errors import PacswebError


class Command(BaseCommand):
    help = "Begin a new file of signed heads. What the database holds now is taken as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            is_begun = sealing.begin_again()
        except PacswebError as error:
            raise CommandError(str(error.message)) from error
        if not is_begun:
            raise CommandError(f"{heads.path()} is there; only a file that is lost for good is begun anew.")
        services.record(action="audit.heads_begun", organisation=None)
        self.stdout.write(f"begun: {heads.path()}")
