"""Pixels that are not what the header says: stored as they came, marked, never decoded, by no door."""

from __future__ import annotations

import io
import struct
import threading
import time
from typing import Any

import imagecodecs
import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate

from archive.decoding import Decoded
from archive.decoding import frames as decoding_frames
from archive.decoding import pool as pools
from archive.domain import by_value, pixel_notes
from archive.errors import DecodersBusy
from archive.models import Archive, Instance, QuarantinedFile, Series
from core.tenancy import tenant
from dicomweb.domain import rendering
from dicomweb.views import rendered
from tests.archive import bombs
from tests.archive.factories import deliver, make_archive, make_dataset, make_file, to_bytes
from tests.archive.test_decoding import peak_bytes_of
from tests.dicomweb.factories import Door, content, make_reader, make_token, parts, paths, settle
from tests.dicomweb.zoo import coded, grey, j2k, rle

pytestmark = pytest.mark.django_db

AS_STORED = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
DECODED = 'multipart/related; type="application/octet-stream"; transfer-syntax=1.2.840.10008.1.2.1'


def bomb(name: str, *, frames: list[bytes] | None = None, **elements: Any) -> bytes:
    syntax, make, bits = bombs.FRAMES[name]
    frames = frames or [make(30_000)]
    dataset = make_dataset(
        Rows=64,
        Columns=64,
        BitsAllocated=bits,
        BitsStored=min(bits, 12),
        HighBit=min(bits, 12) - 1,
        NumberOfFrames=len(frames),
        PixelData=None,
        **elements,
    )
    dataset.PixelData = encapsulate(frames)
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    written = "1.2.840.10008.1.2.4.100" if name == "JPEG XL" else syntax
    # pydicom does not write JPEG XL yet: the UID is put in by hand, it has the same length.
    return to_bytes(dataset, transfer_syntax_uid=written).replace(written.encode(), syntax.encode())


def stored(archive: Archive, files: list[bytes]) -> list[Instance]:
    _delivery, outcomes = deliver(archive, files)
    assert [outcome.status for outcome in outcomes] == ["stored"] * len(files), outcomes
    with tenant(archive.organisation):
        return list(Instance.objects.filter(archive=archive).order_by("pk"))


@pytest.mark.parametrize("name", bombs.FRAMES)
def test_a_bomb_is_kept_marked_and_decoded_by_no_door(name: str) -> None:
    archive, elsewhere = make_archive(), make_archive()
    file = bomb(name)
    (instance,) = stored(archive, [file])
    stored(elsewhere, [make_file()])
    assert instance.notes == [pixel_notes.DAMAGED]
    assert "damaged" in str(instance.note_texts[0]["title"])
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]

    def every_way() -> None:
        for address, accept in (
            (f"{path}/frames/1", DECODED),
            (f"{path}/frames/1", AS_STORED),
            (f"{path}/frames/1/thumbnail", "image/jpeg"),
            (f"{path}/rendered", "image/jpeg"),
            (f"{path}/frames/1/rendered", "image/png"),
            (f"{path}/thumbnail", "image/jpeg"),
            (path.rpartition("/instances/")[0] + "/thumbnail", "image/jpeg"),
            (path, 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'),
        ):
            answer = door.get(address, accept=accept)
            assert answer.status_code == 406, (address, answer.status_code)
            assert b"Traceback" not in content(answer)
        settle(archive)

    assert peak_bytes_of(every_way) < 48 << 20
    (part,) = parts(door.get(path, accept='multipart/related; type="application/dicom"; transfer-syntax=*'))
    assert part.content == file, "as it came"
    with tenant(archive.organisation):
        assert instance.series.__class__.objects.get(pk=instance.series_id).thumbnail_key == ""


def test_one_bad_frame_of_many_marks_the_image() -> None:
    good, bad = bombs.jpeg_ls(64), bombs.jpeg_ls(30_000)
    file = bomb("JPEG-LS", frames=[good, good, bad, good])
    (instance,) = stored(make_archive(), [file])
    assert instance.is_damaged


ENDED = ["JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000"]


@pytest.mark.parametrize("name", ENDED)
def test_one_bad_frame_hides_itself_and_no_other(name: str) -> None:
    good = bombs.FRAMES[name][1](64)
    archive = make_archive()
    file = bomb(name, frames=[good, b"\0\0" + good, good])
    (instance,) = stored(archive, [file])
    assert instance.is_damaged
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]
    answers = {
        (address, accept): door.get(f"{path}/{address}", accept=accept).status_code
        for address, accept in (
            *((f"frames/{numbers}", accept) for numbers in ("1", "3", "3,1") for accept in (AS_STORED, DECODED)),
            *((f"frames/{numbers}", accept) for numbers in ("2", "1,2") for accept in (AS_STORED, DECODED)),
            *((f"frames/{number}/rendered", "image/jpeg") for number in (1, 2, 3)),
        )
    }
    bad = {key for key, status in answers.items() if status != 200}
    assert bad == {key for key in answers if "2" in key[0].split("/")[1]}
    assert {answers[key] for key in bad} == {406}
    other = make_archive()
    assert Door(other, user=make_reader(other)).get(f"{path}/frames/1", accept=AS_STORED).status_code == 404


