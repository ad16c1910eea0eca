"""A disk that is really full: every door says so, nothing half-stored stays, and with room again all goes on."""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from access import services as access
from archive import services, spool
from archive.errors import OutOfSpace
from archive.models import Archive, Delivery, Instance, QuarantinedFile
from archive.services import unpack
from archive.services.commit import Outcome
from core.tenancy import tenant
from tests.access.factories import make_member
from tests.archive.factories import make_archive, make_dataset, make_file, make_series, to_bytes
from tests.archive.test_pages import as_
from tests.archive.test_uploads import Door as Uploads
from tests.archive.test_zips import make_zip
from tests.dicomweb.factories import Door, make_reader, make_token
from tests.dicomweb.test_storing import multipart, post
from tests.dimse.factories import index_all, running_listener, send

pytestmark = pytest.mark.django_db(transaction=True)

DISK_BYTES = 8 << 20
ROOM_BYTES = 200 << 10
LARGE: dict[str, Any] = {"Rows": 512, "Columns": 512, "PixelData": bytes(512 * 512 * 2)}
_CHANCE = random.Random(1)
# Packs to a twentieth: small enough for the little room, and no bomb.
PACKABLE: dict[str, Any] = {
    **LARGE,
    "PixelData": b"".join(_CHANCE.randbytes(1024) + bytes(20 * 1024) for _block in range(24)) + bytes(8 * 1024),
}


@dataclass
class Disk:
    """A small disk of its own; `fill` leaves a little room, `free` gives it back."""

    path: Path

    def fill(self, *, but: int = ROOM_BYTES) -> None:
        state = os.statvfs(self.path)
        (self.path / "ballast").write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - but)))

    def free(self) -> None:
        (self.path / "ballast").unlink()

    def left_in_spool(self) -> list[str]:
        """Files of the spool that are more than its locks."""
        return sorted(
            path.name for path in (self.path / "spool").rglob("*") if path.is_file() and path.name != spool.LOCK
        )


@pytest.fixture
def disk(tmp_path: Path, settings: Any) -> Iterator[Disk]:
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", where], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("SKIPPED: a full disk needs the right to mount a small one (root)")
    settings.DATA_DIR = where
    settings.STORAGE_URL = (where / "files").as_uri()
    # The early refusal is not what is tried here.
    settings.ARCHIVE_LIMITS = {"free_bytes": 0}
    try:
        yield Disk(where)
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


@pytest.fixture
def archive(disk: Disk) -> Archive:
    return make_archive(ae_title="FULL")


def counts(archive: Archive) -> tuple[int, int]:
    with tenant(archive.organisation):
        return Instance.objects.count(), QuarantinedFile.objects.count()


@pytest.fixture
def uploads(archive: Archive) -> Uploads:
    person = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="contributor", user=person)
    found = Uploads(archive, as_(person))
    assert found.begin().status_code == 201
    return found


def test_a_pack_of_files(disk: Disk, archive: Archive, uploads: Uploads) -> None:
    files = {"small": make_file(), "large": make_file(**LARGE)}
    disk.fill()
    answer = uploads.pack(files)
    assert (answer.status_code, answer.json()["code"]) == (507, "out-of-space")
    assert disk.left_in_spool() == []
    assert counts(archive) == (0, 0)
    disk.free()
    answer = uploads.pack(files)
    assert [one["status"] for one in answer.json()] == ["stored", "stored"]
    assert counts(archive) == (2, 0)


def test_a_large_file_in_pieces_goes_on_where_it_was(disk: Disk, archive: Archive, uploads: Uploads) -> None:
    content = make_file(**LARGE)
    half = len(content) // 2
    assert uploads.piece("large-one", content[:half], offset=0, total=len(content)).status_code == 200
    disk.fill()
    answer = uploads.piece("large-one", content[half:], offset=half, total=len(content))
    assert (answer.status_code, answer.json()["code"]) == (507, "out-of-space")
    assert uploads.client.get(f"{uploads.url}pieces/large-one/").json()["size"] == half
    disk.free()
    answer = uploads.piece("large-one", content[half:], offset=half, total=len(content))
    assert answer.json()["outcome"]["status"] == "stored"
    assert counts(archive) == (1, 0)


def test_stow(disk: Disk, archive: Archive) -> None:
    door = Door(archive, token=make_token(make_reader(archive, role="contributor")))
    small, large = make_dataset(), make_dataset(**LARGE)
    disk.fill()
    answer = post(door, multipart(to_bytes(large), to_bytes(large)))
    assert answer.status_code == 507
    failures = json.loads(answer.content)["0008119A"]["Value"]
    assert [one["00081197"]["Value"] for one in failures] == [[0xA700], [0xA700]]
    assert counts(archive) == (0, 0)
    assert disk.left_in_spool() == []
    answer = post(door, multipart(to_bytes(small), to_bytes(large)))
    assert answer.status_code == 202
    assert counts(archive) == (1, 0)
    disk.free()
    assert post(door, multipart(to_bytes(small), to_bytes(large))).status_code == 200
    assert counts(archive) == (2, 0)


def test_c_store(disk: Disk, archive: Archive) -> None:
    small, large = make_dataset(), make_dataset(**LARGE)
    for dataset in (small, large):
        to_bytes(dataset)
    with running_listener() as port:
        disk.fill()
        assert send(port, [large, small], called="FULL") == [0xA700, 0x0000]
        disk.free()
        assert send(port, [large], called="FULL") == [0x0000]
    index_all()
    assert counts(archive) == (2, 0)
    assert disk.left_in_spool() == []


def test_a_zip_waits_for_room(disk: Disk, archive: Archive) -> None:
    files = {f"IM{number}": content for number, content in enumerate(make_series(count=3, **PACKABLE))}
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    spooled = services.receive(delivery=delivery, chunks=[make_zip(files)], name="disc.zip")
    spool.set_aside_zip(delivery.pk, spooled.name)
    services.close_delivery(delivery=delivery)
    outcomes: list[Outcome] = []
    disk.fill()
    with pytest.raises(OutOfSpace):
        unpack.unpack(delivery=delivery, name=spooled.name, report=outcomes.extend)
    assert [name for name in disk.left_in_spool() if not name.endswith((spool.ZIP, spool.NAME))] == []
    disk.free()
    unpack.unpack(delivery=delivery, name=spooled.name, report=outcomes.extend)
    assert [one.status for one in outcomes] == ["stored"] * 3
    assert counts(archive) == (3, 0)


def test_a_file_size_limit_is_no_room_either(archive: Archive, uploads: Uploads, monkeypatch: Any) -> None:
    import resource
    import signal

    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        answer = uploads.pack({"large": make_file(**LARGE)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert (answer.status_code, answer.json()["code"]) == (507, "out-of-space")
    assert counts(archive) == (0, 0)
    assert uploads.pack({"large": make_file(**LARGE)}).json()[0]["status"] == "stored"
