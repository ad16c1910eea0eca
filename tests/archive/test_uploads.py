"""Uploads through the REST door, and imports from the command line."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.urls import reverse

from access import services as access
from archive import services, spool
from archive.models import Archive, Delivery, Instance, QuarantinedFile
from archive.services import imports
from core.models import Job
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import make_archive, make_file, make_series
from tests.archive.test_pages import as_
from tests.archive.test_zips import make_zip

pytestmark = pytest.mark.django_db


class Door:
    """One person's uploads into one archive."""

    def __init__(self, archive: Archive, client: Client) -> None:
        self.client = client
        self.root = reverse(
            "archive-api:uploads", kwargs={"organisation": archive.organisation.slug, "archive": archive.slug}
        )
        self.url = ""

    def begin(self) -> Any:
        response = self.client.post(self.root)
        if response.status_code == 201:
            self.url = f"{self.root}{response.json()['id']}/"
        return response

    def pack(self, files: dict[str, bytes]) -> Any:
        body = b"".join(
            json.dumps({"id": name, "name": name, "size": len(content)}).encode() + b"\n" + content
            for name, content in files.items()
        )
        return self.raw(body)

    def raw(self, body: bytes) -> Any:
        return self.client.generic("POST", f"{self.url}files/", body, content_type="application/octet-stream")

    def piece(self, name: str, content: bytes, *, offset: int, total: int) -> Any:
        return self.client.generic(
            "PUT", f"{self.url}pieces/{name}/?offset={offset}&total={total}&name=big.dcm", content,
            content_type="application/octet-stream",
        )  # fmt: skip


@pytest.fixture
def archive() -> Archive:
    return make_archive()


@pytest.fixture
def door(archive: Archive) -> Door:
    person = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="contributor", user=person)
    found = Door(archive, as_(person))
    assert found.begin().status_code == 201
    return found


def count(archive: Archive) -> int:
    with tenant(archive.organisation):
        return Instance.objects.filter(archive=archive).count()


def test_each_file_of_a_pack_gets_its_own_answer(archive: Archive, door: Door) -> None:
    good = make_file()
    answers = door.pack(
        {"a.dcm": good, "notes.txt": b"hello" * 90, "again.dcm": good, "Thumbs.db": b"x", "empty": b""}
    ).json()
    assert [(answer["id"], answer["status"], answer["code"]) for answer in answers] == [
        ("a.dcm", "stored", ""),
        ("notes.txt", "refused", "not-dicom"),
        ("again.dcm", "duplicate", ""),
        ("Thumbs.db", "skipped", "companion"),
        ("empty", "refused", "empty"),
    ]
    state = door.client.post(f"{door.url}close/").json()
    assert (state["stored"], state["refused"], state["skipped"], state["duplicate"]) == (1, 2, 1, 1)
    assert len(state["studies"]) == 1
    assert count(archive) == 1
    assert door.pack({"late.dcm": make_file()}).status_code == 409


def test_a_large_file_comes_piece_by_piece_and_goes_on_after_a_break(archive: Archive, door: Door) -> None:
    content = make_file(Rows=512, Columns=512, PixelData=bytes(512 * 512 * 2))
    half = len(content) // 2
    first = door.piece("upload-one", content[:half], offset=0, total=len(content))
    assert first.json() == {"size": half, "outcome": None}
    assert door.piece("upload-one", content[:half], offset=0, total=len(content)).json()["size"] == half
    assert door.piece("upload-one", b"x" * 10, offset=half + 5, total=len(content)).status_code == 409
    assert door.client.get(f"{door.url}pieces/upload-one/").json()["size"] == half
    last = door.piece("upload-one", content[half:], offset=half, total=len(content)).json()
    assert last["outcome"]["status"] == "stored"
    assert count(archive) == 1


