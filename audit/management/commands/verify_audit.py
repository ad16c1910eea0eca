"""`manage.py verify_audit [--organisation …]`: check the chains; exit 1 and name the first broken event."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.models import Organisation
from audit.verify import verify_chain


class Command(BaseCommand):
    help = "Check that no sealed audit event was altered, removed or inserted."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--organisation",
            help="only this one; default: all and the installation's own chain",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        broken = False
        for name, pk in self._chains(options["organisation"]):
            verdict = verify_chain(organisation_id=pk)
            if verdict.holds:
                self.stdout.write(f"{name}: {verdict.intact} events intact, {verdict.unsealed} not yet sealed")
            else:
                broken = True
                self.stdout.write(
                    f"{name}: BROKEN at event {verdict.broken_event} (link {verdict.broken_at}): {verdict.reason}"
                )
        if broken:
            raise CommandError("The audit trail does not hold.")

    def _chains(self, slug: str | None) -> list[tuple[str, int | None]]:
        if slug is not None:
            organisation = Organisation.objects.filter(slug=slug).first()
            if organisation is None:
                raise CommandError("There is no such organisation.")
            return [(organisation.slug, organisation.pk)]
        rows: list[tuple[str, int | None]] = [("installation", None)]
        rows.extend(Organisation.objects.order_by("slug").values_list("slug", "pk"))
        return rows
