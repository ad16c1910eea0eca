"""`manage.py screen_archive <organisation>/<archive>`: screen what lies in a de-identified archive as if it arrived now."""

from __future__ import annotations

import csv
import sys
import time
from argparse import ArgumentParser
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from archive.management.commands.import_dicom import find_archive
from core.errors import PacswebError
from core.tenancy import all_tenants
from deid.services import stored
from deid.services.stored import Progress, Screened

SOME_FOUND = 1
LINE_SECONDS = 5.0


class Command(BaseCommand):
    help = (
        "Screen every file of a de-identified archive with the check that arriving files pass, and report each that does"
        " not, with the reason. A run that was stopped goes on where it was when the same command is given again. Ends with"
        " 0 when every file passed or was released by a person, 1 when files did not pass, 2 when it could not run."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("archive", metavar="ORGANISATION/ARCHIVE", help="a teaching or trial archive")
        parser.add_argument(
            "--quarantine", action="store_true", help="move files that do not pass to the archive's quarantine"
        )
        parser.add_argument("--report", metavar="FILE", help="write the files that did not pass as CSV, too")
        parser.add_argument("--again", action="store_true", help="begin anew, also where a run was stopped")

    def handle(self, *args: Any, **options: Any) -> None:
        archive = find_archive(options["archive"])
        rows: list[Screened] = []
        last = 0.0

        def tell(one: Screened) -> None:
            rows.append(one)
            self.stdout.write(f"{one.became} {one.study} {one.sop_instance_uid} {one.code}: {one.reason}")

        def watch(progress: Progress) -> None:
            nonlocal last
            if time.monotonic() - last >= LINE_SECONDS:
                last = time.monotonic()
                self.stderr.write(f"{progress.screened} of {progress.total} files: {progress.found} did not pass")

        try:
            with all_tenants():
                progress = stored.screen_archive(
                    archive=archive, quarantine=options["quarantine"], tell=tell, watch=watch, again=options["again"]
                )
        except PacswebError as error:
            raise CommandError(str(error.message), returncode=2) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. Give the same command again to go on.", returncode=2) from None
        finally:
            if options["report"]:
                _write(options["report"], rows=rows)
        self.stdout.write(
            f"{progress.screened} screened, {progress.found} did not pass, {progress.quarantined} moved to quarantine,"
            f" {progress.released} released by a person, {progress.unreadable} unreadable"
        )
        if progress.found or progress.unreadable:
            sys.exit(SOME_FOUND)


def _write(path: str, *, rows: list[Screened]) -> None:
    """Add rows to the report: a pass that goes on goes on with its report."""
    file = Path(path)
    is_new = not file.exists()
    try:
        with file.open("a", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, [field.name for field in fields(Screened)])
            if is_new:
                writer.writeheader()
            writer.writerows(asdict(row) for row in rows)
    except OSError as error:
        raise CommandError(f"The report cannot be written: {error.strerror}.", returncode=2) from error
