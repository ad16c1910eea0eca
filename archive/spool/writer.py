"""Writing files of a delivery, each durable before it is acknowledged."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from archive.spool.files import write_name, write_refusal
from archive.spool.layout import LOCK, NAME, NAME_PATTERN, PART, REFUSE, WHOLE, make_folder
from archive.spool.syncing import sync_file
from core import disks

BUFFER_BYTES = 1 << 20
ROOM_ASKED_EVERY_BYTES = 64 << 20
SYNCS_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A whole file in the spool. `name` is the spool's own, `original_name` the sender's."""

    delivery_id: uuid.UUID
    name: str
    path: Path
    size_bytes: int
    original_name: str = ""


@dataclass(frozen=True, slots=True)
class _PutBy:
    name: str
    original_name: str
    refusal: tuple[str, str]


class SpoolWriter:
    """Writes files of one delivery, one after the other. Not for several threads at once: make one a thread.

    ``open`` → ``write`` … → ``commit`` (returns when the file may be acknowledged) or ``abort``. Who acknowledges
    several files together calls ``put_by`` for each and ``commit_all`` at the end: the disk then syncs them side by side,
    several times as fast. Use as a context manager, or call ``close``: a file that was not committed leaves nothing.
    """

    def __init__(self, delivery_id: uuid.UUID | str) -> None:
        self.delivery_id = uuid.UUID(str(delivery_id))
        self.folder = make_folder(self.delivery_id)
        self._token = secrets.token_hex(4)
        self._last = 0
        self._file: BinaryIO | None = None
        self._name = ""
        self._original_name = ""
        self._refusal = ("", "")
        self._size = 0
        self._put_by: list[_PutBy] = []
        self._folder_descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self._lock_descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_descriptor, fcntl.LOCK_SH)

    def __enter__(self) -> SpoolWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def new_name(self) -> str:
        self._last = max(self._last + 1, time.time_ns() // 1000)
        return f"{self._last:016d}-{self._token}"

    def open(self, *, original_name: str = "", name: str = "", refusal: tuple[str, str] = ("", "")) -> SpoolWriter:
        """Begin a file. `name` repeats an earlier try; `refusal` is a (code, reason) that stands whatever the bytes say.

        Raises `OSError` when the disk is full or gone.
        """
        if self._file is not None:
            raise RuntimeError("The file before this one was neither committed nor aborted.")
        if name and not NAME_PATTERN.match(name):
            raise ValueError("not a name of the spool")
        self._name = name or self.new_name()
        self._original_name = original_name
        self._refusal = refusal
        self._size = 0
        self._file = (self.folder / (self._name + PART)).open("wb", buffering=BUFFER_BYTES)
        return self

    @property
    def path(self) -> Path:
        """Where the bytes of the file being written lie."""
        return self.folder / (self._name + PART)

    @property
    def size_bytes(self) -> int:
        return self._size

    def write(self, data: bytes | bytearray | memoryview) -> int:
        if self._file is None:
            raise RuntimeError("No file is open.")
        if self._size // ROOM_ASKED_EVERY_BYTES != (self._size + len(data)) // ROOM_ASKED_EVERY_BYTES:
            self._require_room()
        self._size += len(data)
        return self._file.write(data)

    def _require_room(self) -> None:
        """One large file must not take the room that the database needs."""
        if disks.least_room().is_short:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def mark_refused(self, *, code: str, reason: str) -> None:
        """The file being written is to be refused whatever its bytes say; they are kept as evidence."""
        self._refusal = (code, reason)

    def flush(self) -> Path:
        """Where the open file can be read as far as it is written; it is not whole yet."""
        if self._file is None:
            raise RuntimeError("No file is open.")
        self._file.flush()
        return self.path

    def commit(self) -> SpooledFile:
        """Make the file whole and durable; when this returns it may be acknowledged. On failure nothing is left."""
        if self._file is None:
            raise RuntimeError("No file is open.")
        try:
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self._file.close()
            if self._original_name:
                write_name(self.delivery_id, self._name, self._original_name)
            if self._refusal[0]:
                write_refusal(self.delivery_id, self._name, code=self._refusal[0], reason=self._refusal[1])
            whole = self.folder / (self._name + WHOLE)
            self.path.rename(whole)
            os.fsync(self._folder_descriptor)
        except BaseException:
            self.abort()
            raise
        self._file = None
        return SpooledFile(
            delivery_id=self.delivery_id,
            name=self._name,
            path=whole,
            size_bytes=self._size,
            original_name=self._original_name,
        )

    def put_by(self) -> SpooledFile:
        """The file is complete but may not be acknowledged before ``commit_all``; until then `path` is where it lies."""
        if self._file is None:
            raise RuntimeError("No file is open.")
        try:
            self._file.close()
        except BaseException:
            self.abort()
            raise
        self._file = None
        self._put_by.append(_PutBy(self._name, self._original_name, self._refusal))
        return SpooledFile(
            delivery_id=self.delivery_id,
            name=self._name,
            path=self.path,
            size_bytes=self._size,
            original_name=self._original_name,
        )

    def commit_all(self) -> None:
        """Make everything put by whole and durable. On failure nothing of it is left."""
        if not self._put_by:
            return
        try:
            parts = [self.folder / (one.name + PART) for one in self._put_by]
            if len(parts) == 1:
                sync_file(parts[0])
            else:
                with ThreadPoolExecutor(min(SYNCS_AT_ONCE, len(parts))) as threads:
                    list(threads.map(sync_file, parts))
            for one, part in zip(self._put_by, parts, strict=True):
                if one.original_name:
                    write_name(self.delivery_id, one.name, one.original_name)
                if one.refusal[0]:
                    write_refusal(self.delivery_id, one.name, code=one.refusal[0], reason=one.refusal[1])
                part.rename(self.folder / (one.name + WHOLE))
            os.fsync(self._folder_descriptor)
        except BaseException:
            self.forget_put_by()
            raise
        self._put_by = []

    def forget_put_by(self) -> None:
        """Forget what was put by; safe to repeat."""
        forgotten, self._put_by = self._put_by, []
        for one in forgotten:
            self._unlink(one.name)

    def _unlink(self, name: str) -> None:
        for suffix in (PART, NAME, REFUSE, WHOLE):
            (self.folder / (name + suffix)).unlink(missing_ok=True)

    def abort(self) -> None:
        """Forget the file being written; safe to repeat."""
        if self._file is None:
            return
        stale, self._file = self._file, None
        # A full disk fails the last flush; the file goes anyway.
        with suppress(OSError):
            stale.close()
        self._unlink(self._name)

    def close(self) -> None:
        """Let go of the delivery."""
        self.abort()
        self.forget_put_by()
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
            os.close(self._folder_descriptor)
            self._lock_descriptor = self._folder_descriptor = -1
