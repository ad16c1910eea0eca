"""The file of signed heads: read it, add to it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import structlog
from django.conf import settings

from audit.domain import heads
from audit.domain.heads import Head, Record
from audit.domain.keys import AuditKey
from audit.errors import HeadsUnusable, KeyChanged, KeyMissing

logger = structlog.get_logger(__name__)

STEP: Final = 1 << 16


def path() -> Path:
    return Path(settings.AUDIT_HEADS)


def key() -> AuditKey:
    """The audit key of this installation. Raises `KeyMissing`."""
    text = settings.AUDIT_KEY
    if not text:
        raise KeyMissing
    return _parsed(text)


@lru_cache(maxsize=4)
def _parsed(text: str) -> AuditKey:
    try:
        return AuditKey.read(text)
    except ValueError as error:
        raise KeyMissing(str(error)) from None


def marker() -> Path:
    """Says beside the secrets that the file was begun: an installation without it has lost it."""
    return Path(settings.AUDIT_HEADS_BEGUN)


def was_begun() -> bool:
    return marker().exists()


def note_begun() -> None:
    """Where it cannot be written the file alone says so; sealing goes on."""
    if was_begun():
        return
    try:
        marker().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        marker().touch(mode=0o600)
        _sync_folder(marker().parent)
    except OSError as error:
        _warn_once(type(error).__name__)


@lru_cache(maxsize=8)
def _warn_once(error: str) -> None:
    """Every seal comes by here."""
    logger.warning("audit_marker_not_written", error=error)


def size() -> int | None:
    """How many bytes the file has; None when there is none."""
    try:
        return path().stat().st_size
    except FileNotFoundError:
        return None


def read(*, upto: int | None = None, file: Path | None = None) -> Record | None:
    """What can be believed of the first `upto` bytes of the file; None when there is none, or nothing in it."""
    try:
        record = heads.read(_File(file or path(), upto=upto), public=key().public)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HeadsUnusable(reason=os.strerror(error.errno or errno.EIO)) from error
    return record if record.lines or record.broken_at is not None else None


class _File:
    """The lines of a file as `heads.Source`."""

    def __init__(self, place: Path, *, upto: int | None) -> None:
        self._place, self._upto = place, upto

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        at = 0
        with self._place.open("rb") as stream:
            for line in stream:
                if self._upto is not None and at + len(line) > self._upto:
                    return
                yield at, line.rstrip(b"\n")
                at += len(line)

    def at(self, places: Iterable[int]) -> Iterator[bytes]:
        try:
            with self._place.open("rb") as stream:
                for place in places:
                    stream.seek(place)
                    yield stream.readline().rstrip(b"\n")
        except OSError as error:
            raise HeadsUnusable(reason=os.strerror(error.errno or errno.EIO)) from error


class Writer:
    """The file while nobody else writes it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.last, self._last_line = _find_last(descriptor)
        _require_our_key(self.last)

    @property
    def is_begun(self) -> bool:
        """False for an empty file, and for one whose beginning was cut before everything in it was adopted."""
        return self.last is not None and self.last.kind in {"adopted", "seal"}

    def append(self, *bodies: Head) -> None:
        """Sign heads and have them on disk, in one write, when this returns. Raises `HeadsUnusable`; a cut line is harmless."""
        made, line = self.last, self._last_line
        # A line that was cut, when a process died over it, ends here.
        content = b"" if self._ends_a_line() else b"\n"
        for body in bodies:
            previous = heads.digest_of(line) if line else heads.NOTHING_BEFORE
            made = heads.signed(replace(body, previous=previous), key=key())
            line = made.line()
            content += line + b"\n"
        try:
            written = 0
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            raise HeadsUnusable(reason=os.strerror(error.errno or errno.EIO)) from error
        self.last, self._last_line = made, line

    def _ends_a_line(self) -> bool:
        end = os.fstat(self._descriptor).st_size
        return end == 0 or os.pread(self._descriptor, 1, end - 1) == b"\n"


def check_key() -> None:
    """Raises `KeyChanged`, `KeyMissing` and `OSError` where the file could not be gone on with; none is needed yet."""
    try:
        descriptor = os.open(path(), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _require_our_key(_find_last(descriptor)[0])
    finally:
        os.close(descriptor)


def _require_our_key(last: Head | None) -> None:
    if last is not None and last.key != key().name:
        raise KeyChanged(named=last.key, key=key().name)


def _find_last(descriptor: int) -> tuple[Head | None, bytes]:
    """The last whole line, from the end: the file is never read as a whole to add to it."""
    position = os.fstat(descriptor).st_size
    content = b""
    while position > 0:
        step = min(STEP, position)
        position -= step
        content = os.pread(descriptor, step, position) + content
        lines = content.split(b"\n")
        # The first piece may begin in the middle of a line.
        for line in reversed(lines if position == 0 else lines[1:]):
            head = heads.parse(line) if line else None
            if head is not None:
                return head, line
    return None, b""


@contextmanager
def writing() -> Iterator[Writer]:
    """The file, made when there is none, for one writer at a time. Raises `HeadsUnusable`, `KeyChanged`, `KeyMissing`."""
    place = path()
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(place, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HeadsUnusable(reason=os.strerror(error.errno or errno.EIO)) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_size == 0:
            _sync_folder(place.parent)
        yield Writer(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
