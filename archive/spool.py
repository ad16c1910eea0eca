"""The spool: what was received, kept safely until it is indexed.

Layout under `<data>/spool/`: one folder a delivery, named by its UUID.

==================  ==============================================================================================
`<name>.part`       being written; never acknowledged
`<name>.dcm`        whole, on disk (file and folder synced): may be acknowledged
`<name>.name`       the sender's name of the file (UTF-8), where there was one
`<name>.refuse`     a reason to refuse the file that its bytes do not show (`code` and sentence, one a line)
`<name>.zip`        a whole zip file that waits to be unpacked, `<name>.unpacked` how many of its entries are
`<id>.upload`       the beginning of a large file that a browser sends piece by piece
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
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from django.conf import settings

PART, WHOLE, NAME, LOCK = ".part", ".dcm", ".name", "owner.lock"
REFUSE, ZIP, UNPACKED, UPLOAD = ".refuse", ".zip", ".unpacked", ".upload"
UPLOAD_PATTERN = re.compile(r"^[0-9a-zA-Z_-]{8,64}$")
NAME_PATTERN = re.compile(r"^\d{16}-[0-9a-f]{8}$")
BUFFER_BYTES = 1 << 20
SYNCS_AT_ONCE = 8
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


def sync_file(path: Path) -> None:
    """Make the bytes of a file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


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
        self._size += len(data)
        return self._file.write(data)

    def mark_refused(self, *, code: str, reason: str) -> None:
        """The file being written is to be refused whatever its bytes say; they are kept as evidence."""
        self._refusal = (code, reason)

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


def names_in(folder: Path) -> list[str]:
    """Names in a folder, without a Path for each: a delivery may hold a hundred thousand files."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def whole_files(delivery_id: uuid.UUID | str) -> list[str]:
    """Names of the whole files of a delivery, in order of arrival; empty when the folder is gone."""
    try:
        found = [entry[: -len(WHOLE)] for entry in names_in(folder_of(delivery_id)) if entry.endswith(WHOLE)]
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


def write_refusal(delivery_id: uuid.UUID | str, name: str, *, code: str, reason: str) -> None:
    (folder_of(delivery_id) / (name + REFUSE)).write_text(f"{code}\n{reason}", encoding="utf-8")


def refusal_of(delivery_id: uuid.UUID | str, name: str) -> tuple[str, str]:
    """The (code, reason) that a file was marked with, or two empty texts."""
    try:
        code, _line, reason = (folder_of(delivery_id) / (name + REFUSE)).read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return "", ""
    return code, reason


def write_name(delivery_id: uuid.UUID | str, name: str, original_name: str) -> None:
    encoded = original_name.encode("utf-8", "replace")[:MAX_NAME_BYTES]
    (folder_of(delivery_id) / (name + NAME)).write_bytes(encoded)


def remove(delivery_id: uuid.UUID | str, names: list[str]) -> None:
    """Forget files that are indexed or refused; safe to repeat."""
    folder = folder_of(delivery_id)
    try:
        there = set(names_in(folder)) if names else set()
    except FileNotFoundError:
        return
    for name in names:
        if not NAME_PATTERN.match(name):
            continue
        # The file itself first: one that was to be refused must not stay behind without its reason.
        for suffix in (WHOLE, NAME, REFUSE):
            if name + suffix in there:
                (folder / (name + suffix)).unlink(missing_ok=True)


# Zip files and uploads in pieces --------------------------------------------------------------------------------------


def waiting_zips(delivery_id: uuid.UUID | str) -> list[str]:
    """Names of the zip files that are not unpacked yet."""
    try:
        entries = names_in(folder_of(delivery_id))
    except FileNotFoundError:
        return []
    return sorted(entry[: -len(ZIP)] for entry in entries if entry.endswith(ZIP))


def zip_path(delivery_id: uuid.UUID | str, name: str) -> Path:
    if not NAME_PATTERN.match(name):
        raise ValueError("not a name of the spool")
    return folder_of(delivery_id) / (name + ZIP)


def set_aside_zip(delivery_id: uuid.UUID | str, name: str) -> Path:
    """A whole file turns out to be a zip: take it out of the index's sight."""
    target = zip_path(delivery_id, name)
    path_of(delivery_id, name).rename(target)
    sync_folder(target.parent)
    return target


@contextmanager
def only_here(path: Path) -> Iterator[bool]:
    """Whether this process alone works on a file of the spool, for the length of the block; False when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def unpacked_count(delivery_id: uuid.UUID | str, name: str) -> int:
    try:
        return int((folder_of(delivery_id) / (name + UNPACKED)).read_text(encoding="ascii") or 0)
    except (FileNotFoundError, ValueError):
        return 0


def note_unpacked(delivery_id: uuid.UUID | str, name: str, count: int) -> None:
    (folder_of(delivery_id) / (name + UNPACKED)).write_text(str(count), encoding="ascii")


def remove_zip(delivery_id: uuid.UUID | str, name: str) -> None:
    for suffix in (ZIP, UNPACKED, NAME):
        (folder_of(delivery_id) / (name + suffix)).unlink(missing_ok=True)


def upload_path(delivery_id: uuid.UUID | str, upload_id: str) -> Path:
    """Where the pieces of a large upload are joined. Raises `ValueError` on an identifier that is not one."""
    if not UPLOAD_PATTERN.match(upload_id):
        raise ValueError("not an upload identifier")
    return folder_of(delivery_id) / (upload_id + UPLOAD)


def finish_upload(writer: SpoolWriter, path: Path, *, original_name: str) -> SpooledFile:
    """The joined pieces become a whole file that may be acknowledged."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    name = writer.new_name()
    if original_name:
        write_name(writer.delivery_id, name, original_name)
    whole = writer.folder / (name + WHOLE)
    path.rename(whole)
    sync_folder(writer.folder)
    return SpooledFile(
        delivery_id=writer.delivery_id, name=name, path=whole, size_bytes=size, original_name=original_name
    )


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
    for pattern in ("*" + PART, "*" + UPLOAD):
        for part in folder.glob(pattern):
            part.unlink(missing_ok=True)
            count += 1
    return count


def remove_folder(delivery_id: uuid.UUID | str) -> bool:
    """Remove the folder of a finished delivery; keeps it, and says so, while a whole file or a zip is in it."""
    folder = folder_of(delivery_id)
    if whole_files(delivery_id) or waiting_zips(delivery_id):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True


def delivery_ids() -> Iterator[uuid.UUID]:
    """Deliveries that have a folder in the spool."""
    try:
        entries = names_in(spool_root())
    except FileNotFoundError:
        return
    for entry in entries:
        try:
            yield uuid.UUID(entry)
        except ValueError:
            continue
