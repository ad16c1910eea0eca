"""`manage.py rotate_audit_key`: replace the key that stamps audit events and signs their heads."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit import rotation
from core.errors import PacswebError


class Command(BaseCommand):
    help = "Replace the audit key. The old key and the new one sign the change; then start every process again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            new = rotation.rotate()
        except PacswebError as error:
            raise CommandError(str(error.message)) from error
        self.stdout.write(f"audit key {new.name} signs from now on: start every process again, within three hours")
