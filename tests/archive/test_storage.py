"""Both kinds of storage keep the same promises; the archive works on a bucket as it does on a folder."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from archive import queries, services, spool, tasks
from archive.errors import StorageAway
from archive.models import Instance, QuarantinedFile, Series, Study
from archive.services import export, settle
from archive.services.quarantine import release
from archive.storage import FileStorage, Storage
from archive.storage.objects import FIRST_READ_BYTES, PART_BYTES, ObjectReader, ObjectStorage
from core import storage_address
from core.tenancy import all_tenants, tenant
from tests.archive.factories import deliver, make_archive, make_dataset, make_file, make_series, to_bytes
from tests.archive.object_service import ObjectService, object_service
from tests.dicomweb.factories import Door, content, make_reader, make_token, parts, paths

__all__ = ["object_service"]

KEY = "instances/7/ab/one.dcm"


@pytest.fixture(params=["folder", "bucket", "folder of a bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "folder":
        return FileStorage(root=tmp_path / "files")
    service: ObjectService = request.getfixturevalue("object_service")
    prefix = "pacsweb/images" if request.param == "folder of a bucket" else ""
    address = storage_address.parse(service.new_bucket(prefix=prefix))
    assert isinstance(address, storage_address.Bucket)
    return ObjectStorage(bucket=address)


def read(place: Storage, key: str) -> bytes:
    with place.open(key) as file:
        return file.read()


def adopt(place: Storage, *, source: Path, key: str) -> None:
    place.sync([place.adopt(source=source, key=key)])


# The promises -----------------------------------------------------------------------------------------------------------


def test_what_was_adopted_is_there_and_the_source_stays(place: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"image" * 1000)
    for _time in range(2):
        adopt(place, source=source, key=KEY)
    assert read(place, KEY) == b"image" * 1000
    assert (place.exists(KEY), place.size(KEY)) == (True, 5000)
    assert source.exists()
    with place.local(KEY) as path:
        assert path.read_bytes() == b"image" * 1000


def test_a_batch_is_there_as_a_whole(place: Storage, tmp_path: Path) -> None:
    pending = []
    for number in range(40):
        source = tmp_path / f"{number}"
        source.write_bytes(bytes([number]) * 100)
        pending.append(place.adopt(source=source, key=f"instances/7/{number}.dcm"))
    place.sync(pending)
    assert sorted(place.keys("instances")) == sorted(f"instances/7/{number}.dcm" for number in range(40))
    assert read(place, "instances/7/39.dcm") == bytes([39]) * 100


def test_a_large_file_goes_in_parts(place: Storage, tmp_path: Path) -> None:
    source = tmp_path / "large"
    with source.open("wb") as file:
        for number in range(2 * PART_BYTES // 65536 + 3):
            file.write(number.to_bytes(2, "big") * 32768)
    adopt(place, source=source, key=KEY)
    assert place.size(KEY) == source.stat().st_size
    with place.open(KEY) as stored, source.open("rb") as original:
        while piece := original.read(1 << 20):
            assert stored.read(1 << 20) == piece


def test_a_write_replaces_what_was_there(place: Storage) -> None:
    place.write(key=KEY, content=b"first")
    place.write(key=KEY, content=b"second and longer")
    assert read(place, KEY) == b"second and longer"


def test_what_is_absent_is_a_missing_file(place: Storage) -> None:
    assert not place.exists(KEY)
    with pytest.raises(FileNotFoundError):
        place.size(KEY)
    with pytest.raises(FileNotFoundError):
        read(place, KEY)
    with pytest.raises(FileNotFoundError), place.open(KEY) as file:
        file.seek(0, io.SEEK_END)
    with pytest.raises(FileNotFoundError), place.local(KEY) as path:
        path.read_bytes()
    place.delete(KEY)


def test_what_was_deleted_is_gone_and_its_neighbours_are_not(place: Storage) -> None:
    place.write(key=KEY, content=b"one")
    place.write(key="instances/7/abc/two.dcm", content=b"two")
    place.delete(KEY)
    place.delete(KEY)
    assert not place.exists(KEY)
    assert list(place.keys("instances/7")) == ["instances/7/abc/two.dcm"]
    assert list(place.keys("instances/7/ab")) == []


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../up", "a/../b", "a//b", ".hidden", "a/.b", "a\nb", "a b", "ä"])
def test_a_key_that_the_archive_cannot_have_made_is_refused(place: Storage, key: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(ValueError, match="key"):
        place.adopt(source=source, key=key)
    with pytest.raises(ValueError, match="key"):
        place.open(key).read()
    with pytest.raises(ValueError, match="key"):
        place.delete(key)


def test_it_says_whether_it_is_usable(place: Storage) -> None:
    place.check()


def test_reading_a_stored_file_is_reading_a_file(place: Storage) -> None:
    original = make_file()
    place.write(key=KEY, content=original)
    with place.open(KEY) as file:
        assert dcmread(file).PatientName == dcmread(io.BytesIO(original)).PatientName
    with place.open(KEY) as file:
        file.seek(-10, io.SEEK_END)
        assert file.read(100) == original[-10:]
        assert file.read(1) == b""
        file.seek(5)
        target = bytearray(7)
        assert file.readinto(target) == 7  # type: ignore[attr-defined]
        assert (bytes(target), file.tell()) == (original[5:12], 12)


# The reader of objects --------------------------------------------------------------------------------------------------

CONTENT = bytes(range(256)) * 1200


class Counting:
    def __init__(self) -> None:
        self.requests: list[tuple[int, int]] = []

    def fetch(self, start: int, length: int) -> bytes:
        self.requests.append((start, length))
        return CONTENT[start : start + length]

    def reader(self) -> ObjectReader:
        return ObjectReader(fetch=self.fetch, measure=lambda: len(CONTENT))


moves = st.one_of(
    st.tuples(st.just("read"), st.integers(-1, len(CONTENT) + 10)),
    st.tuples(st.just("seek"), st.integers(0, len(CONTENT) + 10)),
    st.tuples(st.just("back"), st.integers(0, len(CONTENT))),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(moves, max_size=12))
def test_the_reader_behaves_as_a_file_in_memory(plan: list[tuple[str, int]]) -> None:
    ours, theirs = Counting().reader(), io.BytesIO(CONTENT)
    for act, number in plan:
        if act == "read":
            assert ours.read(number) == theirs.read(number)
        elif act == "seek":
            assert ours.seek(number) == theirs.seek(number)
        else:
            assert ours.seek(-number, io.SEEK_END) == theirs.seek(-number, io.SEEK_END)
        assert ours.tell() == theirs.tell()


def test_a_frame_costs_one_request_and_a_header_one() -> None:
    counting = Counting()
    frame = counting.reader()
    frame.seek(100_000)
    assert frame.read(150_000) == CONTENT[100_000:250_000]
    assert counting.requests == [(100_000, 150_000)]
    counting.requests.clear()
    header = counting.reader()
    for _element in range(500):
        header.read(8)
    assert counting.requests == [(0, FIRST_READ_BYTES)]


# The archive on a bucket ------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(object_service: ObjectService, settings: Any) -> Iterator[str]:
    settings.STORAGE_URL = object_service.new_bucket(prefix="pacs")
    yield settings.STORAGE_URL
    shutil.rmtree(spool.spool_root(), ignore_errors=True)


@pytest.mark.django_db
def test_images_are_received_shown_exported_and_deleted(
    bucket: str, object_service: ObjectService, tmp_path: Path
) -> None:
    archive = make_archive()
    files = make_series(count=3)
    delivery, outcomes = deliver(archive, [*files, b"not an image" * 50])
    assert [one.status for one in outcomes] == ["stored"] * 3 + ["refused"]
    assert not spool.folder_of(delivery.pk).exists()
    organisation = archive.organisation
    with tenant(organisation):
        study = Study.objects.get()
        assert settle.claim(study_id=study.pk)
        settle.settle_study(study_id=study.pk)
        series = Series.objects.get()
        assert series.thumbnail_key and series.metadata_key
        refused = QuarantinedFile.objects.get()
        keys = [*Instance.objects.values_list("storage_key", flat=True), refused.storage_key]
    names = object_service.names(bucket)
    assert names == sorted(f"pacs/{key}" for key in (*keys, series.thumbnail_key, series.metadata_key))

    reader = make_reader(archive)
    door = Door(archive, token=make_token(reader))
    dataset = dcmread(io.BytesIO(files[1]))
    of_study, of_series, of_instance = paths(dataset)
    one = door.get(f"{of_instance}/frames/1", accept="application/octet-stream")
    assert content(one) == dataset.PixelData
    part = door.get(f"{of_instance}/frames/1", accept="application/octet-stream", range="bytes=100-199")
    assert (part.status_code, content(part)) == (206, dataset.PixelData[100:200])
    assert [found.content for found in parts(door.get(of_study))] == files
    assert len(door.json(f"{of_series}/metadata")) == 3
    assert door.get(f"{of_instance}/rendered", accept="image/png").status_code == 200
    assert door.get(f"{of_series}/thumbnail", accept="image/*").status_code == 200

    page = Client()
    page.force_login(reader)
    with tenant(organisation):
        instance = Instance.objects.first()
    names_of = {"organisation": organisation.slug, "archive": archive.slug, "study": study.public_id}
    shown = page.get(reverse("archive:instance", kwargs={**names_of, "instance": instance.pk}))
    assert shown.status_code == 200 and "Series^Person" in shown.content.decode()

    with tenant(organisation):
        done = export.write_export(job_id="1234", study_ids=[study.pk], progress=lambda _done, _total: None)
    assert done == (3, 0)
    with zipfile.ZipFile(export.export_path("1234")) as packed:
        exported = [packed.read(name) for name in packed.namelist() if name != "DICOMDIR"]
    export.export_path("1234").unlink()
    assert sorted(exported) == sorted(files)

    with tenant(organisation):
        services.delete_study(actor=make_reader(archive, role="manager"), study=study)
    with all_tenants():
        services.removal.purge()
    assert object_service.names(bucket) == [f"pacs/{refused.storage_key}"]


@pytest.mark.django_db
def test_a_refused_file_is_tried_again_from_the_bucket(bucket: str, object_service: ObjectService) -> None:
    archive = make_archive()
    dataset = make_dataset()
    deliver(archive, [to_bytes(dataset)])
    dataset.PixelData = bytes(512)
    other = to_bytes(dataset)
    deliver(archive, [other])
    manager = make_reader(archive, role="manager")
    with tenant(archive.organisation):
        services.delete_study(actor=manager, study=Study.objects.get())
        release(actor=manager, file=QuarantinedFile.objects.get())
        with queries.open_instance(Instance.objects.get()) as file:
            assert file.read() == other
    assert len(object_service.names(bucket)) == 1


@pytest.mark.django_db(transaction=True)
def test_while_the_bucket_is_away_files_wait_in_the_spool(bucket: str, object_service: ObjectService) -> None:
    archive = make_archive()
    delivery = services.open_delivery(archive=archive, source="upload")
    for number in range(3):
        services.receive(delivery=delivery, chunks=[make_file()], name=f"{number}.dcm")
    with object_service.away():
        with pytest.raises(StorageAway):
            services.index_delivery(delivery=delivery)
        with pytest.raises(OSError, match="storage"):
            ObjectStorage(bucket=storage_address.parse(bucket)).check()  # type: ignore[arg-type]
        with tenant(archive.organisation):
            assert Instance.objects.count() == Study.objects.count() == 0
        assert len(spool.whole_files(delivery.pk)) == 3
    services.close_delivery(delivery=delivery)
    tasks.index_delivery(organisation_id=archive.organisation_id, delivery_id=str(delivery.pk))
    with tenant(archive.organisation):
        assert Instance.objects.count() == 3
    assert len(object_service.names(bucket)) == 3
    assert not spool.folder_of(delivery.pk).exists()


def test_a_copy_for_programs_that_need_a_file_goes_when_it_was_used(
    object_service: ObjectService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    address = storage_address.parse(object_service.new_bucket())
    place = ObjectStorage(bucket=address)  # type: ignore[arg-type]
    place.write(key=KEY, content=b"bytes")
    with place.local(KEY) as path:
        assert path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("address", "expected"), [
    ("file:///srv/images%20here", storage_address.Folder(Path("/srv/images here"))),
    ("s3://images", storage_address.Bucket("images")),
    ("s3://images/", storage_address.Bucket("images")),
    ("s3://images/a/b/", storage_address.Bucket("images", prefix="a/b")),
    ("s3://images/a?endpoint=http://minio:9000&region=eu-central-1",
     storage_address.Bucket("images", prefix="a", endpoint="http://minio:9000", region="eu-central-1")),
])  # fmt: skip
def test_an_address_of_a_storage_is_read(address: str, expected: object) -> None:
    assert storage_address.parse(address) == expected


@pytest.mark.parametrize("address", [
    "", "/srv/images", "file://srv/images", "file:relative", "http://images", "s3://", "s3:///images", "s3://UPPER/x",
    "s3://user:password@images", "s3://images:9000/x", "s3://images/../x", "s3://images/a b", "s3://images?enpoint=x",
    "s3://images?endpoint=minio:9000", "s3://images?endpoint=https://",
])  # fmt: skip
def test_an_address_that_leads_nowhere_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        storage_address.parse(address)
