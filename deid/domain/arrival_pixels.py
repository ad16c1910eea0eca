"""What stands beside the image in compressed pixel data that arrives: nothing may, since the file is stored as it came.

De-identification writes the coded images anew and leaves the rest out (`deid.domain.coded`). Here what it would write is
held against what came. The same bytes pass, and so do fill bytes, zeros behind an image, the names of encoders, and the
headers of JFIF, SPIFF and Adobe as long as nothing but their own fields is in them.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO, Final

from pydicom.dataset import Dataset

from archive.domain import codestreams
from archive.domain.codestreams import Piece
from archive.domain.codestreams.source import Source
from deid.domain.coded import EXTENDED_TABLES, Coded
from deid.domain.files import PixelElement

_COMMENTS: Final = (b"\xff\xfe", b"\xff\x64")
#: What encoders write about themselves.
_ENCODER: Final = re.compile(
    rb"\0?\x01?(?:Created by OpenJPEG version [0-9.]{1,12}|Created by Grok\s+version [0-9.]{1,12}|Kakadu-v?[0-9.]{1,12}"
    rb"|OpenJPH Ver [0-9.]{1,12}|Creator: JasPer Version [0-9.]{1,12}|Lavc[0-9.]{1,12}|LEAD Technologies Inc\. V[0-9.]{1,12})[\0 ]?"
)
_LONGEST_ENCODER: Final = 64
_JFIF: Final = re.compile(rb"\xff\xe0\x00\x10JFIF\0\x01[\0-\x03][\0-\x02](..)(..)\0\0", re.DOTALL)
_ADOBE: Final = re.compile(rb"\xff\xee\x00\x0eAdobe\0[\x64-\x66][\0\x40\x80\xc0]\0[\0\x40\x80\xc0]\0[\0-\x02]")
#: T.84 F.2: sizes and dots an inch, and the entry that ends the directory.
_SPIFF: Final = re.compile(
    rb"\xff\xe8\x00\x20SPIFF\0[\1\2][\0-\2][\0-\4][\0-\4]\0\0(..)\0\0(..)[\0-\x0e][\1-\x10][\0-\7][\0-\2]\0\0(..)\0\0(..)",
    re.DOTALL,
)
_SPIFF_BYTES: Final = 34
_SPIFF_END: Final = b"\xff\xe8\x00\x08\0\0\0\1\xff\xd8"
#: Dots an inch or a centimetre; more could be letters.
_MOST_DOTS: Final = 10_000
_OFFSET: Final = struct.Struct("<Q")


def tables(dataset: Dataset) -> tuple[bytes, bytes]:
    """The extended offset table and its lengths, before screening takes them out of the data set."""
    first, second = (bytes(dataset[tag].value or b"") if tag in dataset else b"" for tag in EXTENDED_TABLES)
    return first, second


def has_more(stream: BinaryIO, *, pixels: PixelElement, coded: Coded, extended: tuple[bytes, bytes]) -> bool:
    """Whether anything but its images is in the pixel data element that `coded` was read from."""
    stream.seek(pixels.start)
    tag, vr, reserved, _length = struct.unpack("<4s2sHI", stream.read(12))
    if tag != b"\xe0\x7f\x10\x00" or vr not in (b"OB", b"OW", b"UN") or reserved:
        return True
    used = [fragment for frame in coded.fragments for fragment in frame]
    if used != list(pixels.fragments):
        return True
    first = used[0][0] if used else 0
    starts = [frame[0][0] - first for frame in coded.fragments]
    stream.seek(pixels.offsets[0])
    basic = stream.read(pixels.offsets[1])
    if basic and basic != b"".join(struct.pack("<I", start & 0xFFFFFFFF) for start in starts):
        return True
    if _extended_say_more(extended, coded=coded, starts=starts):
        return True
    stream.seek(pixels.end - 8)
    if any(stream.read(8)[4:]) and pixels.end > used[-1][0] + used[-1][1]:
        return True
    return not all(
        _is_same(codestreams.of_file(stream, frame), pieces=pieces, extents=frame)
        for frame, pieces in zip(coded.fragments, coded.frames, strict=True)
    )


def _extended_say_more(extended: tuple[bytes, bytes], *, coded: Coded, starts: list[int]) -> bool:
    """PS3.3 C.7.6.3.1.8: the offset of each frame, and its length with or without padding."""
    offsets, lengths = extended
    if offsets and offsets != b"".join(_OFFSET.pack(start) for start in starts):
        return True
    if not lengths:
        return False
    frames = [sum(length for _offset, length in frame) for frame in coded.fragments]
    stated = [number for (number,) in _OFFSET.iter_unpack(lengths)] if len(lengths) == 8 * len(frames) else []
    return len(stated) != len(frames) or any(
        told not in (length, length - 1) for told, length in zip(stated, frames, strict=True)
    )


def _is_same(source: Source, *, pieces: tuple[Piece, ...], extents: tuple[tuple[int, int], ...]) -> bool:
    """Whether a frame is its image and nothing else."""
    at = 0
    for piece in pieces:
        found = _after(source, at, piece=piece, extents=extents)
        while found is None:
            following = _beyond_fill(source, at)
            if following is None:
                return False
            at = following
            found = _after(source, at, piece=piece, extents=extents)
        at = found
    return all(not any(chunk) for _at, chunk in source.chunks(at))


def _after(source: Source, at: int, *, piece: Piece, extents: tuple[tuple[int, int], ...]) -> int | None:
    """The position behind a piece that stands at `at`; None when something else does."""
    if isinstance(piece, bytes):
        there = source.read(at, len(piece))
        return at + len(piece) if there == piece or _is_plain_header(there, written=piece) else None
    # A piece never crosses fragments: those that do were divided.
    offset, length = piece
    return at + length if source.extents(at, at + length) == [(offset, length)] else None


def _is_plain_header(there: bytes, *, written: bytes) -> bool:
    if written[:2] == b"\xff\xe0" and (found := _JFIF.fullmatch(there)):
        return all(int.from_bytes(dots, "big") <= _MOST_DOTS for dots in found.groups())
    return written[:2] == b"\xff\xee" and _ADOBE.fullmatch(there) is not None


def _beyond_fill(source: Source, at: int) -> int | None:
    """Behind a fill byte (T.81 B.1.1.2), an empty SPIFF header or the name of an encoder; None when none is at `at`."""
    head = source.read(at, 4)
    if head[:2] == b"\xff\xff":
        return at + 1
    if source.read(at, len(_SPIFF_END)) == _SPIFF_END:
        return at + len(_SPIFF_END)
    spiff = _SPIFF.fullmatch(source.read(at, _SPIFF_BYTES))
    if spiff and all(int.from_bytes(number, "big") <= _MOST_DOTS for number in spiff.groups()):
        return at + _SPIFF_BYTES
    if head[:2] in _COMMENTS and len(head) == 4:
        length = int.from_bytes(head[2:], "big")
        if length <= _LONGEST_ENCODER and _ENCODER.fullmatch(source.read(at + 4, length - 2)):
            return at + 2 + length
    return None
