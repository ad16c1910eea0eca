"""Acknowledged is on disk: what would be there after a power cut, at the moment a sender is told that it is stored.

A file survives when its bytes were synced, and when its name and those of all folders on the way were. Every sync of this
process is recorded with what it made safe; whatever was written and not synced is taken as lost.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archive import services, spool
from archive.models import Archive, Delivery
from archive.spool import SpoolWriter, writer
from archive.storage import FileStorage
from tests.archive.factories import make_archive, make_dataset, make_file, to_bytes
from tests.dicomweb.factories import Door, make_reader, make_token
from tests.dicomweb.test_storing import multipart, post
from tests.dimse.factories import running_listener, send


class Safe:
    """What the disk keeps without power."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bytes: dict[int, bytes] = {}
        self._names: dict[Path, dict[str, int]] = {}
        self._lock = threading.Lock()

    def synced(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}")
        try:
            here = path.readlink()
        except OSError:
            return
        with self._lock:
            if path.is_dir():
                self._names[here] = {entry.name: entry.inode() for entry in os.scandir(here)}
            elif path.is_file():
                self._bytes[path.stat().st_ino] = path.read_bytes()

    def survivors(self) -> dict[Path, bytes]:
        found: dict[Path, bytes] = {}
        folders = [self.root]
        while folders:
            folder = folders.pop()
            for name, inode in self._names.get(folder, {}).items():
                path = folder / name
                if path in self._names or path.is_dir():
                    folders.append(path)
                elif inode in self._bytes:
                    found[path] = self._bytes[inode]
        return found


@pytest.fixture
def safe(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Safe:
    settings.DATA_DIR = tmp_path
    settings.STORAGE_URL = (tmp_path / "files").as_uri()
    disk = Safe(tmp_path.resolve())

    def recorded(real: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            real(descriptor)
            disk.synced(descriptor)

        return sync

    monkeypatch.setattr(os, "fsync", recorded(os.fsync))
    monkeypatch.setattr(os, "fdatasync", recorded(os.fdatasync))
    return disk


# The last piece of a copy is smaller than a buffer, so that it must be flushed.
CONTENT = bytes(range(256)) * 4100
NEW = "0f5a2a32-1111-4222-8333-123456789abc"


def test_one_file(safe: Safe) -> None:
    with SpoolWriter(NEW) as into:
        into.open().write(CONTENT)
        assert safe.survivors() == {}
        done = into.commit()
        assert safe.survivors()[done.path] == CONTENT


@pytest.mark.parametrize("count", [1, 2, 20])
def test_files_that_are_acknowledged_together(safe: Safe, count: int) -> None:
    with SpoolWriter(NEW) as into:
        done = []
        for number in range(count):
            into.open().write(CONTENT + bytes([number]))
            done.append(into.put_by())
        assert safe.survivors() == {}
        into.commit_all()
        kept = safe.survivors()
    for number, one in enumerate(done):
        assert kept[spool.path_of(NEW, one.name)] == CONTENT + bytes([number])


@pytest.mark.parametrize("together", [False, True])
def test_reason_to_refuse_a_file_is_as_safe_as_the_file(safe: Safe, together: bool) -> None:
    with SpoolWriter(NEW) as into:
        into.open(refusal=("cut-off", "The file ended early")).write(CONTENT)
        done = into.put_by() if together else into.commit()
        into.commit_all()
        kept = {path.name: content for path, content in safe.survivors().items()}
    assert kept[f"{done.name}.dcm"] == CONTENT
    assert kept[f"{done.name}.refuse"] == b"cut-off\nThe file ended early"


def test_large_file_that_came_in_pieces(safe: Safe) -> None:
    with SpoolWriter(NEW) as into:
        path = spool.upload_path(NEW, "a-large-one")
        path.write_bytes(CONTENT)
        done = spool.finish_upload(into, path, original_name="large.dcm")
        assert safe.survivors()[done.path] == CONTENT


def test_file_whose_disk_fails_to_sync_is_not_acknowledged(safe: Safe, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    for name in ("fdatasync", "fsync"):
        with SpoolWriter(NEW) as into, monkeypatch.context() as patch:
            into.open().write(CONTENT)
            patch.setattr(writer.os, name, broken)
            with pytest.raises(OSError, match="Input/output"):
                into.commit()
        assert spool.whole_files(NEW) == []


@pytest.fixture
def storage(safe: Safe) -> FileStorage:
    return FileStorage(root=safe.root / "files")


@pytest.mark.parametrize("by", ["link", "copy"])
def test_file_that_the_storage_took_over(
    safe: Safe, storage: FileStorage, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    with SpoolWriter(NEW) as into:
        into.open().write(CONTENT)
        done = into.commit()
    if by == "copy":

        def other_disk(*_arguments: Any, **_named: Any) -> None:
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "link", other_disk)
    pending = storage.adopt(source=done.path, key="instances/1/ab/abcd/one.dcm")
    storage.sync([pending])
    done.path.unlink()
    assert safe.survivors()[storage.path("instances/1/ab/abcd/one.dcm")] == CONTENT


def test_what_is_written_to_the_storage(safe: Safe, storage: FileStorage) -> None:
    storage.write(key="thumbnails/1/one.webp", content=CONTENT)
    assert safe.survivors()[storage.path("thumbnails/1/one.webp")] == CONTENT
    storage.write(key="thumbnails/1/one.webp", content=b"new")
    assert safe.survivors()[storage.path("thumbnails/1/one.webp")] == b"new"


def survives(safe: Safe, content: bytes) -> bool:
    """Wherever it lies: in the spool, or already among the images."""
    return content in safe.survivors().values()


@pytest.fixture
def archive(safe: Safe) -> Archive:
    return make_archive(ae_title="SAFE")


@pytest.mark.django_db(transaction=True)
def test_service_that_receives(safe: Safe, archive: Archive) -> None:
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    content = make_file()
    services.receive(delivery=delivery, chunks=[content], name="IM1")
    assert survives(safe, content)
    services.close_delivery(delivery=delivery)


@pytest.mark.django_db(transaction=True)
def test_stow(safe: Safe, archive: Archive) -> None:
    door = Door(archive, token=make_token(make_reader(archive, role="contributor")))
    contents = [to_bytes(make_dataset()) for _number in range(3)]
    assert post(door, multipart(*contents)).status_code == 200
    for content in contents:
        assert survives(safe, content)


@pytest.mark.django_db(transaction=True)
def test_c_store(safe: Safe, archive: Archive) -> None:
    datasets = [make_dataset() for _number in range(3)]
    for dataset in datasets:
        to_bytes(dataset)
    with running_listener() as port:
        assert send(port, datasets, called="SAFE") == [0, 0, 0]
        pixels = [content for path, content in safe.survivors().items() if path.suffix == ".dcm"]
    assert len(pixels) == 3