@pytest.mark.parametrize("name", ENDED)
def test_an_image_without_its_end_is_damaged_for_every_door_and_what_stands_behind_an_end_is_not(name: str) -> None:
    whole = bombs.FRAMES[name][1](64)
    files = [bomb(name, frames=[frame]) for frame in (whole[:-2], whole[:-2] + bytes(8), whole + b"\xff junk" * 30)]
    archive = make_archive()
    cut, padded, followed = stored(archive, files)
    assert (cut.notes, padded.notes, followed.notes) == ([pixel_notes.DAMAGED], [pixel_notes.DAMAGED], [])
    door = Door(archive, user=make_reader(archive))
    for file, status in zip(files, (406, 406, 200), strict=True):
        path = paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]
        assert door.get(f"{path}/rendered", accept="image/jpeg").status_code == status
        assert door.get(f"{path}/frames/1", accept=AS_STORED).status_code == status


@pytest.mark.parametrize("name", ENDED)
def test_compressed_pixels_of_defined_length_are_called_what_they_are(name: str) -> None:
    syntax, make, _bits = bombs.FRAMES[name]
    archive = make_archive()
    native = [make(64), encapsulate([make(64)]), bytes(range(1, 129))]
    files = [with_syntax(to_bytes(make_dataset(PixelData=value + bytes(len(value) % 2))), syntax) for value in native]
    _delivery, outcomes = deliver(archive, files)
    assert {outcome.code for outcome in outcomes} == {"transfer-syntax-mismatch"}
    said = ["compressed (" in outcome.reason and "not encapsulated" in outcome.reason for outcome in outcomes]
    assert said == [True, True, False]
    assert "not compressed" in outcomes[2].reason


def with_syntax(file: bytes, syntax: str) -> bytes:
    """The same bytes under another transfer syntax; group 0002 ends where it ends, whatever its length says."""
    value = syntax.encode() + b"\0" * (len(syntax) % 2)
    old = b"\x02\0\x10\0UI\x14\0" + b"1.2.840.10008.1.2.1\0"
    assert old in file
    return file.replace(old, b"\x02\0\x10\0UI" + struct.pack("<H", len(value)) + value)


def test_an_image_that_agrees_is_not_marked_and_other_organisations_see_neither() -> None:
    mine, theirs = make_archive(), make_archive()
    good = coded([grey()], [j2k(grey())], f"{bombs.SYNTAX}90")
    (instance,) = stored(mine, [good.content])
    assert instance.notes == []
    path = paths(dcmread(io.BytesIO(good.content), stop_before_pixels=True))[2]
    assert Door(mine, user=make_reader(mine)).get(f"{path}/rendered", accept="image/jpeg").status_code == 200
    assert Door(theirs, user=make_reader(theirs)).get(f"{path}/rendered", accept="image/jpeg").status_code == 404
    assert Door(mine, user=make_reader(theirs)).get(f"{path}/rendered", accept="image/jpeg").status_code == 404


