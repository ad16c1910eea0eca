"""Uploads from a browser or a script: packs of small files, large files piece by piece, zip files.

A delivery is one upload. Each answer says what became of each file; a zip is unpacked by a job that the answer names.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from django.db import transaction
from django.utils.translation import gettext as _

from access.models import User
from access.queries import require
from archive import quota, spool
from archive.domain import zips
from archive.domain.text import clean
from archive.errors import DeliveryClosed, FileTooLarge, QuotaReached
from archive.intake import policy
from archive.limits import limit
from archive.models import Archive, Delivery
from archive.services import unpack as unpacking
from archive.services.commit import SKIPPED, Outcome
from archive.services.deliveries import check_space, full_disk_is_said, make_durable, pieces, write_one
from archive.services.index import index_delivery
from archive.spool import SpooledFile, SpoolWriter
from core import jobs
from core.errors import Invalid, NotFound
from core.models import Job
from core.tenancy import tenant

UNPACKING = "unpacking"


@dataclass(frozen=True, slots=True)
class Received:
    """What became of one file of an upload. `reference` is the sender's; `job` unpacks it when it is a zip."""

    reference: str
    outcome: Outcome | None = None
    job: Job | None = None


def get_upload(*, user: User, archive: Archive, delivery_id: uuid.UUID) -> Delivery:
    """The person's own upload. Raises `NotFound` for another's, and what `require` raises when the right is gone."""
    require(user, "archive.add_images", archive)
    delivery = (
        Delivery.objects.select_related("organisation", "archive")
        .filter(pk=delivery_id, archive=archive, actor=user, source=Delivery.Source.UPLOAD, release_of=None)
        .first()
    )
    if delivery is None:
        raise NotFound
    return delivery


def take_files(
    *, delivery: Delivery, files: Iterable[tuple[str, str, Iterable[bytes] | BinaryIO]], actor: User
) -> list[Received]:
    """Spool several files (reference, name, bytes), index them together, and answer for each in the order given."""
    _require_open(delivery)
    order: list[str] = []
    answers: dict[str, Received] = {}
    spooled: dict[str, str] = {}
    zipped: dict[str, str] = {}
    unkept: list[Outcome] = []
    with SpoolWriter(delivery.pk) as writer:
        for reference, name, chunks in files:
            order.append(reference)
            verdict = zips.is_companion(name)
            if verdict is not None:
                for _piece in pieces(chunks):
                    pass
                outcome = Outcome(name="", original_name=name, status=SKIPPED, code=verdict[0], reason=verdict[1])
                unkept.append(outcome)
                answers[reference] = Received(reference, outcome)
                continue
            file = write_one(writer=writer, chunks=chunks, name=name, durable=False)
            if unpacking.is_zip(file.path, name=name):
                zipped[file.name] = reference
            else:
                spooled[file.name] = reference
        make_durable(writer=writer)
    if unkept:
        unpacking.count_unkept(delivery=delivery, outcomes=unkept)
    try:
        if spooled:
            for outcome in index_delivery(delivery=delivery, only=spooled):
                reference = spooled[outcome.name]
                answers[reference] = Received(reference, outcome)
    finally:
        for file_name, reference in zipped.items():
            answers[reference] = Received(reference, job=_begin_unpacking(delivery, name=file_name, actor=actor))
    return [answers[reference] for reference in order if reference in answers]


def piece_size(*, delivery: Delivery, upload_id: str) -> int:
    """How much of a file sent in pieces is here: where the sender goes on."""
    path = _upload_path(delivery, upload_id)
    return path.stat().st_size if path.exists() else 0


def take_piece(
    *, delivery: Delivery, upload_id: str, offset: int, total: int, name: str, chunks: BinaryIO, actor: User
) -> tuple[int, Received | None]:
    """Append a piece; returns how much is here now and, with the last piece, what became of the file.

    A piece that does not begin where the file ends changes nothing: the answer tells the sender where to go on.
    """
    _require_open(delivery)
    if total > limit("file_bytes"):
        raise FileTooLarge
    if offset > total:
        raise Invalid(fields={"offset": [_("A piece cannot begin behind the end of its file (total).")]})
    path = _upload_path(delivery, upload_id)
    check_space()
    here = path.stat().st_size if path.exists() else 0
    room = quota.check(delivery_id=delivery.pk)
    if room is not None and total - here > room:
        # Said with the first piece, not when the room is gone.
        raise QuotaReached
    with SpoolWriter(delivery.pk) as writer:
        path.touch(mode=0o600)
        with spool.only_here(path) as is_mine:
            size = path.stat().st_size if path.exists() else 0
            if not is_mine or size != offset:
                return size, None
            with full_disk_is_said(delivery_id=delivery.pk):
                size = _append(path, chunks=chunks, size=size, total=total)
                quota.take(delivery_id=delivery.pk, size_bytes=size - offset)
                if size < total:
                    return size, None
                spooled = spool.finish_upload(writer, path, original_name=name)
        return size, _settle(delivery, spooled=spooled, reference=upload_id, actor=actor)


