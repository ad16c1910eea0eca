"""The codestream's own header decides before anything is decoded; what is not image comes off without touching it."""

from __future__ import annotations

import contextlib
import io
import re
import struct
from typing import Any

import imagecodecs
import numpy as np
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames

from archive.domain import codestreams
from archive.domain.codestreams import Damaged, Description, Unsure, deflate
from tests.archive import bombs

SYNTAX = bombs.SYNTAX
SECRET = b"Quixano^Alonso"


def described(side: int = 64, *, bits: int = 16, samples: int = 1) -> Description:
    return Description(rows=side, columns=side, samples=samples, bits_allocated=bits)


def check(frame: bytes, *, syntax: str, description: Description) -> None:
    codestreams.check(codestreams.of_bytes(frame), transfer_syntax=syntax, description=description)


def strip(frame: bytes, *, syntax: str, description: Description | None = None) -> bytes:
    pieces = codestreams.stripped(
        codestreams.of_bytes(frame), transfer_syntax=syntax, description=description or described()
    )
    return b"".join(piece if isinstance(piece, bytes) else frame[piece[0] : piece[1]] for piece in pieces)


@pytest.mark.parametrize("name", bombs.FRAMES)
def test_a_frame_that_asks_for_other_pixels_than_the_header_is_refused(name: str) -> None:
    syntax, make, bits = bombs.FRAMES[name]
    with pytest.raises(Damaged) as refusal:
        check(make(30_000), syntax=syntax, description=described(bits=bits))
    assert refusal.value.code == "disagrees"
    assert "30000 × 30000" in refusal.value.reason


@pytest.mark.parametrize("name", bombs.FRAMES)
def test_an_agreeing_header_does_not_make_an_impossible_size_possible(name: str) -> None:
    syntax, make, bits = bombs.FRAMES[name]
    for side in (30_000, 16_000):
        with pytest.raises(Damaged) as refusal:
            check(make(side), syntax=syntax, description=described(side, bits=bits))
        assert refusal.value.code == "too-large"


@pytest.mark.parametrize("name", bombs.FRAMES)
def test_an_honest_frame_passes_and_one_of_other_samples_or_deeper_bits_does_not(name: str) -> None:
    syntax, make, bits = bombs.FRAMES[name]
    frame = bytes(imagecodecs.jpegxl_encode(bombs.picture(), lossless=True)) if name == "JPEG XL" else make(64)
    check(frame, syntax=syntax, description=described(bits=bits))
    with pytest.raises(Damaged):
        check(frame, syntax=syntax, description=described(bits=bits, samples=3))
    if bits > 8:
        with pytest.raises(Damaged):
            check(frame, syntax=syntax, description=described(bits=8))


@pytest.mark.parametrize("name", bombs.FRAMES)
def test_a_cut_or_broken_header_is_a_fault_of_the_frame_and_nothing_else(name: str) -> None:
    syntax, make, bits = bombs.FRAMES[name]
    frame = make(64)
    for cut in (0, 1, 2, 3, 5, 9, 13, 20, 30):
        with pytest.raises(Damaged):
            check(frame[:cut], syntax=syntax, description=described(bits=bits))


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(bombs.FRAMES)), at=st.integers(0, 120), value=st.integers(0, 255), junk=st.binary())
def test_no_bytes_make_the_reader_fail_in_another_way(name: str, at: int, value: int, junk: bytes) -> None:
    syntax, make, bits = bombs.FRAMES[name]
    data = bytearray(make(64) + junk)
    data[min(at, len(data) - 1)] = value
    for frame in (bytes(data), junk, junk + bytes(data)):
        for action in (check, strip):
            with contextlib.suppress(Damaged, Unsure):
                action(frame, syntax=syntax, description=described(bits=bits))


def test_a_size_given_apart_counts_in_jpeg_ls() -> None:
    """T.87 C.2.4.1.4: zero in the frame header, the size in an LSE segment."""
    frame = bytearray(bombs.jpeg_ls(0))
    frame[2:2] = b"\xff\xf8\x00\x0c\x04\x04" + struct.pack(">II", 30_000, 30_000)
    with pytest.raises(Damaged, match="30000"):
        check(bytes(frame), syntax=f"{SYNTAX}80", description=described())


def test_many_segments_are_not_walked_without_end() -> None:
    frame = b"\xff\xd8" + b"\xff\xfe\x00\x02" * 100_000
    with pytest.raises(Damaged, match="plausible"):
        check(frame, syntax=f"{SYNTAX}50", description=described(bits=8))