def test_a_deflated_file_that_unpacks_to_more_than_is_plausible_is_refused() -> None:
    archive = make_archive()
    plain = make_file(PixelData=None)
    meta_end = plain.index(b"\x08\x00\x05\x00")
    syntax = b"1.2.840.10008.1.2.1\0"
    file = plain[:meta_end].replace(syntax, b"1.2.840.10008.1.2.1.99") + bombs.deflated(200 << 20)

    def send() -> None:
        _delivery, outcomes = deliver(archive, [file])
        assert outcomes[0].status == "refused"

    assert peak_bytes_of(send) < 200 << 20
    with tenant(archive.organisation):
        assert not Instance.objects.filter(archive=archive).exists()


@pytest.mark.parametrize("ending", [b"", b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0\0\0\0\0", bytes(8), bytes(16)])
@pytest.mark.parametrize("kind", ["JPEG 2000", "JPEG-LS", "RLE"])
def test_a_missing_or_zeroed_delimiter_is_tolerated_and_noted_where_the_frames_are_whole(
    kind: str, ending: bytes
) -> None:
    image = grey(64, 64, signed=False)
    frame, syntax = {
        "JPEG 2000": (j2k(image), f"{bombs.SYNTAX}90"),
        "JPEG-LS": (bombs.jpeg_ls(64), f"{bombs.SYNTAX}80"),
        "RLE": (rle(image), bombs.RLE),
    }[kind]
    whole = coded([image], [frame], syntax).content
    assert whole.endswith(b"\xfe\xff\xdd\xe0\0\0\0\0")
    archive = make_archive()
    file = whole[:-8] + ending
    (instance,) = stored(archive, [file])
    assert instance.notes == [pixel_notes.DELIMITER_MISSING]
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(whole), stop_before_pixels=True))[2]
    assert door.get(f"{path}/rendered", accept="image/jpeg").status_code == 200
    (part,) = parts(door.get(path, accept='multipart/related; type="application/dicom"; transfer-syntax=*'))
    assert part.content == file


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_an_image_that_was_cut_is_still_refused(kept: float) -> None:
    archive = make_archive()
    file = coded([grey()], [j2k(grey())], f"{bombs.SYNTAX}90").content
    start = file.index(b"\xff\x4f\xff\x51")
    two = coded([grey(), grey(shift=1)], [j2k(grey()), j2k(grey(shift=1))], f"{bombs.SYNTAX}90").content
    second = two.rindex(b"\xfe\xff\x00\xe0")
    files = [file[: start + int((len(file) - start - 8) * kept)], two[:second]]
    for one in files:
        _delivery, outcomes = deliver(archive, [one])
        assert [outcome.status for outcome in outcomes] == ["refused"], outcomes
    with tenant(archive.organisation):
        assert set(QuarantinedFile.objects.filter(archive=archive).values_list("code", flat=True)) == {"truncated"}


def private_pixels(group: int, creator: str, length: int, *, vr: str = "OB") -> bytes:
    dataset = make_dataset(PixelData=None)
    block = dataset.private_block(group, creator, create=True)
    block.add_new(0x0A, vr, bytes(length))
    return to_bytes(dataset)


@pytest.mark.parametrize(
    ("group", "creator", "length"), [(0x07A1, "ELSCINT1", 120), (0x7FE1, "GEMS", 300), (0x6001, "ACME", 512)]
)
def test_an_image_whose_pixels_are_in_a_private_element_is_stored_with_a_note(
    group: int, creator: str, length: int
) -> None:
    archive = make_archive()
    file = private_pixels(group, creator, length)
    (instance,) = stored(archive, [file])
    assert instance.notes == [pixel_notes.PRIVATE]
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file)))[2]
    assert parts(door.get(path))[0].content == file
    assert door.get(f"{path}/rendered", accept="image/jpeg").status_code == 406


def test_a_small_private_element_does_not_stand_for_the_pixels_of_a_cut_image() -> None:
    archive = make_archive()
    files = [private_pixels(0x0029, "SIEMENS CSA HEADER", 600), private_pixels(0x0019, "ACME", 20)]
    _delivery, outcomes = deliver(archive, files)
    assert [outcome.code for outcome in outcomes] == ["pixel-data-missing"] * 2


