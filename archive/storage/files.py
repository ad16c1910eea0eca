"""Storage in a folder (`file:///path`): each key is a file."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from archive.spool import make_folder_durably, sync_folder
from archive.storage.interface import Pending, check_key

COPY_BYTES = 1 << 20
FOLDER_TRIES = 5


class FileStorage:
    """A folder on a disk of this machine, or on one that all machines share."""

    def __init__(self, *, root: Path) -> None:
        self.root = root

    def path(self, key: str) -> Path:
        """The file behind a key. Raises `ValueError` on a key that is not one."""
        return self.root / check_key(key)

    def adopt(self, *, source: Path, key: str) -> Path:
        """Take over a synced file by hard link (a copy where the disk differs). Pending is the folder's own entry."""
        target = self.path(key)
        for attempt in range(FOLDER_TRIES):
            make_folder_durably(target.parent)
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

    def sync(self, pending: Iterable[Pending]) -> None:
        for folder in set(pending):
            if isinstance(folder, Path):
                sync_folder(folder)

    def write(self, *, key: str, content: bytes) -> None:
        target = self.path(key)
        make_folder_durably(target.parent)
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
        return self.path(key).open("rb")

    @contextmanager
    def local(self, key: str) -> Iterator[Path]:
        yield self.path(key)

    def exists(self, key: str) -> bool:
        return self.path(key).is_file()

    def size(self, key: str) -> int:
        return self.path(key).stat().st_size

    def delete(self, key: str) -> None:
        """Folders that became empty go too."""
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
        for folder, _folders, files in os.walk(self.path(prefix)):
            for name in files:
                yield str((Path(folder) / name).relative_to(self.root))

    def check(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self.root, prefix=".health-") as probe:
            probe.write(b"ok")
            probe.flush()

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
