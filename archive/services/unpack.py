"""Zip files in the spool: unpack, index, tell what became of each entry."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from archive import quota, spool
from archive.domain import zips
from archive.domain.text import clean
from archive.errors import QuotaReached
from archive.limits import limit
from archive.models import Delivery
from archive.services.commit import CANNOT_UNDERSTAND, REFUSED, SKIPPED, Outcome
from archive.services.deliveries import make_durable, write_one
from archive.services.index import index_delivery
from archive.spool import SpoolWriter
from core.tenancy import tenant

BATCH_FILES = 200
BATCH_BYTES = 256 << 20
PROBLEMS_KEPT = 5000
WITHOUT_ROOM = gettext_lazy(
    "What the zip file unpacks to does not fit into the organisation's storage. An administrator can delete studies or "
    "ask for more; until then it waits."
)
FAILED = "The zip file could not be unpacked to its end; what was stored of it until then stays."

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Tally:
    """Counts of outcomes, and the first ones that went wrong."""

    counts: dict[str, int] = field(default_factory=dict)
    problems: list[dict[str, str]] = field(default_factory=list)

    def add(self, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            self.counts[outcome.status] = self.counts.get(outcome.status, 0) + 1
            if outcome.status in (REFUSED, SKIPPED) and len(self.problems) < PROBLEMS_KEPT:
                self.problems.append(
                    {
                        "name": clean(outcome.original_name)[:500],
                        "status": outcome.status,
                        "code": outcome.code,
                        "reason": outcome.reason,
                    }
                )

    def as_result(self) -> dict[str, object]:
        return {"counts": self.counts, "problems": self.problems}

    def sentence(self) -> str:
        return _("%(stored)s stored, %(known)s known, %(refused)s refused") % {
            "stored": self.counts.get("stored", 0) + self.counts.get("replaced", 0),
            "known": self.counts.get("duplicate", 0),
            "refused": self.counts.get("refused", 0),
        }


@dataclass(slots=True)
class _Unpacking:
    delivery: Delivery
    writer: SpoolWriter
    report: Callable[[list[Outcome]], None]
    names: list[str] = field(default_factory=list)
    size: int = 0
    unkept: list[Outcome] = field(default_factory=list)

    def flush(self) -> None:
        if self.names:
            make_durable(writer=self.writer)
            self.report(index_delivery(delivery=self.delivery, only=self.names))
        if self.unkept:
            count_unkept(delivery=self.delivery, outcomes=self.unkept)
            self.report(self.unkept)
        self.names, self.unkept, self.size = [], [], 0


def is_zip(path: Path, *, name: str = "") -> bool:
    """Whether a spooled file is a zip file by its first bytes."""
    with path.open("rb") as file:
        return zips.looks_like_zip(file.read(132), name=name)


def unpack(
    *,
    delivery: Delivery,
    name: str,
    report: Callable[[list[Outcome]], None],
    progress: Progress = lambda done, total: None,
) -> None:
    """Unpack a zip that was set aside, index its files in batches, and forget it.

    Does nothing when the zip is gone or another process is at it. `report` gets the outcomes batch by batch. Killed
    anywhere, the next call goes on with the first batch that was not noted as done; entries that were stored by then
    are answered as duplicates. An exception of `progress` (a cancelled job) leaves what is stored and keeps the zip:
    call `forget_zip` when it shall not go on.
    """
    path = spool.zip_path(delivery.pk, name)
    with spool.only_here(path) as is_mine:
        if is_mine:
            _unpack(delivery=delivery, name=name, path=path, report=report, progress=progress)


def _unpack(
    *, delivery: Delivery, name: str, path: Path, report: Callable[[list[Outcome]], None], progress: Progress
) -> None:
    zip_name = spool.original_name_of(delivery.pk, name)
    try:
        opened, entries = zips.open_zip(
            path,
            max_entries=limit("zip_entries"),
            max_bytes=limit("zip_bytes"),
            max_file_bytes=limit("file_bytes"),
        )
    except zips.BadZip as bad:
        report(_refuse_whole(delivery=delivery, name=name, code=bad.code, reason=bad.reason))
        return
    begun = spool.unpacked_count(delivery.pk, name)
    room = quota.check(delivery_id=delivery.pk)
    if room is not None and sum(entry.size_bytes for entry in entries[begun:] if entry.is_kept) > room:
        opened.close()
        raise QuotaReached(WITHOUT_ROOM)
    with opened, SpoolWriter(delivery.pk) as writer:
        work = _Unpacking(delivery=delivery, writer=writer, report=report)
        for entry in entries[begun:]:
            _take(
                work,
                opened=opened,
                entry=entry,
                name=entry_name(name=name, number=entry.number),
                zip_name=zip_name,
            )
            if len(work.names) + len(work.unkept) >= BATCH_FILES or work.size >= BATCH_BYTES:
                work.flush()
                spool.note_unpacked(delivery.pk, name, entry.number + 1)
                progress(entry.number + 1, len(entries))
        work.flush()
        progress(len(entries), len(entries))
    forget_zip(delivery=delivery, name=name)


def forget_zip(*, delivery: Delivery, name: str) -> None:
    spool.remove_zip(delivery.pk, name)
    _finish(delivery)


def _finish(delivery: Delivery) -> None:
    """A closed delivery waited for its zip only. The files of an open one are of uploads that answer for them."""
    with tenant(delivery.organisation):
        if Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.CLOSED).exists():
            index_delivery(delivery=delivery)


def give_up(*, delivery: Delivery, name: str) -> None:
    """The zip cannot be unpacked for a reason of ours: it goes into quarantine, what was stored of it stays."""
    path = spool.zip_path(delivery.pk, name)
    with spool.only_here(path) as is_mine:
        if is_mine:
            _refuse_whole(delivery=delivery, name=name, code="zip-failed", reason=FAILED)


def entry_name(*, name: str, number: int) -> str:
    """The spool name of an entry: the same at every try."""
    stamp, _dash, token = name.partition("-")
    return f"{int(stamp) + number + 1:016d}-{token}"


def _take(work: _Unpacking, *, opened: zipfile.ZipFile, entry: zips.Entry, name: str, zip_name: str) -> None:
    shown = f"{zip_name}/{entry.name}" if zip_name else entry.name
    if entry.skip is not None:
        work.unkept.append(_unkept(shown, status=SKIPPED, verdict=entry.skip))
        return
    if not entry.is_readable:
        work.unkept.append(_unkept(shown, status=REFUSED, verdict=entry.refusal or zips.CORRUPT))
        return
    refusal = entry.refusal
    try:
        pieces = zips.read_entry(opened, entry)
        first = next(pieces, b"")
        if refusal is None and zips.looks_like_zip(first[:132], name=shown):
            refusal = zips.NESTED
        spooled = write_one(
            writer=work.writer,
            chunks=_chain(first, pieces),
            name=shown,
            spool_name=name,
            refusal=refusal,
            durable=False,
        )
    except zips.BadZip as bad:
        work.unkept.append(_unkept(shown, status=REFUSED, verdict=(bad.code, bad.reason)))
        return
    work.names.append(spooled.name)
    work.size += spooled.size_bytes


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _unkept(shown: str, *, status: str, verdict: tuple[str, str]) -> Outcome:
    return Outcome(
        name="",
        original_name=shown,
        status=status,
        code=verdict[0],
        reason=verdict[1],
        dicom_status=CANNOT_UNDERSTAND if status == REFUSED else 0,
    )


def count_unkept(*, delivery: Delivery, outcomes: list[Outcome]) -> None:
    """Count files of which nothing reached the spool."""
    refused = sum(outcome.status == REFUSED for outcome in outcomes)
    with tenant(delivery.organisation):
        Delivery.objects.filter(pk=delivery.pk).update(
            received=F("received") + len(outcomes),
            refused=F("refused") + refused,
            skipped=F("skipped") + len(outcomes) - refused,
        )


def _refuse_whole(*, delivery: Delivery, name: str, code: str, reason: str) -> list[Outcome]:
    """The zip itself goes into quarantine, as the one file it is."""
    spool.write_refusal(delivery.pk, name, code=code, reason=reason)
    path = spool.zip_path(delivery.pk, name)
    path.rename(spool.path_of(delivery.pk, name))
    spool.sync_folder(path.parent)
    outcomes = index_delivery(delivery=delivery, only=[name])
    _finish(delivery)
    return outcomes