def test_pieces_that_run_over_or_name_a_path_are_refused(archive: Archive, door: Door) -> None:
    assert door.piece("upload-two", b"x" * 100, offset=0, total=50).status_code == 400
    assert door.piece("..%2F..%2Fevil-path", b"x", offset=0, total=1).status_code in (400, 404)
    assert door.client.generic("PUT", f"{door.url}pieces/upload-two/?offset=a&total=1", b"").status_code == 400


def test_a_file_cannot_be_said_to_be_shorter_than_what_is_here(archive: Archive, door: Door) -> None:
    content = make_file()
    half = len(content) // 2
    door.piece("upload-three", content[:half], offset=0, total=len(content))
    refused = door.piece("upload-three", b"", offset=half, total=half - 1)
    assert (refused.status_code, count(archive)) == (400, 0)
    assert "total" in refused.content.decode()
    assert door.piece("upload-three", content[half:], offset=half, total=len(content)).json()["outcome"]["status"] == (
        "stored"
    )


@pytest.mark.parametrize(
    "body",
    [
        b"garbage",
        b'{"id": 1}\n',
        b'{"id":"a","name":"a","size":50}\nshort',
        b"{" * 9000,
    ],
)
def test_a_damaged_pack_is_refused_and_leaves_no_half_file(archive: Archive, door: Door, body: bytes) -> None:
    assert door.raw(body).status_code == 400
    delivery_id = door.url.rstrip("/").rsplit("/", 1)[1]
    assert not [name for name in spool.folder_of(delivery_id).iterdir() if name.suffix in (".part", ".dcm")]
    assert count(archive) == 0


def test_an_uploaded_zip_is_unpacked_by_a_job(
    archive: Archive, door: Door, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.tasks import Task

    monkeypatch.setattr(Task, "enqueue", lambda self, *, delay_seconds=None, **arguments: self.function(**arguments))
    one, two = make_series(count=2)
    answer = door.pack({"disc.zip": make_zip({"a/1": one, "a/2": two, "a/readme.txt": b"hi" * 200})}).json()
    assert answer[0]["status"] == "unpacking"
    state = door.client.get(door.url).json()
    [unpacking] = state["unpacking"]
    assert unpacking["job"] == answer[0]["job"] and unpacking["state"] == "succeeded"
    assert [problem["code"] for problem in unpacking["problems"]] == ["not-dicom"]
    assert (state["stored"], state["refused"]) == (2, 1)
    assert count(archive) == 2


def test_nobody_else_sees_or_feeds_an_upload(archive: Archive, door: Door) -> None:
    other = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="contributor", user=other)
    reader = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="reader", user=reader)
    stranger = make_member(make_organisation(), roles=("administrator",))
    for person, expected in ((other, 404), (reader, 403), (stranger, 404)):
        theirs = Door(archive, as_(person))
        theirs.url = door.url
        assert theirs.client.get(door.url).status_code == expected
        assert theirs.pack({"a": make_file()}).status_code == expected
    assert Door(archive, as_(reader)).begin().status_code == 403
    assert Door(archive, Client()).begin().status_code == 401
    assert count(archive) == 0


def test_tokens_need_the_scope_to_write(archive: Archive) -> None:
    person = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="contributor", user=person)
    url = Door(archive, Client()).root
    for scope, expected in (("read", 403), ("write", 201)):
        _token, secret = access.create_token(user=person, name=scope, scopes=[scope])
        assert Client().post(url, headers={"Authorization": f"Bearer {secret}"}).status_code == expected