def test_the_sender_of_damaged_pixels_is_told_that_they_were_stored_with_a_warning() -> None:
    archive = make_archive()
    user = make_reader(archive, role="contributor")
    body = b"".join(
        b"--here\r\nContent-Type: application/dicom\r\n\r\n" + one + b"\r\n" for one in (bomb("JPEG-LS"), make_file())
    )
    door = Door(archive, token=make_token(user))
    answer = door.client.post(
        f"{door.root}/studies",
        data=body + b"--here--",
        content_type='multipart/related; type="application/dicom"; boundary=here',
        headers={"accept": "application/dicom+json"},
    )
    assert answer.status_code == 202, answer.content
    items = answer.json()["00081199"]["Value"]
    assert [item.get("00081196", {}).get("Value") for item in items] == [[0xB007], None]
    assert "00081198" not in answer.json()


def test_frames_that_only_decoding_tells_apart_are_looked_at_before_they_leave() -> None:
    archive = make_archive()
    good, bad = bombs.jpeg_ls(64), bombs.jpeg_ls(30_000)
    halves = [part for frame in (good, bad) for part in (frame[:400], frame[400:])]
    even = [part + b"\0" * (len(part) % 2) for part in halves]
    file = bomb("JPEG-LS", frames=[good, bad])
    start = file.index(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff") + 12
    items = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(part)) + part for part in (b"", *even))
    file = file[:start] + items + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    (instance,) = stored(archive, [file])
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]
    for accept in (AS_STORED, DECODED):
        assert door.get(f"{path}/frames/2", accept=accept).status_code == 406, (accept, instance.notes)


def blank(side: int) -> bytes:
    """A kilobyte that is honest about its size."""
    image = np.zeros((side, side), np.uint8)
    elements = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "RescaleSlope": "1.5", "RescaleIntercept": "-10"}
    return coded([image], [bytes(imagecodecs.jpegls_encode(image))], f"{bombs.SYNTAX}80", **elements).content


