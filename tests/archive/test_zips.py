"""Zip files: what they may hold, what they may not do."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

from archive import services, spool, tasks
from archive.domain import zips
from archive.models import Archive, Delivery, Instance, QuarantinedFile
from archive.services import sweep, unpack
from archive.services.commit import Outcome
from core.tenancy import all_tenants, tenant
from tests.archive.factories import deliver, make_archive, make_file, make_series

pytestmark = pytest.mark.django_db


def make_zip(entries: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as packed:
        for name, content in entries.items():
            packed.writestr(name, content)
    return buffer.getvalue()


def send_zip(archive: Archive, content: bytes) -> tuple[Delivery, list[Outcome]]:
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    spooled = services.receive(delivery=delivery, chunks=[content], name="disc.zip")
    assert unpack.is_zip(spooled.path)
    spool.set_aside_zip(delivery.pk, spooled.name)
    services.close_delivery(delivery=delivery)
    outcomes: list[Outcome] = []
    unpack.unpack(delivery=delivery, name=spooled.name, report=outcomes.extend)
    with tenant(archive.organisation):
        delivery.refresh_from_db()
    return delivery, outcomes


def by_name(outcomes: list[Outcome]) -> dict[str, tuple[str, str]]:
    return {outcome.original_name.removeprefix("disc.zip/"): (outcome.status, outcome.code) for outcome in outcomes}


def test_a_disc_in_a_zip_goes_in_and_its_companions_are_left_out() -> None:
    archive = make_archive()
    one, two = make_series(count=2)
    delivery, outcomes = send_zip(archive, make_zip({
        "disc/DICOM/ST1/IM1": one, "disc/DICOM/ST1/IM2": two, "disc/DICOMDIR": b"whatever",
        "__MACOSX/disc/._IM1": b"x", "disc/Thumbs.db": b"x", "disc/.DS_Store": b"x", "disc/readme.txt": b"Hello" * 50,
    }))  # fmt: skip
    assert by_name(outcomes) == {
        "disc/DICOM/ST1/IM1": ("stored", ""),
        "disc/DICOM/ST1/IM2": ("stored", ""),
        "disc/DICOMDIR": ("skipped", "dicomdir"),
        "__MACOSX/disc/._IM1": ("skipped", "companion"),
        "disc/Thumbs.db": ("skipped", "companion"),
        "disc/.DS_Store": ("skipped", "companion"),
        "disc/readme.txt": ("refused", "not-dicom"),
    }
    assert (delivery.state, delivery.stored, delivery.skipped, delivery.refused) == ("indexed", 2, 4, 1)
    assert not spool.folder_of(delivery.pk).exists()


PROGRAM = b"MZ\x90\0\x03" + bytes(300)


def test_the_programs_of_a_patients_disc_are_left_out_and_named_and_documents_are_kept_aside() -> None:
    archive = make_archive()
    delivery, outcomes = send_zip(archive, make_zip({
        "IM1": make_file(), "really/an/image.dll": make_file(), "viewer.exe": PROGRAM, "bin/viewer": b"\x7fELF" + bytes(300),
        "autorun.inf": b"[autorun]\nopen=viewer.exe", "VIEWER/JRE/rt.jar": make_zip({"a": b"b"}), "VIEWER/lib.DLL": b"x" * 200,
        "setup.exe": PROGRAM + make_zip({"a.dcm": make_file()}), "report.pdf": b"%PDF-1.4" + bytes(300),
    }))  # fmt: skip
    assert by_name(outcomes) == {
        "IM1": ("stored", ""),
        "really/an/image.dll": ("stored", ""),
        "viewer.exe": ("skipped", "companion"),
        "bin/viewer": ("skipped", "companion"),
        "autorun.inf": ("skipped", "companion"),
        "VIEWER/JRE/rt.jar": ("skipped", "companion"),
        "VIEWER/lib.DLL": ("skipped", "companion"),
        "setup.exe": ("refused", "zip-behind-program"),
        "report.pdf": ("refused", "not-dicom"),
    }
    assert (delivery.received, delivery.stored, delivery.skipped, delivery.refused) == (9, 2, 5, 2)
    with tenant(archive.organisation):
        kept = {row.original_name.removeprefix("disc.zip/") for row in QuarantinedFile.objects.all()}
        assert kept == {"setup.exe", "report.pdf"}


def test_a_zip_that_unpacks_itself_is_called_that_and_a_program_alone_is_refused() -> None:
    archive = make_archive()
    unpacks_itself = PROGRAM + make_zip({"a.dcm": make_file()})
    _delivery, outcomes = deliver(archive, [unpacks_itself, PROGRAM])
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [
        ("refused", "zip-behind-program"),
        ("refused", "not-dicom"),
    ]
    assert "unpacks itself" in outcomes[0].reason
    with tenant(archive.organisation):
        assert sorted(row.size_bytes for row in QuarantinedFile.objects.all()) == sorted(
            map(len, (unpacks_itself, PROGRAM))
        )


def test_names_that_lead_out_and_links_are_refused_and_nothing_is_written_there(tmp_path: Path) -> None:
    archive = make_archive()
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for name in ("../../evil.dcm", "/tmp/evil.dcm", "C:\\evil.dcm", "a/..\\..\\b.dcm"):
            packed.writestr(name, make_file())
        packed.writestr(link, "/etc/passwd")
        packed.writestr("good.dcm", make_file())
    _delivery, outcomes = send_zip(archive, buffer.getvalue())
    codes = sorted(outcome.code for outcome in outcomes)
    assert codes == ["", "symbolic-link", "unsafe-path", "unsafe-path", "unsafe-path", "unsafe-path"]
    assert not Path("/tmp/evil.dcm").exists()
    with tenant(archive.organisation):
        assert Instance.objects.count() == 1
        assert QuarantinedFile.objects.count() == 5


@pytest.mark.parametrize("is_damaged", [True, False])
def test_a_zip_leaves_the_files_of_other_uploads_to_their_senders(is_damaged: bool) -> None:
    """What is stored already is answered as that, and not as lost, when a zip of the same delivery is done first."""
    archive = make_archive()
    known = make_file()
    deliver(archive, [known])
    packed = make_zip({"a/1": make_file()})
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    named = services.receive(delivery=delivery, chunks=[known], name="known.dcm").name
    zipped = services.receive(delivery=delivery, chunks=[packed[:-30] if is_damaged else packed], name="a.zip").name
    spool.set_aside_zip(delivery.pk, zipped)
    reported: list[Outcome] = []
    unpack.unpack(delivery=delivery, name=zipped, report=reported.extend)
    assert [outcome.status for outcome in reported] == ["refused" if is_damaged else "stored"]
    (answer,) = services.index_delivery(delivery=delivery, only=[named])
    assert (answer.status, answer.code) == ("duplicate", "")
    services.close_delivery(delivery=delivery)
    with all_tenants():
        delivery.refresh_from_db()
        assert (delivery.received, delivery.duplicate) == (2, 1)


def test_a_zip_in_a_zip_is_refused_and_kept() -> None:
    archive = make_archive()
    _delivery, outcomes = send_zip(
        archive, make_zip({"inner.zip": make_zip({"a.dcm": make_file()}), "b.dcm": make_file()})
    )
    assert by_name(outcomes) == {"inner.zip": ("refused", "nested-zip"), "b.dcm": ("stored", "")}


def test_encrypted_and_damaged_entries_are_refused_and_the_others_go_in() -> None:
    archive = make_archive()
    good, bad = make_file(), make_file()
    content = make_zip({"good.dcm": good, "bad.dcm": bad, "locked.dcm": make_file()}, compression=zipfile.ZIP_STORED)
    place = content.index(bad) + 300
    content = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
    for signature, flags_at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.rindex(signature)
        content = content[: at + flags_at] + b"\x01\x00" + content[at + flags_at + 2 :]
    _delivery, outcomes = send_zip(archive, content)
    assert by_name(outcomes) == {
        "good.dcm": ("stored", ""),
        "bad.dcm": ("refused", "zip-corrupt"),
        "locked.dcm": ("refused", "zip-encrypted"),
    }


@pytest.mark.parametrize("cut", [30, 200, -30])
def test_a_zip_that_was_cut_is_kept_as_a_whole(cut: int) -> None:
    archive = make_archive()
    content = make_zip({"a.dcm": make_file()})[:cut]
    _delivery, outcomes = send_zip(archive, content)
    assert [(outcome.status, outcome.code) for outcome in outcomes] == [("refused", "zip-corrupt")]
    with tenant(archive.organisation):
        assert QuarantinedFile.objects.get().size_bytes == len(content)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with (
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed,
        packed.open("zeros", "w", force_zip64=True) as entry,
    ):
        for _piece in range(1100):
            entry.write(bytes(1 << 20))
    with pytest.raises(zips.BadZip) as refusal:
        zips.open_zip(bomb, max_entries=100, max_bytes=1 << 40, max_file_bytes=1 << 40)
    assert refusal.value.code == "zip-bomb"


def test_overlapping_entries_are_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "overlap.zip"
    path.write_bytes(make_zip({"a": bytes(range(256)) * 200}, compression=zipfile.ZIP_STORED))
    content = path.read_bytes()
    directory = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    record = content[directory:end]
    count = 50
    tail = bytearray(content[end:])
    tail[8:10] = tail[10:12] = count.to_bytes(2, "little")
    tail[12:16] = (len(record) * count).to_bytes(4, "little")
    path.write_bytes(content[:directory] + record * count + bytes(tail))
    with pytest.raises(zips.BadZip) as refusal:
        zips.open_zip(path, max_entries=1000, max_bytes=1 << 40, max_file_bytes=1 << 40)
    assert refusal.value.code == "zip-bomb"


def test_too_many_entries_and_too_many_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    path.write_bytes(make_zip({str(number): b"x" * 10 for number in range(50)}))
    for limits, code in (
        ({"max_entries": 49, "max_bytes": 1 << 20}, "zip-too-many"),
        ({"max_entries": 50, "max_bytes": 499}, "zip-too-large"),
    ):
        with pytest.raises(zips.BadZip) as refusal:
            zips.open_zip(path, max_file_bytes=1 << 20, **limits)
        assert refusal.value.code == code


def test_unpacking_that_was_interrupted_goes_on_and_stores_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    monkeypatch.setattr(unpack, "BATCH_FILES", 4)
    files = make_series(count=10)
    content = make_zip({f"{number:02d}.dcm": file for number, file in enumerate(files)})
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    spooled = services.receive(delivery=delivery, chunks=[content], name="disc.zip")
    spool.set_aside_zip(delivery.pk, spooled.name)

    def die(outcomes: list[Outcome]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack.unpack(delivery=delivery, name=spooled.name, report=die)
    services.close_delivery(delivery=delivery)
    services.index_delivery(delivery=delivery)
    assert spool.waiting_zips(delivery.pk)
    outcomes: list[Outcome] = []
    unpack.unpack(delivery=delivery, name=spooled.name, report=outcomes.extend)
    with tenant(archive.organisation):
        delivery.refresh_from_db()
        assert Instance.objects.count() == 10
        assert delivery.state == Delivery.State.INDEXED
        for instance in Instance.objects.all():
            from archive import queries

            with queries.open_instance(instance) as file:
                assert file.read() in files
    assert {outcome.status for outcome in outcomes} <= {"stored", "duplicate"}


def test_a_dicom_file_whose_preamble_begins_like_a_zip_is_no_zip() -> None:
    content = Path(pydicom.data.get_testdata_file("MR_small.dcm")).read_bytes()
    assert not zips.looks_like_zip(b"PK\x03\x04" + content[4:132])
    assert zips.looks_like_zip(make_zip({"a": b"b"})[:132])


def test_a_zip_that_nobody_unpacks_is_taken_up_again_or_kept_in_quarantine(settings: Any) -> None:
    archive = make_archive()
    settings.ARCHIVE_LIMITS = {"lost_zip_seconds": -1}
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    spooled = services.receive(delivery=delivery, chunks=[make_zip({"a.dcm": make_file()})], name="disc.zip")
    spool.set_aside_zip(delivery.pk, spooled.name)
    services.close_delivery(delivery=delivery)
    with all_tenants():
        mine = [lost for lost in sweep.lost_zips() if lost[1] == str(delivery.pk)]
    assert mine == [(archive.organisation_id, str(delivery.pk), spooled.name, "")]
    for _twice in range(2):
        tasks.give_up_zip(organisation_id=archive.organisation_id, delivery_id=str(delivery.pk), name=spooled.name)
    with tenant(archive.organisation):
        assert QuarantinedFile.objects.get().code == "zip-failed"
        delivery.refresh_from_db()
    assert delivery.state == Delivery.State.INDEXED


def test_a_megabyte_never_makes_us_keep_a_gigabyte() -> None:
    archive = make_archive()
    for content in (
        make_zip({f"{n}.dcm": bytes(64 << 20) for n in range(16)}),
        make_zip({"one.dcm": bytes(3 << 20)}),
        make_zip({f"{n}": bytes(40_000) for n in range(300)}),
    ):
        delivery, outcomes = send_zip(archive, content)
        assert [(one.status, one.code) for one in outcomes] == [("refused", "zip-bomb")]
        with tenant(archive.organisation):
            (kept,) = QuarantinedFile.objects.filter(delivery=delivery)
            assert kept.size_bytes == len(content) < 2 << 20


def test_entries_are_counted_before_they_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    path.write_bytes(make_zip({f"{n}": b"" for n in range(500)}))
    monkeypatch.setattr(zipfile, "ZipFile", lambda _path: pytest.fail("the directory was read"))
    with pytest.raises(zips.BadZip) as refusal:
        zips.open_zip(path, max_entries=499, max_bytes=1 << 40, max_file_bytes=1 << 40)
    assert refusal.value.code == "zip-too-many"


@pytest.mark.parametrize("size", [10, 1 << 20, 0xFFFFFFFF])
def test_sizes_that_lie_give_no_more_than_they_say(size: int) -> None:
    """The directory says less (or more) than the entry holds."""
    content = bytearray(make_zip({"one.dcm": b"x" * 5000}))
    directory = content.index(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = size.to_bytes(4, "little")
    archive = make_archive()
    _delivery, outcomes = send_zip(archive, bytes(content))
    assert [one.status for one in outcomes] == ["refused"]
    with tenant(archive.organisation):
        assert sum(file.size_bytes for file in QuarantinedFile.objects.all()) <= 5000