def test_rest_lists_are_filtered_by_role_and_tenant(archive: Archive, door: Door) -> None:
    door.pack({"a.dcm": make_file(PatientName="Visible^Patient"), "b": b"no" * 99})
    other = make_archive()
    base = door.root.removesuffix("uploads/")
    client = door.client
    studies = client.get(f"{base}studies/", {"q": "visible"}).json()
    assert studies["count"] == 1
    uid = studies["results"][0]["study_instance_uid"]
    series = client.get(f"{base}studies/{uid}/series/").json()
    assert client.get(f"{base}studies/{uid}/series/{series[0]['id']}/instances/").json()["count"] == 1
    assert client.get(f"{base}quarantine/").json()["results"][0]["code"] == "not-dicom"
    assert client.get(f"{base}deliveries/").json()["count"] == 1
    assert [one["slug"] for one in client.get(base.removesuffix(f"{archive.slug}/")).json()["results"]] == [
        archive.slug
    ]
    reader = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="reader", user=reader)
    assert as_(reader).get(f"{base}studies/").status_code == 200
    assert as_(reader).get(f"{base}quarantine/").status_code == 403
    stranger = make_member(other.organisation)
    assert as_(stranger).get(f"{base}studies/").status_code == 404
    member = make_member(archive.organisation)
    assert as_(member).get(f"{base}studies/").status_code == 403


# Import ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    folder = tmp_path / "disc"
    (folder / "deep" / "er").mkdir(parents=True)
    for number, content in enumerate(make_series(count=3)):
        (folder / "deep" / "er" / f"IM{number}").write_bytes(content)
    (folder / "more.zip").write_bytes(
        make_zip({f"{number}.dcm": content for number, content in enumerate(make_series(count=2))})
    )
    (folder / "DICOMDIR").write_bytes(b"x")
    (folder / "broken.dcm").write_bytes(make_file()[:-20])
    (folder / "loop").symlink_to(folder)
    return folder


def run_import(*arguments: object) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("import_dicom", *map(str, arguments), stdout=out, stderr=io.StringIO())
    except SystemExit as stop:
        return int(stop.code or 0), out.getvalue()
    return 0, out.getvalue()


def name_of(archive: Archive) -> str:
    return f"{archive.organisation.slug}/{archive.slug}"