def _append(path: Path, *, chunks: BinaryIO, size: int, total: int) -> int:
    """Put a piece at the end; returns the new size. A piece that the disk does not take leaves the file as it was."""
    begun = size
    try:
        with path.open("ab") as file:
            for piece in pieces(chunks):
                if size + len(piece) > total:
                    raise Invalid(_("The file is longer than it was said to be."))
                file.write(piece)
                size += len(piece)
    except OSError:
        os.truncate(path, begun)
        raise
    return size


def _settle(delivery: Delivery, *, spooled: SpooledFile, reference: str, actor: User) -> Received:
    if unpacking.is_zip(spooled.path):
        return Received(reference, job=_begin_unpacking(delivery, name=spooled.name, actor=actor))
    return Received(reference, index_delivery(delivery=delivery, only=[spooled.name])[0])


def _upload_path(delivery: Delivery, upload_id: str) -> Any:
    try:
        return spool.upload_path(delivery.pk, upload_id)
    except ValueError as error:
        raise Invalid(_("This is not an upload identifier.")) from error


def _require_open(delivery: Delivery) -> None:
    """Raises `DeliveryClosed`, and `NotASource` where the sender has stopped being one since it began."""
    with tenant(delivery.organisation):
        if not Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.OPEN).exists():
            raise DeliveryClosed
        policy.readmit(delivery)


def _begin_unpacking(delivery: Delivery, *, name: str, actor: User) -> Job:
    from archive import tasks

    spool.set_aside_zip(delivery.pk, name)
    with tenant(delivery.organisation), transaction.atomic():
        job = jobs.start(
            organisation=delivery.organisation,
            owner=actor,
            kind="archive.unpack",
            title=_("Unpack a zip file into %(archive)s") % {"archive": delivery.archive.name},
        )
        Job.objects.filter(pk=job.pk).update(result={"delivery": str(delivery.pk), "zip": name})
        tasks.unpack_zip.enqueue(
            organisation_id=delivery.organisation_id, delivery_id=str(delivery.pk), name=name, job_id=str(job.pk)
        )
    return job


PACK_HEADER_LIMIT = 8192
PACK_FILES_LIMIT = 500


def read_pack(stream: BinaryIO) -> Iterator[tuple[str, str, Iterable[bytes]]]:
    """Files of a pack: each a line of JSON `{"id", "name", "size"}`, then that many bytes.

    Made for thousands of small files: one request, no boundary search, no temporary file. Raises `Invalid`.
    """
    import json

    count = 0
    reader = _LineReader(stream)
    while line := reader.line():
        count += 1
        if count > PACK_FILES_LIMIT:
            raise Invalid(_("A pack holds too many files."))
        try:
            head = json.loads(line)
            reference, name, size = clean(str(head["id"])), clean(str(head["name"])), head["size"]
        # Deep nesting ends Python's own reader; numbers of thousands of digits are a ValueError.
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise Invalid(_("The pack is damaged.")) from error
        if type(size) is not int or size < 0:
            raise Invalid(_("The pack is damaged: a size is a whole number from 0."))
        if size > limit("file_bytes"):
            raise FileTooLarge
        yield reference[:64], name[:1000], reader.body(size)
        reader.finish()


class _LineReader:
    """Lines and counted bodies from a stream that only goes forward."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._buffer = b""
        self._remaining = 0

    def line(self) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > PACK_HEADER_LIMIT:
                raise Invalid(_("The pack is damaged."))
            more = self._stream.read(65536)
            if not more:
                if self._buffer.strip():
                    raise Invalid(_("The pack ends in the middle of a file."))
                return b""
            self._buffer += more
        found, _newline, self._buffer = self._buffer.partition(b"\n")
        return found

    def body(self, size: int) -> Iterator[bytes]:
        self._remaining = size
        while self._remaining:
            piece = self._buffer[: self._remaining] or self._stream.read(min(self._remaining, 1 << 20))
            if not piece:
                raise Invalid(_("The pack ends in the middle of a file."))
            self._buffer = self._buffer[len(piece) :]
            self._remaining -= len(piece)
            yield piece

    def finish(self) -> None:
        if self._remaining:
            for _piece in self.body(self._remaining):
                pass
