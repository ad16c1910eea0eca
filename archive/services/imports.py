"""Bulk import of folders and zip files on this machine: resumable, with a report.

A journal under `<data>/imports/` remembers every file that was taken care of (its size and time of change with it), so
that an import that was stopped goes on where it was. The files themselves are copied, never moved or changed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from django.conf import settings

from archive.domain import zips
from archive.intake import policy
from archive.models import Archive, Delivery
from archive.services import unpack as unpacking
from archive.services.commit import REFUSED, SKIPPED, Outcome
from archive.services.deliveries import close_delivery, make_durable, open_delivery, write_one
from archive.services.index import index_delivery
from archive.services.unpack import is_zip
from archive.spool import SpoolWriter, set_aside_zip

BATCH_FILES = 200
BATCH_BYTES = 256 << 20
UNREADABLE = "unreadable"


@dataclass(slots=True)
class Progress:
    """Counts for the person who waits. `known` are files that an earlier run took care of."""

    seen: int = 0
    known: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.counts[outcome.status] = self.counts.get(outcome.status, 0) + 1

    def count(self, status: str) -> int:
        return self.counts.get(status, 0)


class Journal:
    """What was done in earlier runs of the same import."""

    def __init__(self, *, archive: Archive, paths: Sequence[Path]) -> None:
        name = hashlib.sha256("\0".join([str(archive.pk), *sorted(map(str, paths))]).encode()).hexdigest()[:32]
        self.path = Path(settings.DATA_DIR) / "imports" / f"{name}.journal"
        self._done: set[str] = set()
        self._file: TextIO | None = None

    def __enter__(self) -> Journal:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists():
            with self.path.open(encoding="utf-8", errors="surrogateescape") as file:
                # A line that was cut by a kill has no end mark and counts as not done.
                self._done = {line[:-2] for line in file if line.endswith("\t\n")}
        self._file = self.path.open("a", encoding="utf-8", errors="surrogateescape")
        if self.path.stat().st_size:
            self._file.write("\n")
        return self

    def __exit__(self, *_unused: object) -> None:
        if self._file is not None:
            self._file.close()

    def forget(self) -> None:
        self._done.clear()

    def is_done(self, *, path: Path, status: os.stat_result) -> bool:
        return self._entry(path, status) in self._done

    def note(self, done: Iterable[tuple[Path, os.stat_result]]) -> None:
        if self._file is None:
            raise RuntimeError("The journal is not open.")
        for path, status in done:
            self._file.write(self._entry(path, status) + "\t\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _entry(self, path: Path, status: os.stat_result) -> str:
        escaped = str(path).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")
        return f"{status.st_size} {status.st_mtime_ns} {escaped}"


def files_below(paths: Iterable[Path]) -> Iterator[Path]:
    """Every regular file, folders walked in order of name; links are not followed."""
    for path in paths:
        if path.is_file():
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                found = Path(folder) / name
                if found.is_file() and not found.is_symlink():
                    yield found


def import_paths(
    *,
    archive: Archive,
    paths: Sequence[Path],
    report: Callable[[list[Outcome]], None],
    watch: Callable[[Progress], None],
    again: bool = False,
) -> tuple[Delivery | None, Progress]:
    """Import everything below `paths`; `report` gets outcomes batch by batch, `watch` the counts.

    Returns no delivery when there was nothing new to do.
    """
    with Journal(archive=archive, paths=paths) as journal:
        if again:
            journal.forget()
        work = _Import(archive=archive, journal=journal, report=report, watch=watch)
        try:
            for path in files_below(paths):
                work.take(path, shown=_shown(path, paths))
            work.flush()
        finally:
            work.close()
        return work.delivery, work.progress


def _shown(path: Path, paths: Sequence[Path]) -> str:
    for base in paths:
        if path != base and path.is_relative_to(base):
            return str(Path(base.name) / path.relative_to(base))
    return path.name


class _Import:
    """One run: opens its delivery with the first file, indexes in batches, notes in the journal after each."""

    def __init__(
        self,
        *,
        archive: Archive,
        journal: Journal,
        report: Callable[[list[Outcome]], None],
        watch: Callable[[Progress], None],
    ) -> None:
        self.delivery: Delivery | None = None
        self.progress = Progress()
        self._archive = archive
        self._journal = journal
        self._report = report
        self._watch = watch
        self._writer: SpoolWriter | None = None
        self._names: list[str] = []
        self._done: list[tuple[Path, os.stat_result]] = []
        self._unkept: list[Outcome] = []
        self._size = 0

    def take(self, path: Path, *, shown: str) -> None:
        self.progress.seen += 1
        try:
            status = path.stat()
        except OSError as error:
            self._leave(shown, status=REFUSED, code=UNREADABLE, reason=str(error.strerror))
            return
        if self._journal.is_done(path=path, status=status):
            self.progress.known += 1
            self._watch(self.progress)
            return
        verdict = zips.is_companion(shown)
        if verdict is not None:
            self._leave(shown, status=SKIPPED, code=verdict[0], reason=verdict[1])
            self._done.append((path, status))
        else:
            self._copy(path, status=status, shown=shown)
        if len(self._names) + len(self._unkept) >= BATCH_FILES or self._size >= BATCH_BYTES:
            self.flush()

    def _copy(self, path: Path, *, status: os.stat_result, shown: str) -> None:
        try:
            opened = path.open("rb")
        except OSError as error:
            self._leave(shown, status=REFUSED, code=UNREADABLE, reason=str(error.strerror))
            return
        delivery, writer = self._open()
        with opened as content:
            spooled = write_one(writer=writer, chunks=content, name=shown, durable=False)
        if is_zip(spooled.path, name=shown):
            make_durable(writer=writer)
            self.flush()
            set_aside_zip(delivery.pk, spooled.name)
            unpacking.unpack(delivery=delivery, name=spooled.name, report=self._take_in)
            self._journal.note([(path, status)])
            return
        self._names.append(spooled.name)
        self._done.append((path, status))
        self._size += spooled.size_bytes

    def _open(self) -> tuple[Delivery, SpoolWriter]:
        if self.delivery is None or self._writer is None:
            self.delivery = open_delivery(archive=self._archive, source=Delivery.Source.IMPORT)
            self._writer = SpoolWriter(self.delivery.pk)
        return self.delivery, self._writer

    def _leave(self, shown: str, *, status: str, code: str, reason: str) -> None:
        self._unkept.append(Outcome(name="", original_name=shown, status=status, code=code, reason=reason))

    def _take_in(self, outcomes: list[Outcome]) -> None:
        self.progress.add(outcomes)
        self._report(outcomes)
        self._watch(self.progress)

    def flush(self) -> None:
        if self._names and self.delivery is not None and self._writer is not None:
            make_durable(writer=self._writer)
            self._take_in(index_delivery(delivery=self.delivery, only=self._names))
        if self._unkept:
            delivery, _writer = self._open()
            unpacking.count_unkept(delivery=delivery, outcomes=self._unkept)
            self._take_in(self._unkept)
        if self._done:
            self._journal.note(self._done)
        self._names, self._done, self._unkept, self._size = [], [], [], 0
        if self.delivery is not None:
            policy.readmit(self.delivery)

    def close(self) -> None:
        """Whatever ended the run: what is in the spool is indexed and the delivery closed."""
        if self._writer is not None:
            self._writer.close()
        if self.delivery is not None:
            close_delivery(delivery=self.delivery)
            index_delivery(delivery=self.delivery)


def row_of(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a line of the report."""
    return {
        "file": outcome.original_name,
        "status": outcome.status,
        "code": outcome.code,
        "reason": outcome.reason,
        "study_instance_uid": outcome.study_instance_uid,
        "series_instance_uid": outcome.series_instance_uid,
        "sop_instance_uid": outcome.sop_instance_uid,
        "size_bytes": outcome.size_bytes,
    }