def test_a_folder_is_imported_with_a_report_and_the_second_run_finds_it_done(
    archive: Archive, disc: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.csv"
    code, out = run_import(disc, "--archive", name_of(archive), "--report", report)
    assert code == 1
    assert "5 stored, 0 known already, 1 refused, 1 left out" in out
    rows = list(csv.DictReader(report.open(encoding="utf-8")))
    assert {row["status"] for row in rows} == {"stored", "refused", "skipped"}
    [refused] = [row for row in rows if row["status"] == "refused"]
    assert (refused["file"], refused["code"]) == ("disc/broken.dcm", "truncated")
    assert count(archive) == 5
    code, out = run_import(disc, "--archive", name_of(archive), "--report", tmp_path / "report.json")
    assert (code, json.loads((tmp_path / "report.json").read_text())) == (0, [])
    assert "6 done by an earlier run" in out
    (disc / "new.dcm").write_bytes(make_file())
    assert "1 stored" in run_import(disc, "--archive", name_of(archive))[1]
    assert "6 known already" in run_import(disc, "--archive", name_of(archive), "--again")[1]
    with tenant(archive.organisation):
        assert {delivery.state for delivery in Delivery.objects.all()} == {"indexed"}
        assert {delivery.source for delivery in Delivery.objects.all()} == {"import"}


def test_an_import_that_was_stopped_goes_on_where_it_was(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, content in enumerate(make_series(count=10)):
        (folder / f"{number:02d}.dcm").write_bytes(content)
    monkeypatch.setattr(imports, "BATCH_FILES", 4)
    watched = []

    def stop_later(progress: imports.Progress) -> None:
        watched.append(progress)
        if len(watched) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), tenant(archive.organisation):
        imports.import_paths(archive=archive, paths=[folder], report=lambda outcomes: None, watch=stop_later)
    assert 0 < count(archive) < 10
    code, _out = run_import(folder, "--archive", name_of(archive))
    assert code == 0
    assert count(archive) == 10
    with tenant(archive.organisation):
        assert all(not spool.whole_files(delivery.pk) for delivery in Delivery.objects.all())


def test_an_unknown_archive_or_path_is_one_clear_sentence(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no archive"):
        call_command("import_dicom", str(tmp_path), "--archive", "demo/nowhere")
    with pytest.raises(CommandError, match="does not exist"):
        call_command("import_dicom", str(tmp_path / "missing"), "--archive", name_of(archive))


def test_the_bytes_on_disc_are_never_shared_with_the_archive(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "one.dcm"
    content = make_file()
    path.write_bytes(content)
    run_import(path, "--archive", name_of(archive))
    path.write_bytes(b"changed")
    from archive import queries

    with tenant(archive.organisation), queries.open_instance(Instance.objects.get()) as stored:
        assert stored.read() == content


def test_a_hundred_thousand_tiny_files_in_a_zip_are_answered_one_by_one(tmp_path: Path) -> None:
    from archive.domain import zips

    path = tmp_path / "tiny.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        for number in range(100_000):
            packed.writestr(f"d/{number}", b"tiny")
    opened, entries = zips.open_zip(path, max_entries=250_000, max_bytes=1 << 30, max_file_bytes=1 << 30)
    with opened:
        assert len(entries) == 100_000
        assert sum(len(b"".join(zips.read_entry(opened, entry))) for entry in entries[::1000]) == 400


def test_refused_files_beyond_the_limit_are_answered_but_not_kept(archive: Archive, settings: Any) -> None:
    settings.ARCHIVE_LIMITS = {"quarantine_files_per_delivery": 3}
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    for number in range(6):
        services.receive(delivery=delivery, chunks=[b"junk%d" % number * 50])
    outcomes = services.index_delivery(delivery=delivery)
    assert {outcome.status for outcome in outcomes} == {"refused"}
    with tenant(archive.organisation):
        assert QuarantinedFile.objects.count() == 3
        assert not Job.objects.exists()


@pytest.mark.parametrize(
    "head",
    [
        b'{"id": "a", "name": "a", "size": 1e999}',
        b'{"id": "a", "name": "a", "size": -1e999}',
        b'{"id": "a", "name": "a", "size": NaN}',
        b'{"id": "a", "name": "a", "size": Infinity}',
        b'{"id": "a", "name": "a", "size": -1}',
        b'{"id": "a", "name": "a", "size": -' + b"9" * 30 + b"}",
        b'{"id": "a", "name": "a", "size": 1.5}',
        b'{"id": "a", "name": "a", "size": true}',
        b'{"id": "a", "name": "a", "size": "3"}',
        b'{"id": "a", "name": "a", "size": ' + b"9" * 5000 + b"}",
        b'{"id": ' + b"[" * 3900 + b"]" * 3900 + b', "name": "a", "size": 3}',
        b"[" * 8000,
        b'{"a":' * 1500 + b"1" + b"}" * 1500,
        b'{"id": "a", "name": "a"}',
        b'["a", "a", 3]',
        b"3",
    ],
)
def test_a_broken_head_of_a_pack_is_the_senders_mistake(archive: Archive, door: Door, head: bytes) -> None:
    door.begin()
    assert door.raw(head + b"\nabc").status_code == 400
    with tenant(archive.organisation):
        assert not Instance.objects.exists() and not QuarantinedFile.objects.exists()


def test_names_that_no_text_can_hold_are_cleaned(archive: Archive, door: Door) -> None:
    door.begin()
    response = door.raw(rb'{"id": "\ud800", "name": "a\u0000\udfff", "size": 3}' + b"\nabc")
    assert response.status_code == 200
    assert [(one["id"], one["name"]) for one in response.json()] == [("\ufffd", "a\ufffd")]


@pytest.mark.parametrize("number", ["1e9", "-1", "", "9" * 400, "²", "NaN", "0x10", "1_0"])
def test_a_broken_number_of_a_piece_is_the_senders_mistake(door: Door, number: str) -> None:
    door.begin()
    for query in (f"offset={number}&total=3", f"offset=0&total={number}"):
        response = door.client.generic(
            "PUT", f"{door.url}pieces/a-large-file/?{query}", b"abc", content_type="application/octet-stream"
        )
        assert response.status_code == 400, query
