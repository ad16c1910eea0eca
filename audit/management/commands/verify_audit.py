"""`manage.py verify_audit [--organisation …] [--heads FILE]`: check the chains; exit 1, naming the first broken event."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from access.models import Organisation
from audit.verify import Verdict, chains, file_finding, take_snapshot, verify_chain, words
from core.errors import PacswebError


class Command(BaseCommand):
    help = "Check that no audit event was altered, removed, inserted or back-dated."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--organisation", help="only this one; default: all and the installation's own chain")
        parser.add_argument(
            "--heads", type=Path, help="a copy of the file of signed heads kept elsewhere; default: PACSWEB_AUDIT_HEADS"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        copy: Path | None = options["heads"]
        if copy is not None and not copy.is_file():
            raise CommandError(f"There is no file {copy}.")
        try:
            snapshot = take_snapshot(copy=copy)
            if snapshot.record is not None:
                self.stdout.write(f"signed heads: {snapshot.record.lines} lines read")
            finding = file_finding(snapshot)
            if finding is not None:
                self.stdout.write(f"signed heads: BROKEN: {words(finding)}")
            broken = finding is not None
            for name, pk in self._chains(options["organisation"], known=chains(snapshot)):
                verdict = verify_chain(organisation_id=pk, snapshot=snapshot)
                self.stdout.write(f"{name}: {told(verdict)}")
                broken |= not verdict.holds
        except PacswebError as error:
            raise CommandError(str(error.message)) from error
        if broken:
            raise CommandError("The audit trail does not hold.")

    def _chains(self, slug: str | None, *, known: set[int | None]) -> list[tuple[str, int | None]]:
        slugs = dict(Organisation.objects.order_by("slug").values_list("slug", "pk"))
        if slug is not None:
            if slug not in slugs:
                raise CommandError("There is no such organisation.")
            return [(slug, slugs[slug])]
        gone = sorted(pk for pk in known if pk is not None and pk not in slugs.values())
        rows: list[tuple[str, int | None]] = [("installation", None), *slugs.items()]
        # A chain is known from its heads when the organisation itself was removed with it.
        return rows + [(f"organisation {pk} (removed)", pk) for pk in gone]


def told(verdict: Verdict) -> str:
    if verdict.holds:
        head = f", head {verdict.head}" if verdict.head else ""
        return f"{verdict.intact} of {verdict.total} events intact, {verdict.unsealed} not yet sealed{head}"
    event = f"event {verdict.broken_event}" if verdict.broken_event is not None else f"place {verdict.broken_at}"
    return f"BROKEN at {event} ({verdict.code}): {verdict.reason}; {verdict.intact} of {verdict.total} before it intact"
