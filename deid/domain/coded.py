"""Encapsulated pixel data made anew: the coded images and nothing beside them (PS3.5 A.4).

Comments, application data, boxes, unused tables, bytes behind the end of an image, fragments that belong to no frame and
what offset tables say go; the coded data itself is copied byte for byte. That its end is image is told by decoding. Where
image and other things cannot be told apart, the object is held back.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, BinaryIO, Final

import numpy as np
from pydicom.dataset import Dataset

from archive import decoding
from archive.domain import codestreams
from archive.domain.codestreams import Check, Damaged, Description, Family, Piece, Unsure

ITEM: Final = struct.Struct("<HHI")
_OFFSETS_LIMIT: Final = 0xFFFFFFFF
CHUNK: Final = 1 << 20
EXTENDED_TABLES: Final = (0x7FE00001, 0x7FE00002)
_STARTS: Final = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ", b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
# What need not be the fault of the bytes.
_GAVE_UP: Final = frozenset(
    (
        decoding.Why.DECODER_DIED,
        decoding.Why.OVER_BUDGET,
        decoding.Why.TOO_MUCH_MEMORY,
        decoding.Why.TOO_SLOW,
    )
)
_PLACES_LIMIT: Final = 64
# RLE is cut to what it decodes to; the other families are held back anyway.
_DECODED: Final = frozenset({Family.JPEG, Family.JPEG_LS, Family.JPEG_2000})

__all__ = ["EXTENDED_TABLES", "Coded", "Damaged", "Unsure", "read"]


class GaveUp(Exception):
    """The decoder gave up before anything could be said of the frame."""


@dataclass(frozen=True, slots=True)
class Coded:
    """Frames as pieces: bytes of our own, or (offset, length) in the source's stream.

    `fragments` are those that each frame came in, as (offset, length) of their values. `is_checked`: the decoder told that
    each is image to its end; it gave up on one otherwise, which says nothing of it.
    """

    frames: tuple[tuple[Piece, ...], ...]
    fragments: tuple[tuple[tuple[int, int], ...], ...]
    has_offsets: bool
    is_checked: bool = True

    def write(self, source: BinaryIO) -> Iterator[bytes]:
        """The whole pixel data element, in explicit VR little endian as every encapsulated one (PS3.5 A.4)."""
        lengths = [sum(len(one) if isinstance(one, bytes) else one[1] for one in frame) for frame in self.frames]
        padded = [length + length % 2 for length in lengths]
        starts = [0, *accumulate(8 + length for length in padded)][: len(padded)]
        table = b""
        if self.has_offsets and starts and starts[-1] <= _OFFSETS_LIMIT:
            table = struct.pack(f"<{len(starts)}I", *starts)
        yield struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
        yield ITEM.pack(0xFFFE, 0xE000, len(table)) + table
        for frame, length in zip(self.frames, lengths, strict=True):
            yield ITEM.pack(0xFFFE, 0xE000, length + length % 2)
            for piece in frame:
                yield from _bytes_of(piece, source)
            if length % 2:
                yield b"\0"
        yield ITEM.pack(0xFFFE, 0xE0DD, 0)


def _bytes_of(piece: Piece, source: BinaryIO) -> Iterator[bytes]:
    if isinstance(piece, bytes):
        yield piece
        return
    offset, left = piece
    source.seek(offset)
    while left:
        chunk = source.read(min(CHUNK, left))
        if not chunk:
            raise Damaged("malformed", "The file ends within its pixel data.")
        left -= len(chunk)
        yield chunk


def read(
    stream: BinaryIO,
    *,
    dataset: Dataset,
    transfer_syntax: str,
    fragments: tuple[tuple[int, int], ...],
    offsets: tuple[int, int],
) -> Coded:
    """What to write of the encapsulated pixel data in `stream`.

    `fragments` and `offsets` are (offset, length) of the values of the fragments and of the basic offset table. Raises
    `Damaged` when a frame is not the image that `dataset` describes, `Unsure` when something may be left beside one, and
    `decoding.Busy` when no decoder was free.
    """
    family = codestreams.family_of(transfer_syntax)
    if family in (None, Family.VIDEO, Family.DEFLATE):
        raise Unsure("the kind of compression is not known well enough to say what is image in it")
    description = _description(dataset)
    frames: list[tuple[Piece, ...]] = []
    is_checked = True
    groups = _groups(stream, dataset=dataset, family=family, fragments=fragments, offsets=offsets)
    for group in groups:
        source = codestreams.of_file(stream, group)
        codestreams.check(source, transfer_syntax=transfer_syntax, description=description)
        pieces: list[Piece] = []
        for piece in codestreams.stripped(source, transfer_syntax=transfer_syntax, description=description):
            if isinstance(piece, bytes):
                pieces.append(piece)
            else:
                pieces.extend(source.extents(*piece))
        frames.append(tuple(pieces))
        # Where the decoder gave up on one frame, the others cannot make the object checked: no more work for it.
        if family in _DECODED and is_checked:
            try:
                _require_image(stream, pieces, dataset=dataset, transfer_syntax=transfer_syntax)
            except GaveUp:
                is_checked = False
    return Coded(
        frames=tuple(frames),
        fragments=tuple(map(tuple, groups)),
        has_offsets=offsets[1] > 0 or EXTENDED_TABLES[0] in dataset,
        is_checked=is_checked,
    )


def _require_image(stream: BinaryIO, pieces: list[Piece], *, dataset: Dataset, transfer_syntax: str) -> None:
    """Raise `Unsure` unless the ends of the coded data change the picture; `Damaged` when it does not decode.

    Raises `GaveUp` when the decoder ran out of time or memory, or died.
    """
    if sum(len(piece) if isinstance(piece, bytes) else piece[1] for piece in pieces) > codestreams.MAXIMUM_FRAME_BYTES:
        raise Unsure("the compressed image is too large to be checked")
    frame = b"".join(chunk for piece in pieces for chunk in _bytes_of(piece, stream))
    try:
        options = decoding.options_of(dataset)
        pixels = decoding.decode_frame(frame=frame, transfer_syntax=transfer_syntax, options=options).pixels
    except decoding.DecodeError as error:
        if error.why in _GAVE_UP:
            raise GaveUp from error
        raise Damaged("malformed", "The compressed image does not decode.") from error

    def difference(altered: bytes) -> np.ndarray[Any, Any] | None:
        """Where pixels differ; None when the decoder could make nothing of what was altered."""
        try:
            found = decoding.decode_frame(frame=altered, transfer_syntax=transfer_syntax, options=options).pixels
        except decoding.DecodeError as error:
            if error.why in _GAVE_UP:
                raise GaveUp from error
            return None
        if found.shape != pixels.shape:
            return None
        differs: np.ndarray[Any, Any] = found != pixels
        return np.asarray(differs.any(axis=2)) if differs.ndim == 3 else differs

    for check in codestreams.checks(frame, transfer_syntax=transfer_syntax):
        if not _is_image(check, difference):
            raise Unsure("bytes at the end of the coded data are no part of the picture")


def _is_image(check: Check, difference: Callable[[bytes], np.ndarray[Any, Any] | None]) -> bool:
    """Whether each place of the check changes the picture when it is altered."""
    is_image = np.zeros(check.places, bool)
    for pattern in codestreams.PATTERNS:
        differs = difference(check.altered(pattern, None))
        if differs is not None:
            is_image |= check.touched(differs)
        elif check.places == 1:
            return True
        elif check.places > _PLACES_LIMIT:
            raise Unsure("the coded data is in more parts than can be checked")
        else:
            # One place made the decoder give up; that says nothing of the others.
            for place in np.flatnonzero(~is_image):
                alone = difference(check.altered(pattern, int(place)))
                is_image[place] = alone is None or check.touched(alone)[place]
        if is_image.all():
            return True
    return False


def _description(dataset: Dataset) -> Description:
    try:
        return Description(
            rows=int(dataset["Rows"].value),
            columns=int(dataset["Columns"].value),
            samples=int(dataset["SamplesPerPixel"].value) if "SamplesPerPixel" in dataset else 1,
            bits_allocated=int(dataset["BitsAllocated"].value),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged("disagrees", "The header does not say how large the image is.") from error


def _groups(
    stream: BinaryIO,
    *,
    dataset: Dataset,
    family: Family | None,
    fragments: tuple[tuple[int, int], ...],
    offsets: tuple[int, int],
) -> list[list[tuple[int, int]]]:
    """Fragments by frame. Raises `Damaged`."""
    try:
        number = int(dataset["NumberOfFrames"].value or 1) if "NumberOfFrames" in dataset else 1
    except (TypeError, ValueError) as error:
        raise Damaged("disagrees", "The header does not say how many frames there are.") from error
    if not fragments or number < 1 or number > len(fragments):
        raise Damaged("disagrees", "The pixel data has fewer frames than the header says.")
    if family is Family.RLE:
        # PS3.5 A.4.2: a frame is one fragment. What follows the frames is none.
        return [[fragment] for fragment in fragments[:number]]
    if number == 1:
        return [list(fragments)]
    if len(fragments) == number:
        return [[fragment] for fragment in fragments]
    for starts in (_stated(stream, fragments=fragments, offsets=offsets), _marked(stream, fragments=fragments)):
        if len(starts) == number and starts[0] == 0:
            return [list(fragments[first:last]) for first, last in pairwise([*starts, len(fragments)])]
    raise Damaged("disagrees", "The frames of the pixel data cannot be told apart.")


def _stated(stream: BinaryIO, *, fragments: tuple[tuple[int, int], ...], offsets: tuple[int, int]) -> list[int]:
    """Indexes of the fragments that begin a frame by the basic offset table; empty when it does not fit."""
    stream.seek(offsets[0])
    raw = stream.read(offsets[1] // 4 * 4)
    places = {offset - fragments[0][0]: index for index, (offset, _length) in enumerate(fragments)}
    found = [places.get(place, -1) for (place,) in struct.iter_unpack("<I", raw)]
    return [] if -1 in found or any(after <= before for before, after in pairwise(found)) else found


def _marked(stream: BinaryIO, *, fragments: tuple[tuple[int, int], ...]) -> list[int]:
    found = []
    for index, (offset, length) in enumerate(fragments):
        stream.seek(offset)
        if stream.read(min(length, 12)).startswith(_STARTS):
            found.append(index)
    return found
