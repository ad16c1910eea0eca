"""The file of signed heads: read it, add to it."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import structlog
from django.conf import settings

from audit.domain import heads, stamps
from audit.domain.chain import canonical_json
from audit.domain.heads import Head, Record
from audit.domain.keys import AuditKey, is_signed
from audit.errors import HeadsForged, HeadsUnusable, KeyChanged, KeyMissing

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


def earlier() -> list[AuditKey]:
    """The keys that this one replaced, the newest first: what they stamped and signed is checked with them. Raises `KeyMissing`."""
    return [_parsed(text) for text in settings.AUDIT_KEY_PREVIOUS]


def stamped_with(event: Mapping[str, Any], *, stamp: bytes) -> str:
    """The name of the key, this one or an earlier one, that made an event's stamp; empty where none did."""
    for one in (key(), *earlier()):
        if stamps.holds(event, stamp=stamp, key=one):
            return one.name
    return ""


@lru_cache(maxsize=16)
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


def read(*, upto: int | None = None, copy: Path | None = None) -> Record | None:
    """What can be believed of the first `upto` bytes of the file, or of a copy; None when there is none, or nothing in it."""
    try:
        record = heads.read(
            _File(copy or path(), upto=upto),
            public=key().public,
            earlier=[one.public for one in earlier()],
            is_copy=copy is not None,
        )
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
    """The file while nobody else writes it, for the key that signs."""

    def __init__(self, descriptor: int, *, key: AuditKey) -> None:
        self._descriptor, self._key = descriptor, key
        self.last, self._last_line = _find_last(descriptor)
        _require_signed(self.last, key=key)

    @property
    def is_begun(self) -> bool:
        """False for an empty file, and for one whose beginning was cut before everything in it was adopted."""
        return self.last is not None and self.last.kind in {"adopted", "seal", "rotate"}

    def append(self, *bodies: Head) -> None:
        """Sign heads and have them on disk, in one write, when this returns. Raises `HeadsUnusable`; a cut line is harmless."""
        made, line, lines = self.last, self._last_line, []
        for body in bodies:
            made = heads.signed(replace(body, previous=_digest(line)), key=self._key)
            line = made.line()
            lines.append(line)
        self._write(lines)
        self.last, self._last_line = made, line

    def rotate(self, new: AuditKey, *, time: str) -> None:
        """Have the statement on disk that `new` signs from now on. Nothing else can be added here. Raises `HeadsUnusable`."""
        self._write([heads.rotation(old=self._key, new=new, time=time, previous=_digest(self._last_line)).line()])

    def _write(self, lines: list[bytes]) -> None:
        # A line that was cut, when a process died over it, ends here.
        content = b"" if self._ends_a_line() else b"\n"
        content += b"".join(line + b"\n" for line in lines)
        try:
            written = 0
            while written < len(content):
                written += os.write(self._descriptor, content[written:])
            os.fsync(self._descriptor)
        except OSError as error:
            raise HeadsUnusable(reason=os.strerror(error.errno or errno.EIO)) from error

    def _ends_a_line(self) -> bool:
        end = os.fstat(self._descriptor).st_size
        return end == 0 or os.pread(self._descriptor, 1, end - 1) == b"\n"


def _digest(line: bytes) -> str:
    return heads.digest_of(line) if line else heads.NOTHING_BEFORE


def check_key() -> None:
    """Raises `HeadsForged`, `KeyChanged`, `KeyMissing` and `OSError` where the file could not be gone on with; none needs to be
    there."""
    try:
        descriptor = os.open(path(), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        _require_signed(_find_last(descriptor)[0], key=key())
    finally:
        os.close(descriptor)


def _require_signed(last: Head | None, *, key: AuditKey) -> None:
    """The next signature vouches for the last line too: it is not put behind one that somebody else wrote."""
    if last is None:
        return
    if last.next_key != key.name:
        raise KeyChanged(named=last.next_key, key=key.name)
    signature = last.countersignature if last.kind == "rotate" else last.signature
    if not is_signed(public=key.public, content=canonical_json(last.content()), signature=signature):
        raise HeadsForged


def signing_now() -> str | None:
    """The name of the key that has to sign the next line; None where there is no line. Raises `HeadsUnusable`."""
    try:
        descriptor = os.open(path(), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HeadsUnusable(reason=os.strerror(error.errno or errno.EIO)) from error
    try:
        last = _find_last(descriptor)[0]
    finally:
        os.close(descriptor)
    return last.next_key if last is not None else None


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
def writing(*, signer: AuditKey | None = None) -> Iterator[Writer]:
    """The file, made when there is none, for one writer at a time; signed with the audit key unless another is given.

    Raises `HeadsForged`, `HeadsUnusable`, `KeyChanged`, `KeyMissing`.
    """
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
        yield Writer(descriptor, key=signer or key())
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