def test_a_small_file_that_is_honest_about_a_large_image_costs_little_more_than_its_pixels() -> None:
    archive = make_archive()
    file = blank(5_600)
    assert len(file) < 4_000
    (instance,) = stored(archive, [file])
    assert instance.notes == []
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]

    def look() -> None:
        assert door.get(f"{path}/rendered?viewport=512,512", accept="image/jpeg").status_code == 200
        settle(archive)

    assert peak_bytes_of(look) < 350 << 20
    (larger,) = stored(make_archive(), [blank(6_000)])
    assert larger.is_damaged, "past 32 MB nothing shrinks more than a thousand times"


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16])
@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"WindowCenter": "40", "WindowWidth": "100"},
        {"WindowCenter": "40", "WindowWidth": "100", "VOILUTFunction": "SIGMOID", "RescaleSlope": "1.7"},
        {"RescaleSlope": "0.01", "RescaleIntercept": "-3"},
        {"PixelPaddingValue": 7, "BitsStored": 12, "HighBit": 11},
        {"PhotometricInterpretation": "MONOCHROME1"},
    ],
)
def test_values_worked_out_once_give_the_same_picture(
    kind: type[Any], elements: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = np.iinfo(kind)
    image = np.random.default_rng(3).integers(limits.min // 3, limits.max // 3, (61, 47)).astype(kind)
    header = make_dataset(**{"PixelRepresentation": int(limits.min < 0), "PixelData": b"", **elements})
    frame = Decoded(pixels=image, photometric_interpretation=str(header.PhotometricInterpretation))
    expected = rendering.to_eight_bits(header=header, frame=frame, number=1, window=None)
    monkeypatch.setattr(by_value, "LARGE_PIXELS", 0)
    monkeypatch.setattr(by_value, "STRIP_PIXELS", 100)
    found = rendering.to_eight_bits(header=header, frame=frame, number=1, window=None)
    assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("kind", ["native", "JPEG-LS", "RLE", "video", "deflated"])
def test_a_header_that_counts_millions_of_frames_costs_nothing(kind: str) -> None:
    archive = make_archive()
    if kind in ("native", "deflated"):
        syntax = "1.2.840.10008.1.2.1" + (".99" if kind == "deflated" else "")
        file = to_bytes(make_dataset(NumberOfFrames=2_000_000_000), transfer_syntax_uid=syntax)
    else:
        frame, syntax = {
            "JPEG-LS": (bombs.jpeg_ls(64), f"{bombs.SYNTAX}80"),
            "RLE": (rle(grey(64, 64)), bombs.RLE),
            "video": (b"\0\0\1\xb3" * 10, f"{bombs.SYNTAX}102"),
        }[kind]
        elements = {"NumberOfFrames": 2_000_000_000}
        file = coded([grey(64, 64)], [frame], syntax, **elements).content
    (instance,) = stored(archive, [file])
    assert instance.is_damaged == (kind != "video")
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]

    def ask() -> None:
        for address in (f"{path}/frames", f"{path}/bulkdata/7FE00010", f"{path}/frames/900000000", f"{path}/rendered"):
            assert door.get(address).status_code == 406, address
        settle(archive)

    assert peak_bytes_of(ask) < 48 << 20
    assert parts(door.get(path, accept='multipart/related; type="application/dicom"; transfer-syntax=*'))


def test_while_every_decoder_is_busy_a_reader_is_asked_to_come_back_and_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mine, theirs = make_archive(), make_archive()
    image = grey()
    compressed = coded([image], [j2k(image)], f"{bombs.SYNTAX}90").content
    many = coded([image, image], [j2k(image), j2k(image)], f"{bombs.SYNTAX}90").content
    stored(mine, [compressed, many])
    plain = make_file()
    stored(theirs, [plain])
    pool = pools.Pool(size=1, wait_seconds=0.1)
    monkeypatch.setattr(decoding_frames, "pool", lambda: pool)
    door, other = Door(mine, user=make_reader(mine)), Door(theirs, user=make_reader(theirs))
    one, two = (paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2] for file in (compressed, many))
    decoded_file = 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'
    asked = [
        (f"{one}/frames/1", DECODED),
        (f"{two}/frames/1,2", DECODED),
        (f"{one}/rendered", "image/jpeg"),
        (f"{one}/frames/1/rendered", "image/png"),
        (f"{one}/thumbnail", "image/jpeg"),
        (one, decoded_file),
    ]
    with pool._slot():
        for address, accept in asked:
            started = time.monotonic()
            answer = door.get(address, accept=accept)
            assert (answer.status_code, answer.json()["code"]) == (503, "decoders-busy"), address
            assert int(answer["Retry-After"]) > 0
            assert time.monotonic() - started < 2, address
        with pytest.raises(DecodersBusy):
            settle(mine)
        assert door.get(f"{one}/frames/1", accept=AS_STORED).status_code == 200
        native = paths(dcmread(io.BytesIO(plain), stop_before_pixels=True))[2]
        assert other.get(f"{native}/rendered", accept="image/jpeg").status_code == 200
        assert other.get(f"{one}/rendered", accept="image/jpeg").status_code == 404
    with tenant(mine.organisation):
        assert set(Series.objects.filter(archive=mine).values_list("derive_attempts", flat=True)) == {0}
    for address, accept in asked:
        assert door.get(address, accept=accept).status_code == 200, address
    pool.close()


def honest_rle(side: int) -> bytes:
    """An even image of `side` × `side` bytes, a multiple of 128, in a sixty-fourth of its size."""
    return struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\x00" * (side * side // 128)


def large_image(side: int = 4096) -> bytes:
    elements = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    return coded([np.zeros((side, side), np.uint8)], [honest_rle(side)], bombs.RLE, **elements).content


WAYS = [
    ("frames/1", DECODED),
    ("rendered", "image/jpeg"),
    ("frames/1/rendered", "image/png"),
    ("thumbnail", "image/jpeg"),
    ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.1'),
]