def test_tiles_without_number_are_refused() -> None:
    frame = bytearray(bombs.jpeg_2000(64))
    at = frame.index(b"\xff\x51") + 6
    frame[at : at + 8] = struct.pack(">II", 4096, 4096)
    frame[at + 16 : at + 24] = struct.pack(">II", 1, 1)
    with pytest.raises(Damaged, match="tiles"):
        check(bytes(frame), syntax=f"{SYNTAX}90", description=described(4096))


@pytest.mark.parametrize("segments", [1, 3, 15])
def test_rle_needs_as_many_segments_as_the_image_has_bytes(segments: int) -> None:
    with pytest.raises(Damaged, match="segments"):
        check(bombs.rle(segments), syntax=bombs.RLE, description=described(16))
    check(bombs.rle(2), syntax=bombs.RLE, description=described(16))


def test_rle_that_cannot_reach_its_size_is_refused_without_unpacking() -> None:
    with pytest.raises(Damaged, match="shorter"):
        check(bombs.rle(2), syntax=bombs.RLE, description=described(4096))


def test_two_bytes_of_rle_give_128_and_not_one_more() -> None:
    """Segments of 64 bytes reach 64 by 64 pixels, and no row more (PS3.5 G.3.1)."""
    check(bombs.rle(2), syntax=bombs.RLE, description=described(64))
    with pytest.raises(Damaged, match="shorter"):
        check(bombs.rle(2), syntax=bombs.RLE, description=described(65))


def test_inflating_ends_at_its_limit() -> None:
    bomb = bombs.deflated(64 << 20)
    assert len(bomb) < 100_000
    given_out: list[int] = []
    with pytest.raises(Damaged):
        given_out.extend(len(part) for part in deflate.inflated([bomb], limit=2 << 20))
    assert sum(given_out) <= 2 << 20


REAL = [
    "JPEG-LL.dcm", "JPGExtended.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm", "examples_jpeg2k.dcm",
    "MR_small_jp2klossless.dcm", "emri_small_jpeg_2k_lossless.dcm", "GDCMJ2K_TextGBR.dcm", "MR_small_RLE.dcm",
    "SC_rgb_rle_32bit.dcm", "emri_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "JPEGLSNearLossless_16.dcm",
    "SC_rgb_jls_lossy_line.dcm", "bad_sequence.dcm",
]  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_images_of_many_encoders_agree_with_their_headers_and_stay_the_same_when_stripped(name: str) -> None:
    dataset = dcmread(pydicom.data.get_testdata_file(name))
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    frames = int(dataset.get("NumberOfFrames") or 1)
    description = Description(
        rows=dataset.Rows,
        columns=dataset.Columns,
        samples=dataset.SamplesPerPixel,
        bits_allocated=dataset.BitsAllocated,
    )
    frame = next(generate_frames(dataset.PixelData, number_of_frames=frames))
    check(frame, syntax=syntax, description=description)
    dataset.NumberOfFrames = 1
    before = _pixels(dataset, frame)
    after = strip(frame, syntax=syntax, description=description)
    assert (_pixels(dataset, after) == before).all()


def _pixels(dataset: Any, frame: bytes) -> np.ndarray[Any, Any]:
    from archive import decoding

    return decoding.decode_frame(
        frame=frame,
        transfer_syntax=str(dataset.file_meta.TransferSyntaxUID),
        options=decoding.options_of(dataset),
    ).pixels


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content


@pytest.mark.parametrize("marker", [0xFE, *range(0xE0, 0xF0)])
@pytest.mark.parametrize("name", ["JPEG", "JPEG lossless", "JPEG-LS"])
def test_comments_and_application_data_come_off_a_jpeg(name: str, marker: int) -> None:
    syntax, make, _bits = bombs.FRAMES[name]
    plain = make(64)
    for content in (SECRET, b"JFIF\0\1\2\0\0\1\0\1\0\0" + SECRET, b"Adobe\0d" + SECRET, b"mrfx\0" + SECRET):
        frame = plain[:2] + _segment(marker, content) + plain[2:]
        after = strip(frame, syntax=syntax)
        assert SECRET not in after
        assert after.endswith(plain[plain.index(b"\xff\xda") :].rstrip(b"\0"))


@pytest.mark.parametrize("name", ["JPEG", "JPEG lossless", "JPEG-LS", "JPEG 2000", "HTJ2K"])
def test_what_follows_the_end_of_the_image_comes_off(name: str) -> None:
    syntax, make, _bits = bombs.FRAMES[name]
    plain = make(64)
    assert strip(plain + SECRET, syntax=syntax) == strip(plain, syntax=syntax)
    assert strip(plain + plain, syntax=syntax) == strip(plain, syntax=syntax), "a second image too"


