"""Where each frame lies in a stored file, as a table of (offset, length) pairs.

One pair a frame, little-endian uint64. Native frames: the frame's bytes. Encapsulated frames (PS3.5 A.4): from the
item tag of the frame's first fragment to the end of its last one, so that one read fetches the frame whatever its
number of fragments; `strip_items` takes the item tags off. An empty table means that the layout is only known by
decoding (bit-packed frames that do not begin on a byte, offset tables that contradict the fragments, deflated files).
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import BinaryIO

from archive.domain.part10 import EXTENDED_OFFSET_TABLE, Layout

PAIR = struct.Struct("<QQ")
ITEM_BYTES = 8


def pack(extents: list[tuple[int, int]]) -> bytes:
    return b"".join(PAIR.pack(offset, length) for offset, length in extents)


def extent(table: bytes, number: int) -> tuple[int, int]:
    """(offset, length) of frame `number`, from 1. Raises `IndexError`."""
    if number < 1 or number * PAIR.size > len(table):
        raise IndexError(number)
    offset, length = PAIR.unpack_from(table, (number - 1) * PAIR.size)
    return offset, length


def count(table: bytes) -> int:
    return len(table) // PAIR.size


def strip_items(data: bytes) -> bytes:
    """The coded frame without the item tags between and before its fragments."""
    pieces = fragments_of(data)
    if len(pieces) == 1:
        start, length = pieces[0]
        return data[start : start + length]
    return b"".join(data[start : start + length] for start, length in pieces)


def fragments_of(data: bytes) -> list[tuple[int, int]]:
    """(start, length) of each fragment's value in a frame's bytes."""
    pieces = []
    position = 0
    while position + ITEM_BYTES <= len(data):
        (length,) = struct.unpack_from("<I", data, position + 4)
        pieces.append((position + ITEM_BYTES, length))
        position += ITEM_BYTES + length
    return pieces


def read_fragments(file: BinaryIO, *, offset: int, length: int) -> list[tuple[int, int]]:
    """(offset, length) of each fragment's value of a frame, by reading the item tags only."""
    pieces = []
    position = offset
    while position + ITEM_BYTES <= offset + length:
        file.seek(position + 4)
        (size,) = struct.unpack("<I", file.read(4))
        pieces.append((position + ITEM_BYTES, size))
        position += ITEM_BYTES + size
    return pieces


def native_frame_bytes(
    *, rows: int, columns: int, samples: int, bits_allocated: int, photometric_interpretation: str, each: int = 0
) -> int | None:
    """Length of a native frame, or None when frames do not begin on a byte.

    `each` is what there is for a frame, 0 where it is not known: one that says it is subsampled and is not has three
    samples a pixel, and its length is what tells.
    """
    bits = rows * columns * samples * bits_allocated
    if is_subsampled(photometric_interpretation) and samples == 3 and not 0 < bits <= each * 8:
        bits = rows * columns * 2 * bits_allocated
    return bits // 8 if bits and bits % 8 == 0 else None


def is_subsampled(photometric_interpretation: str) -> bool:
    return photometric_interpretation in ("YBR_FULL_422", "YBR_PARTIAL_422")


def native_table(*, offset: int, length: int, frame_bytes: int | None, number_of_frames: int) -> bytes:
    """Of the frames that are there as a whole: a header may count more."""
    if frame_bytes is None or number_of_frames < 1:
        return b""
    whole = min(number_of_frames, length // frame_bytes)
    return pack([(offset + index * frame_bytes, frame_bytes) for index in range(whole)])


def encapsulated_table(layout: Layout, *, number_of_frames: int) -> bytes:
    """Frames of encapsulated pixel data, by what is surest: count, extended table, basic table, codec markers."""
    fragments = layout.fragments
    if layout.is_deflated or not fragments or number_of_frames < 1:
        return b""
    if number_of_frames == 1:
        return pack([_run(fragments)])
    if len(fragments) == number_of_frames:
        return pack([_run([fragment]) for fragment in fragments])
    if len(fragments) < number_of_frames and len(_marked_starts(layout)) == len(fragments):
        # Fewer frames than the header counts, and each fragment begins one.
        return pack([_run([fragment]) for fragment in fragments])
    for starts in (_extended_starts(layout), _basic_starts(layout), _marked_starts(layout)):
        if len(starts) == number_of_frames:
            groups = _group(fragments, starts)
            if groups is not None:
                return pack([_run(group) for group in groups])
    return b""


def _run(fragments: list[tuple[int, int]]) -> tuple[int, int]:
    first, last = fragments[0], fragments[-1]
    return first[0], last[0] + ITEM_BYTES + last[1] - first[0]


def _extended_starts(layout: Layout) -> list[int]:
    """PS3.3 C.7.6.3.1.8: 64-bit offsets of the first fragment's item tag, from the first one."""
    raw = layout.value(EXTENDED_OFFSET_TABLE)
    element = layout.elements.get(EXTENDED_OFFSET_TABLE)
    if element is not None and raw is None:
        raw = bytes(layout.buffer[element.offset : element.offset + element.length])
    if not raw or len(raw) % 8:
        return []
    base = layout.fragments[0][0]
    return [base + offset for offset in struct.unpack(f"{layout.endian}{len(raw) // 8}Q", raw)]


def _basic_starts(layout: Layout) -> list[int]:
    raw = layout.basic_offsets
    if not raw or len(raw) % 4:
        return []
    base = layout.fragments[0][0]
    return [base + offset for offset in struct.unpack(f"{layout.endian}{len(raw) // 4}I", raw)]


def _marked_starts(layout: Layout) -> list[int]:
    """Fragments that begin with a codec's start of image."""
    starts = []
    for position, length in layout.fragments:
        head = bytes(layout.buffer[position + ITEM_BYTES : position + ITEM_BYTES + min(12, length)])
        if head.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")):
            starts.append(position)
    return starts


def _group(fragments: list[tuple[int, int]], starts: list[int]) -> list[list[tuple[int, int]]] | None:
    """Fragments by frame; None when a start is not a fragment's or the order is not rising."""
    places = {position: index for index, (position, _length) in enumerate(fragments)}
    indexes = [places.get(start) for start in starts]
    if None in indexes or indexes[0] != 0:
        return None
    bounds = [index for index in indexes if index is not None] + [len(fragments)]
    if any(after <= before for before, after in pairwise(bounds)):
        return None
    return [fragments[before:after] for before, after in pairwise(bounds)]