def test_an_image_that_no_budget_holds_is_refused_as_too_large_and_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive, elsewhere = make_archive(), make_archive()
    large, small = large_image(), make_file()
    stored(archive, [large, small])
    stored(elsewhere, [make_file()])
    monkeypatch.setattr(pools, "_budgets", [pools.Budget(total=64 << 20, wait_seconds=30)])
    door = Door(archive, user=make_reader(archive))
    path, other = (paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2] for file in (large, small))
    for address, accept in WAYS:
        started = time.monotonic()
        answer = door.get(f"{path}/{address}".rstrip("/"), accept=accept)
        assert answer.status_code == 406, address
        assert time.monotonic() - started < 5, "nobody waits for what cannot come"
        if address:
            assert "too large for this server" in answer.json()["detail"], address
        assert door.get(f"{other}/{address}".rstrip("/"), accept=accept).status_code == 200, address
    assert door.get(f"{path}/frames/1", accept=AS_STORED).status_code == 200
    assert Door(elsewhere, user=make_reader(elsewhere)).get(f"{path}/rendered", accept="image/jpeg").status_code == 404
    settle(archive)
    assert pools.budget().taken == 0


def test_while_the_memory_for_images_is_taken_a_reader_is_asked_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    file = make_file()
    stored(archive, [file])
    budget = pools.Budget(total=1 << 30, wait_seconds=0.1)
    monkeypatch.setattr(pools, "_budgets", [budget])
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]
    budget.take(1 << 30)
    for address, accept in WAYS[1:4]:
        answer = door.get(f"{path}/{address}", accept=accept)
        assert (answer.status_code, answer.json()["code"]) == (503, "decoders-busy"), address
        assert int(answer["Retry-After"]) > 0
    with pytest.raises(DecodersBusy):
        settle(archive)
    assert door.get(f"{path}/frames/1").status_code == 200, "as it is stored it needs no memory"
    budget.give_back(1 << 30)
    assert door.get(f"{path}/rendered", accept="image/jpeg").status_code == 200
    assert budget.taken == 0


def test_many_large_images_at_once_take_no_more_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    (instance,) = stored(archive, [large_image()])
    budget = pools.Budget(total=600 << 20, wait_seconds=120)
    monkeypatch.setattr(pools, "_budgets", [budget])
    most: list[int] = []
    made: list[int] = []
    render = rendering.render

    def counted(**arguments: Any) -> bytes:
        most.append(budget.taken)
        return render(**arguments)

    monkeypatch.setattr(rendered.rendering, "render", counted)

    def draw() -> None:
        made.append(len(rendered._picture(instance, 1, rendering.Rendering(), "image/jpeg")))

    def together() -> None:
        threads = [threading.Thread(target=draw) for _number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)

    assert peak_bytes_of(together) < 300 << 20
    assert len(made) == 6
    assert 0 < max(most) <= budget.total
    assert budget.taken == 0


def test_a_large_answer_counts_until_the_client_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    file = large_image()
    stored(archive, [file])
    budget = pools.Budget(total=600 << 20, wait_seconds=0.1)
    monkeypatch.setattr(pools, "_budgets", [budget])
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]
    alone = "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1"
    answer = door.get(f"{path}/frames/1", accept=alone)
    assert (answer.status_code, budget.taken) == (200, 4096 * 4096)
    assert len(content(answer)) == 4096 * 4096
    answer.close()
    assert budget.taken == 0


def test_a_large_uncompressed_image_is_drawn_within_the_budget_and_given_as_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    archive = make_archive()
    side = 4096
    elements = {"Rows": side, "Columns": side, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
    file = make_file(**elements, PixelData=bytes(side * side))
    stored(archive, [file])
    monkeypatch.setattr(pools, "_budgets", [pools.Budget(total=64 << 20, wait_seconds=30)])
    door, path = Door(archive, user=make_reader(archive)), paths(dcmread(io.BytesIO(file), stop_before_pixels=True))[2]
    for address, accept in WAYS[1:4]:
        answer = door.get(f"{path}/{address}", accept=accept)
        assert (answer.status_code, "too large for this server" in answer.json()["detail"]) == (406, True), address
    assert len(content(door.get(f"{path}/frames/1", accept="application/octet-stream"))) == side * side
    assert pools.budget().taken == 0