@pytest.mark.parametrize("name", ["JPEG 2000", "HTJ2K"])
def test_comments_come_off_the_main_header_of_jpeg_2000(name: str) -> None:
    syntax, make, _bits = bombs.FRAMES[name]
    plain = make(64)
    at = plain.index(b"\xff\x52")
    frame = plain[:at] + _segment(0x64, b"\0\1Kakadu " + SECRET) + plain[at:]
    assert strip(frame, syntax=syntax) == strip(plain, syntax=syntax)


def test_a_comment_inside_a_tile_comes_off() -> None:
    plain = bombs.jpeg_2000(64)
    at = plain.index(b"\xff\x90")
    comment = _segment(0x64, b"\0\1" + SECRET)
    (length,) = struct.unpack(">I", plain[at + 6 : at + 10])
    tile = bytearray(plain[at : at + 12] + comment + plain[at + 12 :])
    if length:
        tile[6:10] = struct.pack(">I", length + len(comment))
    assert strip(plain[:at] + bytes(tile), syntax=f"{SYNTAX}90") == strip(plain, syntax=f"{SYNTAX}90")


def test_boxes_around_a_codestream_come_off_unless_they_change_its_colours() -> None:
    image = bombs.picture()
    boxed = bytes(imagecodecs.jpeg2k_encode(image, reversible=True, codecformat="jp2"))
    told = boxed + struct.pack(">I", 8 + len(SECRET)) + b"xml " + SECRET
    check(told, syntax=f"{SYNTAX}90", description=described())
    after = strip(told, syntax=f"{SYNTAX}90")
    assert after.startswith(b"\xff\x4f\xff\x51") and SECRET not in after
    assert (imagecodecs.jpeg2k_decode(after) == image).all()
    at = boxed.index(b"colr")
    palette = boxed[: at - 4] + struct.pack(">I", 8) + b"pclr" + boxed[at - 4 :]
    header = palette.index(b"jp2h") - 4
    (length,) = struct.unpack(">I", palette[header : header + 4])
    palette = palette[:header] + struct.pack(">I", length + 8) + palette[header + 4 :]
    with pytest.raises(Unsure):
        strip(palette, syntax=f"{SYNTAX}90")


def test_rle_is_written_anew_without_gaps_and_tails() -> None:
    plain = bombs.rle(2)
    description = described(16)
    bodies = plain[64:128], plain[128:192]
    # 256 pixels are coded by two pairs; the rest of each segment of this frame is no image.
    expected = struct.pack("<16I", 2, 64, 68, *[0] * 13) + bodies[0][:4] + bodies[1][:4]
    gap = struct.pack("<16I", 2, 64 + 20, 148, *[0x41414141] * 13) + SECRET + b"......" + bodies[0] + bodies[1] + SECRET
    for frame in (plain, gap):
        assert strip(frame, syntax=bombs.RLE, description=description) == expected


def test_what_cannot_be_told_from_the_image_is_said_so() -> None:
    with pytest.raises(Unsure):
        strip(bytes(imagecodecs.jpegxl_encode(bombs.picture(), lossless=True)), syntax=f"{SYNTAX}110")
    for syntax in (f"{SYNTAX}102", "1.2.3.4"):
        with pytest.raises(Unsure):
            strip(b"\0\0\1\xb3", syntax=syntax)


# -- whole codestreams -----------------------------------------------------------------------------------------------------


def noise(side: int = 128, *, bits: int = 8) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(7).integers(0, 1 << bits, (side, side))
    return values.astype("u1" if bits <= 8 else "<u2")


def tiled(name: str) -> bytes:
    """128 by 128 pixels in sixteen tiles."""
    if name == "HTJ2K":
        return bytes(imagecodecs.htj2k_encode(noise(bits=12), reversible=True, tile=(32, 32)))
    buffer = io.BytesIO()
    Image.fromarray(noise(bits=12)).save(buffer, "JPEG2000", no_jp2=True, tile_size=(32, 32))
    return buffer.getvalue()


def tile_parts(frame: bytes) -> list[bytes]:
    """The main header, each tile-part, and the end of codestream."""
    at = frame.index(b"\xff\x90\x00\x0a")
    pieces = [frame[:at]]
    while frame[at : at + 2] == b"\xff\x90":
        (length,) = struct.unpack_from(">I", frame, at + 6)
        pieces.append(frame[at : at + length])
        at += length
    return [*pieces, frame[at:]]


TILED = {"JPEG 2000": f"{SYNTAX}90", "HTJ2K": f"{SYNTAX}201"}


