"""The page of one refused file: for whom, what it shows of files that may be anything, and what is written down."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import DeflatedExplicitVRLittleEndian

from access.services import grant_role
from archive import attributes, quarantined
from archive.domain import part10
from archive.models import QuarantinedFile
from audit.models import Event
from core.tenancy import tenant
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_dataset, make_file, to_bytes
from tests.archive.test_intake import CLEAN, House, held, make_house

NAMED = {**CLEAN, "PatientName": "Schmidt^Anna"}


def page(house: House, file: QuarantinedFile, tail: str = "") -> str:
    return f"/o/{house.organisation.slug}/archive/{house.archive.slug}/quarantine/{file.public_id}/{tail}"


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def refused(house: House, content: bytes) -> QuarantinedFile:
    deliver(house.archive, [content], actor=house.sender)
    (file,) = held(house.archive)
    return file


@pytest.mark.django_db
def test_a_manager_sees_whole_reason_values_and_picture_and_each_look_is_written_down() -> None:
    house, stranger = make_house(), make_house()
    file = refused(house, make_file(**NAMED))
    client = signed_in(house.manager)
    shown = client.get(page(house, file))
    assert shown.status_code == 200
    words = shown.content.decode()
    assert file.reason in words
    assert "Schmidt^Anna" in words
    assert "(0010,0010)" in words
    assert page(house, file, "picture/") in words
    picture = client.get(page(house, file, "picture/"))
    assert (picture.status_code, picture["Content-Type"], picture["Cache-Control"]) == (
        200,
        "image/webp",
        "private, no-store",
    )
    assert picture.content[8:12] == b"WEBP"
    with tenant(house.organisation):
        event = Event.objects.get(action="quarantine.looked_at")
        assert (event.actor_id, event.detail["code"]) == (house.manager.pk, "identity-found")
        assert "Schmidt" not in str(event.detail)
    client.get(page(house, file))
    with tenant(house.organisation):
        assert Event.objects.filter(action="quarantine.looked_at").count() == 2
    foreign = refused(stranger, make_file(**NAMED))
    for tail in ("", "picture/"):
        assert signed_in(stranger.manager).get(page(house, file, tail)).status_code == 404
        assert client.get(page(house, foreign, tail)).status_code == 404


@pytest.mark.django_db
def test_a_picture_asked_for_without_its_page_is_a_look_too() -> None:
    house = make_house()
    file = refused(house, make_file(**NAMED))
    signed_in(house.manager).get(page(house, file, "picture/"))
    with tenant(house.organisation):
        assert Event.objects.filter(action="quarantine.looked_at").count() == 1


@pytest.mark.django_db
def test_who_may_send_sees_why_and_not_what() -> None:
    house = make_house()
    file = refused(house, make_file(**NAMED))
    contributor = make_member(house.organisation)
    grant_role(actor=None, container=house.archive, role="contributor", user=contributor)
    client = signed_in(contributor)
    words = client.get(page(house, file)).content.decode()
    assert file.reason in words
    assert "Schmidt" not in words
    assert "picture/" not in words
    assert client.get(page(house, file, "picture/")).status_code == 403
    with tenant(house.organisation):
        assert not Event.objects.filter(action="quarantine.looked_at").exists()


def cut(content: bytes) -> bytes:
    return content[:-200]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (cut(make_file(**NAMED)), "cut off on its way"),
        (b"not an image", "not a DICOM file"),
        (make_file(**NAMED, PixelData=None), "No picture."),
    ],
)
def test_a_damaged_file_says_so_and_shows_what_can_be_read(content: bytes, said: str) -> None:
    house = make_house()
    file = refused(house, content)
    client = signed_in(house.manager)
    words = client.get(page(house, file)).content.decode()
    assert said in words
    assert "No picture." in words
    assert ("Schmidt^Anna" in words) == (b"Schmidt" in content)
    assert client.get(page(house, file, "picture/")).status_code == 404


@pytest.mark.django_db
def test_what_is_no_longer_kept_is_not_shown() -> None:
    house = make_house()
    file = refused(house, make_file(**NAMED))
    with tenant(house.organisation):
        QuarantinedFile.objects.update(state="discarded")
    client = signed_in(house.manager)
    words = client.get(page(house, file)).content.decode()
    assert "no longer kept" in words
    assert "Schmidt" not in words
    assert client.get(page(house, file, "picture/")).status_code == 404


def deflated_file() -> bytes:
    return to_bytes(make_dataset(**NAMED), transfer_syntax_uid=DeflatedExplicitVRLittleEndian)


def head_of(content: bytes) -> bytes:
    """Preamble and file meta information."""
    return content[: part10.read_meta(content, len(content), 132)[1]]


@pytest.mark.django_db
def test_a_deflated_bomb_is_never_unpacked_whole_for_its_picture() -> None:
    house = make_house()
    plain, head = make_file(**NAMED), deflated_file()
    data_set = plain[len(head_of(plain)) :]
    bomb = struct.pack("<HH2sHI", 0x7FE1, 0x1001, b"OB", 0, 600_000_000)
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(data_set + bomb) + b"".join(packer.compress(bytes(1 << 20)) for _n in range(572))
    packed += packer.flush()
    file = refused(house, head_of(head) + packed)
    assert len(packed) < quarantined.MOST_DEFLATED_BYTES
    client = signed_in(house.manager)
    tracemalloc.start()
    words = client.get(page(house, file)).content.decode()
    assert client.get(page(house, file, "picture/")).status_code == 404
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "unpacks to more than is plausible" in words
    assert peak < 300_000_000


@pytest.mark.django_db
def test_a_sound_deflated_file_has_a_picture() -> None:
    house = make_house()
    file = refused(house, deflated_file())
    client = signed_in(house.manager)
    assert "Schmidt^Anna" in client.get(page(house, file)).content.decode()
    assert client.get(page(house, file, "picture/"))["Content-Type"] == "image/webp"


HEAD = bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI"


def meta(uid: str) -> bytes:
    padded = uid.encode() + b"\0" * (len(uid) % 2)
    return HEAD + struct.pack("<H", len(padded)) + padded


def listing_of(folder: Path, content: bytes) -> attributes.Listing:
    path = folder / "file"
    path.write_bytes(content)
    return attributes.list_leading(path)


def test_a_file_made_to_cost_is_read_within_bounds(tmp_path: Path) -> None:
    element = struct.pack("<HH2sH", 0x0011, 0x1001, b"LO", 2) + b"x "
    many = b"".join(struct.pack("<HH2sH", 0x0011, n, b"LO", 2) + b"x " for n in range(0x1000, 0xF000))
    item = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
    items = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF) + item * 1_000_000
    fragments = struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + item * 1_000_000
    deep = struct.pack("<HH2sHI", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(element * 8_000_000) + packer.flush()
    plain, deflated = meta("1.2.840.10008.1.2.1"), meta(str(DeflatedExplicitVRLittleEndian))
    costly = (plain + many, plain + items, plain + fragments, plain + element * 1_000_000, plain + deep * 5000)
    for content in (*costly, deflated + bomb):
        begun = time.process_time()
        found = listing_of(tmp_path, content)
        assert len(found.rows) <= attributes.MOST_ROWS
        assert found.problem
        assert time.process_time() - begun < 5


WHOLE = make_file(**NAMED)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_bytes_make_the_list_of_values_fail(data: Any) -> None:
    start = data.draw(st.integers(128, len(WHOLE)))
    content = WHOLE[:start] + data.draw(st.binary(max_size=40)) + WHOLE[data.draw(st.integers(start, len(WHOLE))) :]

    class Held:
        def open(self, _mode: str) -> io.BytesIO:
            return io.BytesIO(content)

    found = attributes.list_leading(Held())  # type: ignore[arg-type]
    assert len(found.rows) <= attributes.MOST_ROWS
