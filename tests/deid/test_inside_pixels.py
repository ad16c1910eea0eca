"""What stands inside coded data, or in the unused bits of native pixels, and is no image comes off or is held back."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.uid import ExplicitVRBigEndian

from archive.domain.codestreams import Description, marker_segments, of_bytes, stripped
from deid.domain.findings import Reason, Verdict
from tests.deid.builders import make_dataset, process, read, to_bytes
from tests.deid.test_pixel_holds import CODERS, coded, comes_out_clean, even, grey, segment

SECRET = b"Quixano^Alonso 0007654321"


def held(frame: bytes, *, syntax: str) -> None:
    outcome, _output = process(coded([even(frame)], syntax=syntax), released=frozenset(Reason))
    assert outcome.verdict is Verdict.HELD_BACK
    assert set(outcome.reasons) <= {Reason.COMPRESSED_COMMENT, Reason.DAMAGED_PIXELS}


def clean(frame: bytes, *, syntax: str, lossy: bool, image: Any = None) -> None:
    comes_out_clean(coded([even(frame)], syntax=syntax), images=[grey() if image is None else image], lossy=lossy)


def before(frame: bytes, marker: int, inserted: bytes) -> bytes:
    at = next(one.start for one in marker_segments.segments(of_bytes(frame)) if one.marker == marker)
    return frame[:at] + inserted + frame[at:]


def longer(frame: bytes, marker: int) -> bytes:
    """The first segment of a kind with a text at its end and its length made to fit."""
    found = next(one for one in marker_segments.segments(of_bytes(frame)) if one.marker == marker)
    content = frame[found.start + 4 : found.end]
    return frame[: found.start] + segment(marker, content + SECRET) + frame[found.end :]


SMALL = Description(rows=16, columns=16, samples=1, bits_allocated=8)
JPEGS = ["JPEG", "JPEG lossless", "JPEG-LS"]


@pytest.mark.parametrize(
    "tail",
    [SECRET, SECRET[:6], b"\xff\0" + SECRET, b"\xff\xd0" + SECRET, b"\0" * 40 + SECRET + b"\xff\xff"],
    ids=["text", "six letters", "behind FF00", "behind a restart marker", "behind zeros"],
)
@pytest.mark.parametrize("name", JPEGS)
def test_bytes_behind_the_last_sample_are_held_back(name: str, tail: bytes) -> None:
    syntax, encode = CODERS[name]
    frame = bytes(encode(grey()))
    held(frame[: frame.rindex(b"\xff\xd9")] + tail + b"\xff\xd9", syntax=syntax)


@pytest.mark.parametrize("name", ["JPEG", "JPEG lossless"])
def test_tables_that_no_scan_uses_come_off(name: str) -> None:
    syntax, encode = CODERS[name]
    frame = bytes(encode(grey()))
    text = SECRET.ljust(64, b" ")
    spare = segment(0xDB, b"\x03" + text)
    distinct = bytes(range(1, 12))
    codes = segment(0xC4, b"\x13" + bytes((0, 0, 0, 11, *[0] * 12)) + distinct)
    for inserted in (spare, codes, spare + codes):
        for marker in (0xDA, 0xC0 if name == "JPEG" else 0xC3):
            clean(before(frame, marker, inserted), syntax=syntax, lossy=name == "JPEG")
    at = frame.rindex(b"\xff\xd9")
    clean(frame[:at] + spare + frame[at:], syntax=syntax, lossy=name == "JPEG")


def test_a_table_that_another_one_replaces_before_any_use_comes_off() -> None:
    syntax, encode = CODERS["JPEG"]
    frame = bytes(encode(grey()))
    first = segment(0xDB, b"\0" + SECRET.ljust(64, b" "))
    clean(frame[:2] + first + frame[2:], syntax=syntax, lossy=True)


def test_a_jpeg_whose_tables_are_all_used_comes_out_byte_by_byte() -> None:
    frame = bytes(CODERS["JPEG"][1](grey()))
    walk = list(marker_segments.segments(of_bytes(frame)))
    codes = [one for one in walk if one.marker == 0xC4]
    together = segment(0xC4, b"".join(frame[one.start + 4 : one.end] for one in codes))
    others = b"".join(frame[one.start : one.end] for one in walk if one.marker in (0xC0, 0xDB, 0xDA))
    made = b"\xff\xd8" + together + others + frame[walk[-1].end :]
    for whole in (made, frame):
        pieces = stripped(of_bytes(whole), transfer_syntax=CODERS["JPEG"][0], description=SMALL)
        assert b"".join(one if isinstance(one, bytes) else whole[slice(*one)] for one in pieces) == whole
    clean(made, syntax=CODERS["JPEG"][0], lossy=True)


@pytest.mark.parametrize("marker", [0xC0, 0xDA, 0xDB, 0xC4])
def test_segments_of_jpeg_that_are_longer_than_they_should_be_are_held_back(marker: int) -> None:
    syntax, encode = CODERS["JPEG"]
    held(longer(bytes(encode(grey())), marker), syntax=syntax)


@pytest.mark.parametrize("name", JPEGS)
def test_long_restart_intervals_and_unknown_segments_are_held_back_and_line_counts_come_off(name: str) -> None:
    syntax, encode = CODERS[name]
    frame = bytes(encode(grey()))
    for marker in (0xDD, 0xF8 if name == "JPEG-LS" else 0xCC, 0xDE, 0xF0, 0x02):
        held(before(frame, 0xDA, segment(marker, b"\0\0" + SECRET)), syntax=syntax)
    at = frame.rindex(b"\xff\xd9")
    for content in (b"\0\x10", b"\0\x10" + SECRET):
        clean(frame[:at] + segment(0xDC, content) + frame[at:], syntax=syntax, lossy=name == "JPEG")


def with_restarts() -> bytes:
    """A grey JPEG of 16 × 16 whose four blocks are an interval each: every block coded alone, put together anew."""
    image = grey()
    parts = []
    frame = b""
    for rows in (slice(0, 8), slice(8, 16)):
        for columns in (slice(0, 8), slice(8, 16)):
            frame = bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(image[rows, columns])))
            scan = next(one for one in marker_segments.segments(of_bytes(frame)) if one.marker == 0xDA)
            parts.append(frame[scan.end : frame.rindex(b"\xff\xd9")])
    head = frame[: scan.end]
    at = head.index(b"\xff\xc0")
    head = head[: at + 5] + struct.pack(">HH", 16, 16) + head[at + 9 :]
    data = b"".join(part + bytes((0xFF, 0xD0 + number)) for number, part in enumerate(parts[:-1])) + parts[-1]
    return before(head + data + b"\xff\xd9", 0xDA, segment(0xDD, b"\0\1"))


def test_the_end_of_every_restart_interval_is_checked() -> None:
    syntax = CODERS["JPEG"][0]
    frame = with_restarts()
    clean(frame, syntax=syntax, lossy=True)
    for number in range(3):
        held(frame.replace(bytes((0xFF, 0xD0 + number)), SECRET + bytes((0xFF, 0xD0 + number))), syntax=syntax)
    held(frame.replace(b"\xff\xd1", b"\xff\xd1" + SECRET + b"\xff\xd2"), syntax=syntax)
    held(frame[:-2] + b"\xff\xd3" + SECRET + b"\xff\xd9", syntax=syntax)


# -- JPEG 2000 -------------------------------------------------------------------------------------------------------------

WAVELETS: dict[str, tuple[str, Callable[..., Any]]] = {name: CODERS[name] for name in ("JPEG 2000", "HTJ2K")}


def tiled() -> bytes:
    image = np.tile(grey(), (4, 4))
    written = io.BytesIO()
    Image.fromarray(image).save(written, "JPEG2000", tile_size=(32, 32), irreversible=False, no_jp2=True)
    return written.getvalue()


def in_tile(frame: bytes, *, header: bytes = b"", tail: bytes = b"", number: int = 0) -> bytes:
    """Something in the header and at the end of a tile-part, whose length is made to fit."""
    start = 0
    for _part in range(number + 1):
        start = frame.index(b"\xff\x90\0\x0a", start + 1)
    length = int.from_bytes(frame[start + 6 : start + 10], "big") or len(frame) - 2 - start
    end = start + length
    size = struct.pack(">I", length + len(header) + len(tail))
    return (
        frame[: start + 6] + size + frame[start + 10 : start + 12] + header + frame[start + 12 : end] + tail
        + frame[end:]
    )  # fmt: skip


@pytest.mark.parametrize("name", WAVELETS)
def test_unknown_markers_of_jpeg_2000_are_held_back_and_pointers_come_off(name: str) -> None:
    syntax, encode = WAVELETS[name]
    frame = bytes(encode(grey()))
    at = frame.index(b"\xff\x52")
    for marker in range(0x50, 0x80):
        inserted = frame[:at] + segment(marker, SECRET) + frame[at:]
        if marker in (0x55, 0x57, 0x58, 0x63, 0x64):
            clean(inserted, syntax=syntax, lossy=False)
        else:
            held(inserted, syntax=syntax)


@pytest.mark.parametrize("marker", [0x51, 0x52, 0x5C])
@pytest.mark.parametrize("name", WAVELETS)
def test_segments_of_jpeg_2000_that_are_longer_than_they_should_be_are_held_back(name: str, marker: int) -> None:
    syntax, encode = WAVELETS[name]
    frame = bytes(encode(grey()))
    at = frame.index(bytes((0xFF, marker)))
    length = int.from_bytes(frame[at + 2 : at + 4], "big")
    content = frame[at + 4 : at + 2 + length]
    held(frame[:at] + segment(marker, content + SECRET) + frame[at + 2 + length :], syntax=syntax)


@pytest.mark.parametrize("name", WAVELETS)
def test_tile_parts_hold_nothing_but_the_image(name: str) -> None:
    syntax, encode = WAVELETS[name]
    frame = bytes(encode(grey()))
    for marker in (0x58, 0x64):
        clean(in_tile(frame, header=segment(marker, b"\0" + SECRET)), syntax=syntax, lossy=False)
    for marker in (0x61, 0x5B, 0x77):
        held(in_tile(frame, header=segment(marker, SECRET)), syntax=syntax)
    held(in_tile(frame, tail=SECRET), syntax=syntax)
    held(in_tile(frame, tail=bytes(30) + SECRET), syntax=syntax)
    end = frame.rindex(b"\xff\xd9")
    for tile, number, total in ((0, 0, 1), (0, 1, 0), (0, 1, 1), (0, 1, 2), (1, 0, 1)):
        extra = struct.pack(">HHHIBBH", 0xFF90, 10, tile, 14 + len(SECRET), number, total, 0xFF93) + SECRET
        held(frame[:end] + extra + frame[end:], syntax=syntax)


def test_the_end_of_every_tile_is_checked() -> None:
    syntax = WAVELETS["JPEG 2000"][0]

    def content(frame: bytes) -> bytes:
        dataset = read(coded([even(frame)], syntax=syntax))
        dataset.Rows = dataset.Columns = 64
        return to_bytes(dataset, transfer_syntax_uid=dataset.file_meta.TransferSyntaxUID)

    outcome, output = process(content(tiled()))
    assert outcome.verdict is Verdict.PASS
    assert (read(output).pixel_array == np.tile(grey(), (4, 4))).all()
    for number in range(4):
        outcome, _output = process(content(in_tile(tiled(), tail=SECRET, number=number)))
        assert outcome.verdict is Verdict.HELD_BACK


@pytest.mark.parametrize("name", [*JPEGS, *WAVELETS])
@pytest.mark.parametrize("kind", ["black", "white", "grey", "half", "noise"])
def test_ordinary_and_empty_images_still_pass(name: str, kind: str) -> None:
    syntax, encode = CODERS[name]
    image = {
        "black": np.zeros((16, 16), np.uint8),
        "white": np.full((16, 16), 255, np.uint8),
        "grey": np.full((16, 16), 128, np.uint8),
        "half": np.where(np.arange(256).reshape(16, 16) < 128, grey(), 0).astype(np.uint8),
        "noise": np.random.default_rng(4).integers(0, 256, (16, 16), np.uint8),
    }[kind]
    outcome, _output = process(coded([even(bytes(encode(image)))], syntax=syntax))
    assert outcome.verdict is Verdict.PASS, outcome.reasons


# -- native pixels ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_signed", [False, True])
@pytest.mark.parametrize("syntax", ["", str(ExplicitVRBigEndian)], ids=["little endian", "big endian"])
@pytest.mark.parametrize(("stored", "high"), [(12, 11), (12, 13), (9, 8)])
def test_unused_bits_of_native_pixels_come_out_empty(stored: int, high: int, syntax: str, is_signed: bool) -> None:
    order = ">" if syntax else "<"
    lowest = high - stored + 1
    values = (np.arange(256) * 37) % (1 << stored)
    bits = int.from_bytes(SECRET * 30, "big")
    other = np.array([bits >> (16 * number) & 0xFFFF for number in range(256)])
    mask = ((1 << stored) - 1) << lowest
    planted = (other & ~mask & 0xFFFF) | (values << lowest)
    dataset = make_dataset(
        BitsAllocated=16, BitsStored=stored, HighBit=high, PixelRepresentation=int(is_signed),
        PixelData=planted.astype(f"{order}u2").tobytes(),
    )  # fmt: skip
    content = to_bytes(dataset, **({"transfer_syntax_uid": ExplicitVRBigEndian} if syntax else {}))
    outcome, output = process(content)
    assert outcome.verdict is Verdict.PASS, outcome.reasons
    found = np.frombuffer(output[-512:], f"{order}u2").astype(int)
    negative = values >> (stored - 1) & is_signed
    above = 0xFFFF & ~((1 << (high + 1)) - 1)
    assert (found == (values << lowest | negative * above)).all()
    assert process(output)[1][-512:] == output[-512:]


def test_native_pixels_whose_header_contradicts_itself_are_held_back() -> None:
    for stored, high in ((12, 10), (12, 16), (17, 16), (0, 0)):
        outcome, _output = process(
            make_dataset(BitsAllocated=16, BitsStored=stored, HighBit=high, PixelData=bytes(512))
        )
        assert Reason.PIXEL_LENGTH in outcome.reasons


def test_the_padding_byte_behind_native_pixels_is_zero() -> None:
    dataset = make_dataset(
        Rows=3, Columns=5, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=bytes(range(1, 16)) + b"Q"
    )
    dataset["PixelData"].VR = "OB"
    outcome, output = process(dataset, released=frozenset(Reason))
    assert outcome.verdict is not Verdict.HELD_BACK
    assert output[-16:] == bytes(range(1, 16)) + b"\0"
