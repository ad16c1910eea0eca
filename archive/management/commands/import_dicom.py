"""`manage.py import_dicom PATH… --archive <organisation>/<archive>`: bring folders and zip files into an archive."""

from __future__ import annotations

import csv
import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from archive.models import Archive
from archive.services import imports
from archive.services.commit import Outcome
from archive.services.imports import Progress
from core.errors import PacswebError
from core.tenancy import all_tenants

SOME_REFUSED = 1
REPORT_FIELDS = (
    "file",
    "status",
    "code",
    "reason",
    "study_instance_uid",
    "series_instance_uid",
    "sop_instance_uid",
    "size_bytes",
)
LINE_SECONDS = 5.0
REFUSALS_PRINTED = 20


class Command(BaseCommand):
    help = (
        "Bring DICOM files, folders and zip files into an archive. A run that was stopped goes on where it was when the"
        " same command is given again. Ends with 0 when everything went in (or was known), 1 when files were refused,"
        " 2 when it could not run."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder or zip file")
        parser.add_argument("--archive", required=True, metavar="ORGANISATION/ARCHIVE", help="where the images go")
        parser.add_argument("--report", metavar="FILE", help="write what became of each file (.csv or .json)")
        parser.add_argument("--only-problems", action="store_true", help="report refused and left-out files only")
        parser.add_argument("--again", action="store_true", help="look at files again that an earlier run took care of")

    def handle(self, *args: Any, **options: Any) -> None:
        archive = find_archive(options["archive"])
        paths = [Path(words).absolute() for words in options["paths"]]
        for path in paths:
            if not path.exists():
                raise CommandError(f"{path} does not exist.", returncode=2)
        writer = Report(options["report"], only_problems=options["only_problems"])
        watcher = Watcher(command=self)

        def tell(outcomes: list[Outcome]) -> None:
            writer.add(outcomes)
            watcher.refused(outcomes)

        try:
            with all_tenants():
                delivery, progress = imports.import_paths(
                    archive=archive,
                    paths=paths,
                    report=tell,
                    watch=watcher.show,
                    again=options["again"],
                )
        except PacswebError as error:
            raise CommandError(str(error.message), returncode=2) from error
        except KeyboardInterrupt:
            raise CommandError("Stopped. Give the same command again to go on.", returncode=2) from None
        finally:
            watcher.end()
            writer.close()
        self.stdout.write(summary(progress))
        if delivery is not None:
            self.stdout.write(f"delivery {delivery.pk}")
        if progress.count("refused"):
            sys.exit(SOME_REFUSED)


def find_archive(words: str) -> Archive:
    organisation, _slash, slug = words.partition("/")
    with all_tenants():
        found = (
            Archive.objects.select_related("organisation").filter(organisation__slug=organisation, slug=slug).first()
        )
        if found is None:
            known = Archive.objects.values_list("organisation__slug", "slug").order_by("organisation__slug", "slug")[
                :20
            ]
            names = ", ".join(f"{one}/{other}" for one, other in known) or "none yet"
            raise CommandError(f"There is no archive {words!r}. Archives here: {names}.", returncode=2)
    archive: Archive = found
    return archive


def summary(progress: Progress) -> str:
    parts = [
        f"{progress.count('stored') + progress.count('replaced')} stored",
        f"{progress.count('duplicate')} known already",
        f"{progress.count('refused')} refused",
        f"{progress.count('skipped')} left out",
    ]
    if progress.known:
        parts.append(f"{progress.known} done by an earlier run")
    return ", ".join(parts)


class Watcher:
    """One line that moves on a terminal, a line now and then in a log."""

    def __init__(self, *, command: BaseCommand) -> None:
        self._command = command
        self._is_terminal = sys.stderr.isatty()
        self._began = time.monotonic()
        self._last = 0.0
        self._printed = 0

    def show(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < (0.2 if self._is_terminal else LINE_SECONDS):
            return
        self._last = now
        rate = (progress.seen - progress.known) / max(now - self._began, 0.001)
        line = f"{progress.seen} files seen: {summary(progress)} ({rate:.0f} files/s)"
        if self._is_terminal:
            sys.stderr.write(f"\r\033[K{line}")
            sys.stderr.flush()
        else:
            self._command.stderr.write(line)

    def refused(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if outcome.status != "refused":
                continue
            self._printed += 1
            if self._printed <= REFUSALS_PRINTED:
                self.end()
                self._command.stderr.write(f"refused {outcome.original_name}: {outcome.reason}")
            elif self._printed == REFUSALS_PRINTED + 1:
                self._command.stderr.write("further refusals are in the report (--report FILE) and in quarantine")

    def end(self) -> None:
        if self._is_terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()


class Report:
    """What became of each file, as CSV or JSON lines in one array."""

    def __init__(self, path: str | None, *, only_problems: bool) -> None:
        self._only_problems = only_problems
        self._is_json = bool(path) and str(path).lower().endswith(".json")
        self._count = 0
        try:
            self._file = Path(path).open("w", encoding="utf-8", newline="") if path else None  # noqa: SIM115
        except OSError as error:
            raise CommandError(f"The report cannot be written: {error.strerror}.", returncode=2) from error
        if self._file is None:
            return
        if self._is_json:
            self._file.write("[")
        else:
            self._csv = csv.DictWriter(self._file, REPORT_FIELDS)
            self._csv.writeheader()

    def add(self, outcomes: list[Outcome]) -> None:
        if self._file is None:
            return
        for outcome in outcomes:
            if self._only_problems and outcome.status not in ("refused", "skipped"):
                continue
            row = imports.row_of(outcome)
            # Names that are no text (bytes of another encoding) must not stop the report.
            row["file"] = str(row["file"]).encode("utf-8", "replace").decode()
            if self._is_json:
                self._file.write((",\n" if self._count else "\n") + json.dumps(row, ensure_ascii=False))
            else:
                self._csv.writerow(row)
            self._count += 1
        self._file.flush()

    def close(self) -> None:
        if self._file is None:
            return
        if self._is_json:
            self._file.write("\n]\n")
        self._file.close()
