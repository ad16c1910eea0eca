"""The spool: what was received, kept safely until it is indexed.

Layout under `<data>/spool/`: one folder a delivery, named by its UUID.

==================  ==============================================================================================
`<name>.part`       being written; never acknowledged
`<name>.dcm`        whole, on disk (file and folder synced): may be acknowledged
`<name>.name`       the sender's name of the file (UTF-8), where there was one
`owner.lock`        locked (flock) by every process that writes here; the lock goes with the process, even by kill -9
==================  ==============================================================================================

`<name>` is the time of arrival in microseconds and the writer's random token, so that names sort by arrival and several
processes may write into one delivery. Nothing here knows the database: the DICOM listener's hot path uses `SpoolWriter` alone.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from django.conf import settings

PART, WHOLE, NAME, LOCK = ".part", ".dcm", ".name", "owner.lock"
NAME_PATTERN = re.compile(r"^\d{16}-[0-9a-f]{8}$")
BUFFER_BYTES = 1 << 20
MAX_NAME_BYTES = 2000


@dataclass(frozen=True, slots=True)
class SpooledFile:
    """A whole file in the spool. `name` is the spool's own, `original_name` the sender's."""

    delivery_id: uuid.UUID
    name: str
    path: Path
    size_bytes: int
    original_name: str = ""


def spool_root() -> Path:
    return Path(settings.DATA_DIR) / "spool"


def folder_of(delivery_id: uuid.UUID | str) -> Path:
    return spool_root() / str(uuid.UUID(str(delivery_id)))


def make_folder(delivery_id: uuid.UUID | str) -> Path:
    """The delivery's folder, made durably if it is not there."""
    folder = folder_of(delivery_id)
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
    return folder


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SpoolWriter:
    """Writes files of one delivery, one after the other. Not for several threads at once: make one a thread.

    ``open`` → ``write`` … → ``commit`` (returns when the file may be acknowledged) or ``abort``. Use as a context
    manager, or call ``close``: a file that was not committed leaves nothing.
    """

    def __init__(self, delivery_id: uuid.UUID | str) -> None:
        self.delivery_id = uuid.UUID(str(delivery_id))
        self.folder = make_folder(self.delivery_id)
        self._token = secrets.token_hex(4)
        self._last = 0
        self._file: BinaryIO | None = None
        self._name = ""
        self._original_name = ""
        self._size = 0
        self._folder_descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        self._lock_descriptor = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_descriptor, fcntl.LOCK_SH)

    def __enter__(self) -> SpoolWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def open(self, *, original_name: str = "") -> SpoolWriter:
        """Begin a file. Raises `OSError` when the disk is full or gone."""
        if self._file is not None:
            raise RuntimeError("The file before this one was neither committed nor aborted.")
        self._last = max(self._last + 1, time.time_ns() // 1000)
        self._name = f"{self._last:016d}-{self._token}"
        self._original_name = original_name
        self._size = 0
        self._file = open(self.folder / (self._name + PART), "xb", buffering=BUFFER_BYTES)  # noqa: SIM115
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
        self._size += len(data)
        return self._file.write(data)

    def commit(self) -> SpooledFile:
        """Make the file whole and durable; when this returns it may be acknowledged. On failure nothing is left."""
        if self._file is None:
            raise RuntimeError("No file is open.")
        try:
            self._file.flush()
            os.fdatasync(self._file.fileno())
            self._file.close()
            if self._original_name:
                self._write_name()
            whole = self.folder / (self._name + WHOLE)
            os.rename(self.path, whole)
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

    def _write_name(self) -> None:
        encoded = self._original_name.encode("utf-8", "replace")[:MAX_NAME_BYTES]
        (self.folder / (self._name + NAME)).write_bytes(encoded)

    def abort(self) -> None:
        """Forget the file being written; safe to repeat."""
        if self._file is None:
            return
        stale, self._file = self._file, None
        try:
            stale.close()
        except OSError:
            pass  # a full disk fails the last flush; the file goes anyway
        for suffix in (PART, NAME, WHOLE):
            (self.folder / (self._name + suffix)).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the delivery."""
        self.abort()
        if self._lock_descriptor >= 0:
            os.close(self._lock_descriptor)
            os.close(self._folder_descriptor)
            self._lock_descriptor = self._folder_descriptor = -1


def whole_files(delivery_id: uuid.UUID | str) -> list[str]:
    """Names of the whole files of a delivery, in order of arrival; empty when the folder is gone."""
    try:
        found = [entry[: -len(WHOLE)] for entry in os.listdir(folder_of(delivery_id)) if entry.endswith(WHOLE)]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if NAME_PATTERN.match(name))


def path_of(delivery_id: uuid.UUID | str, name: str) -> Path:
    if not NAME_PATTERN.match(name):
        raise ValueError("not a name of the spool")
    return folder_of(delivery_id) / (name + WHOLE)


def original_name_of(delivery_id: uuid.UUID | str, name: str) -> str:
    try:
        raw = (folder_of(delivery_id) / (name + NAME)).read_bytes()
    except FileNotFoundError:
        return ""
    return raw.decode("utf-8", "replace")


def remove(delivery_id: uuid.UUID | str, names: list[str]) -> None:
    """Forget files that are indexed or refused; safe to repeat."""
    folder = folder_of(delivery_id)
    for name in names:
        if not NAME_PATTERN.match(name):
            continue
        (folder / (name + WHOLE)).unlink(missing_ok=True)
        (folder / (name + NAME)).unlink(missing_ok=True)


def has_owner(delivery_id: uuid.UUID | str) -> bool:
    """Whether a living process holds the delivery."""
    try:
        descriptor = os.open(folder_of(delivery_id) / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def seconds_since_activity(delivery_id: uuid.UUID | str) -> float | None:
    """How long nothing was written to the delivery; None when it has no folder."""
    folder = folder_of(delivery_id)
    try:
        moments = [folder.stat().st_mtime]
        moments += [entry.stat().st_mtime for entry in os.scandir(folder) if entry.name.endswith(PART)]
    except FileNotFoundError:
        return None
    return max(0.0, time.time() - max(moments))


def remove_parts(delivery_id: uuid.UUID | str) -> int:
    """Remove unfinished files; only for a delivery without an owner. Returns how many there were."""
    folder = folder_of(delivery_id)
    count = 0
    for part in folder.glob("*" + PART):
        part.unlink(missing_ok=True)
        count += 1
    return count


def remove_folder(delivery_id: uuid.UUID | str) -> bool:
    """Remove the folder of a finished delivery; keeps it, and says so, while a whole file is in it."""
    folder = folder_of(delivery_id)
    if whole_files(delivery_id):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def delivery_ids() -> Iterator[uuid.UUID]:
    """Deliveries that have a folder in the spool."""
    try:
        entries = os.listdir(spool_root())
    except FileNotFoundError:
        return
    for entry in entries:
        try:
            yield uuid.UUID(entry)
        except ValueError:
            continue
