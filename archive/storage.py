"""Where stored bytes live, behind keys: `settings.STORAGE_URL` is `file:///path`.

A key is a relative path of safe segments that the archive makes itself; nothing a sender wrote becomes part of one.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from archive.spool import sync_folder

KEY_PATTERN = re.compile(r"^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$")
COPY_BYTES = 1 << 20
FOLDER_TRIES = 5


class Storage(Protocol):
    """What the archive needs of a place for bytes. Every write is durable when its batch was synced."""

    def adopt(self, *, source: Path, key: str) -> Path: ...

    def sync(self, folders: Iterable[Path]) -> None: ...

    def write(self, *, key: str, content: bytes) -> None: ...

    def open(self, key: str) -> BinaryIO: ...

    def exists(self, key: str) -> bool: ...

    def size(self, key: str) -> int: ...

    def delete(self, key: str) -> None: ...

    def path(self, key: str) -> Path: ...


class FileStorage:
    """A folder on a disk of this machine, or on one that all machines share."""

    def __init__(self, *, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """The file behind a key, for sendfile and X-Accel-Redirect. Raises `ValueError` on a key that is not one."""
        if not KEY_PATTERN.match(key):
            raise ValueError("not a storage key")
        return self.root / key

    def adopt(self, *, source: Path, key: str) -> Path:
        """Take over a synced file by hard link (a copy where the disk differs); safe to repeat.

        Returns the folder whose entry must still be synced.
        """
        target = self.path(key)
        for attempt in range(FOLDER_TRIES):
            self._make_folder(target.parent)
            try:
                self._take(source=source, target=target)
                break
            except FileNotFoundError:
                # `delete` elsewhere may have removed the folder, empty at that moment.
                if attempt == FOLDER_TRIES - 1 or not source.exists():
                    raise
        return target.parent

    def _take(self, *, source: Path, target: Path) -> None:
        try:
            os.link(source, target)
        except FileExistsError:
            if not source.samefile(target):
                # Left by a try that died while copying; the source is the truth.
                self._copy(source=source, target=target)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            self._copy(source=source, target=target)

    def sync(self, folders: Iterable[Path]) -> None:
        for folder in set(folders):
            sync_folder(folder)

    def write(self, *, key: str, content: bytes) -> None:
        """Put bytes under a key, replacing what was there in one step."""
        target = self.path(key)
        self._make_folder(target.parent)
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        sync_folder(target.parent)

    def open(self, key: str) -> BinaryIO:
        """The bytes under a key, seekable. Raises `FileNotFoundError`."""
        return self.path(key).open("rb")

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def size(self, key: str) -> int:
        return self.path(key).stat().st_size

    def delete(self, key: str) -> None:
        """Remove what is under a key, and folders that became empty; safe to repeat."""
        target = self.path(key)
        target.unlink(missing_ok=True)
        folder = target.parent
        while folder != self.root:
            try:
                folder.rmdir()
            except OSError:
                return
            folder = folder.parent

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key under a prefix folder, for the check of storage against index."""
        for folder, _folders, files in os.walk(self.path(prefix)):
            for name in files:
                yield str((Path(folder) / name).relative_to(self.root))

    def _make_folder(self, folder: Path) -> None:
        missing = []
        step = folder
        while not step.is_dir():
            missing.append(step)
            step = step.parent
        for step in reversed(missing):
            step.mkdir(parents=True, exist_ok=True)
            sync_folder(step.parent)

    def _copy(self, *, source: Path, target: Path) -> None:
        part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
        try:
            with source.open("rb") as reader, part.open("wb") as writer:
                shutil.copyfileobj(reader, writer, COPY_BYTES)
                writer.flush()
                os.fsync(writer.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


@lru_cache(maxsize=4)
def _storage_at(url: str) -> FileStorage:
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FileStorage(root=Path(unquote(parts.path)))
    raise ImproperlyConfigured(
        f"PACSWEB_STORAGE_URL begins with {parts.scheme}://, which this version cannot keep images in; use file:///path."
    )


def storage() -> FileStorage:
    """The installation's storage."""
    return _storage_at(settings.STORAGE_URL)