@pytest.mark.parametrize("name", TILED)
def test_a_codestream_without_some_of_its_tiles_is_damaged(name: str) -> None:
    frame = tiled(name)
    head, *parts, end = tile_parts(frame)
    assert (len(parts), end) == (16, b"\xff\xd9")
    check(frame, syntax=TILED[name], description=described(128))
    check(head + b"".join(reversed(parts)) + end, syntax=TILED[name], description=described(128))
    for kept in (parts[:-1], parts[1:], parts[:8] + parts[9:], parts[:1], [parts[0]] * 16, []):
        with pytest.raises(Damaged, match=r"tile|cut"):
            check(head + b"".join(kept) + end, syntax=TILED[name], description=described(128))


@pytest.mark.parametrize("name", TILED)
def test_a_tile_that_was_cut_or_lacks_a_part_is_damaged_although_the_end_is_there(name: str) -> None:
    head, *parts, end = tile_parts(tiled(name))
    body = b"".join(parts)
    with pytest.raises(Damaged):
        check(head + body[: -len(parts[-1]) // 2] + end, syntax=TILED[name], description=described(128))
    promised = bytearray(parts[-1])
    promised[11] = 2
    with pytest.raises(Damaged, match="part of a tile"):
        check(head + b"".join(parts[:-1]) + promised + end, syntax=TILED[name], description=described(128))
    second = bytearray(parts[-1])
    second[10:12] = b"\x01\x02"
    check(head + b"".join(parts[:-1]) + promised + second + end, syntax=TILED[name], description=described(128))


@pytest.mark.parametrize("name", TILED)
def test_a_last_tile_of_open_or_overlong_length_is_whole(name: str) -> None:
    head, *parts, end = tile_parts(tiled(name))
    for length in (0, len(parts[-1]) + 2):
        last = bytearray(parts[-1])
        last[6:10] = struct.pack(">I", length)
        for padding in (b"", b"\0"):
            frame = head + b"".join(parts[:-1]) + last + end + padding
            check(frame, syntax=TILED[name], description=described(128))


def restarting() -> bytes:
    """A JPEG of 256 blocks, a restart marker after every 16."""
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, "JPEG", restart_marker_blocks=16)
    return buffer.getvalue()


def test_a_jpeg_with_fewer_restart_intervals_than_its_header_calls_for_is_damaged() -> None:
    frame = restarting()
    description = described(128, bits=8)
    check(frame, syntax=f"{SYNTAX}50", description=description)
    places = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", frame)]
    assert len(places) == 15
    for cut in (
        frame[: places[-1]] + frame[-2:],
        frame[: places[3]] + frame[places[4] :],
        frame[: places[0]] + frame[-2:],
    ):
        with pytest.raises(Damaged, match="restart"):
            check(cut, syntax=f"{SYNTAX}50", description=description)


@pytest.mark.parametrize("name", ["JPEG", "JPEG lossless"])
def test_a_scan_too_short_for_its_codes_is_damaged(name: str) -> None:
    syntax, _make, bits = bombs.FRAMES[name]
    image = noise(bits=min(bits, 12))
    options = {} if bits == 8 else {"lossless": True, "bitspersample": 12}
    frame = bytes(imagecodecs.jpeg8_encode(image, **options))
    blank = bytes(imagecodecs.jpeg8_encode(np.zeros_like(image), **options))
    for whole in (frame, blank):
        check(whole, syntax=syntax, description=described(128, bits=bits))
    start = frame.index(b"\xff\xda")
    with pytest.raises(Damaged, match="shorter"):
        check(frame[: start + 60] + b"\xff\xd9", syntax=syntax, description=described(128, bits=bits))


def test_every_component_of_a_jpeg_has_a_scan() -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, "JPEG")
    grey = buffer.getvalue()
    frame_header, scan = grey.index(b"\xff\xc0"), grey.index(b"\xff\xda")
    colour = b"\xff\xc0\x00\x11" + grey[frame_header + 4 : frame_header + 9] + b"\x03"
    colour += b"".join(bytes((number, 0x11, 0)) for number in (1, 2, 3))
    head = grey[:frame_header] + colour + grey[frame_header + 13 : scan]
    scans = [grey[scan : scan + 5] + bytes((number,)) + grey[scan + 6 : -2] for number in (1, 2, 3)]
    description = described(128, bits=8, samples=3)
    check(head + b"".join(scans) + b"\xff\xd9", syntax=f"{SYNTAX}50", description=description)
    for kept in (scans[:2], scans[1:], scans[:1], [scans[0]] * 3):
        with pytest.raises(Damaged, match="component"):
            check(head + b"".join(kept) + b"\xff\xd9", syntax=f"{SYNTAX}50", description=description)


def test_a_progressive_jpeg_is_whole() -> None:
    buffer = io.BytesIO()
    Image.fromarray(noise()).save(buffer, "JPEG", progressive=True, restart_marker_blocks=16)
    check(buffer.getvalue(), syntax=f"{SYNTAX}50", description=described(128, bits=8))
