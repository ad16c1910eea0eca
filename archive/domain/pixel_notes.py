"""What an archive notes of pixel data on arrival: it stores what clinical senders send, and says what is wrong with it.

One look at the codestream of each frame, at its header only (`archive.domain.codestreams`).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from archive.domain import codestreams, frames
from archive.domain.codestreams import Damaged, Description, Family, rle
from archive.domain.part10 import Layout, is_encapsulated
from archive.domain.part10.layout import DELIMITER_MISSING, PIXEL_DATA, Truncated
from archive.domain.part10.pixel_form import NATIVE

DAMAGED: Final = "pixels-damaged"
PRIVATE: Final = "pixels-in-private-element"

_OPAQUE_VRS: Final = frozenset({b"OB", b"OW", b"UN", b""})
# Where ELSCINT1 puts its own compressed pixels, in front of (7FE0,0010).
_ELSCINT_GROUP: Final = 0x07A1
_LEAST_SHARE: Final = 4


def notes_of(layout: Layout, *, description: Description, frame_table: bytes, number_of_frames: int) -> tuple[str, ...]:
    """Codes of what is to be noted. Raises `Truncated` when a missing delimiter hides a cut image."""
    notes = []
    if _has_too_few(layout, description=description, number_of_frames=number_of_frames):
        if DELIMITER_MISSING in layout.notes:
            raise Truncated("its pixel data")
        notes.append(DAMAGED)
    elif is_encapsulated(layout) and not layout.is_deflated:
        is_damaged = _is_damaged(layout, description=description, frame_table=frame_table)
        if DELIMITER_MISSING in layout.notes and (
            is_damaged or not _is_whole(layout, description=description, frame_table=frame_table)
        ):
            raise Truncated("its pixel data")
        if is_damaged:
            notes.append(DAMAGED)
    return (*notes, *layout.notes)


def _has_too_few(layout: Layout, *, description: Description, number_of_frames: int) -> bool:
    """Whether fewer frames are there than the header counts: two thousand million of them cost nothing to write."""
    element = layout.pixel_element
    if element is None:
        return False
    if is_encapsulated(layout):
        # A video is one stream, however many frames it shows.
        family = codestreams.family_of(layout.transfer_syntax_uid)
        return family not in (None, Family.VIDEO) and number_of_frames > len(layout.fragments)
    if layout.transfer_syntax_uid not in NATIVE or element.tag != PIXEL_DATA:
        return False
    try:
        codestreams.check_native(length=element.length, description=description, frames=number_of_frames)
    except Damaged:
        return True
    return False


def _is_damaged(layout: Layout, *, description: Description, frame_table: bytes) -> bool:
    syntax = layout.transfer_syntax_uid
    if codestreams.family_of(syntax) in (None, Family.VIDEO):
        return False
    try:
        for source in _frames(layout, frame_table=frame_table):
            codestreams.check(source, transfer_syntax=syntax, description=description)
    except Damaged:
        return True
    return False


def _frames(layout: Layout, *, frame_table: bytes) -> list[codestreams.Source]:
    fragments = layout.fragments
    if not frame_table:
        # Nobody knows which fragments make a frame; each that begins one is looked at when it is decoded.
        return []
    places = {offset: index for index, (offset, _length) in enumerate(fragments)}
    starts = [places[frames.extent(frame_table, n)[0]] for n in range(1, frames.count(frame_table) + 1)]
    groups = [fragments[first:last] for first, last in pairwise([*starts, len(fragments)])]
    return [
        codestreams.of_buffer(layout.buffer, [(offset + frames.ITEM_BYTES, length) for offset, length in group])
        for group in groups
    ]


def _is_whole(layout: Layout, *, description: Description, frame_table: bytes) -> bool:
    """Whether the last frame has its own end: then nothing but the delimiter is missing."""
    family = codestreams.family_of(layout.transfer_syntax_uid)
    sources = _frames(layout, frame_table=frame_table)
    if not sources:
        return False
    last = sources[-1]
    if family in (Family.JPEG, Family.JPEG_LS, Family.JPEG_2000):
        return last.read(max(0, last.size - 64), 64).rstrip(b"\0").endswith(b"\xff\xd9")
    if family is Family.RLE:
        try:
            for start, end in rle.segment_extents(last):
                rle.coded_length(last.read(start, end - start), decoded=description.rows * description.columns)
        except Damaged:
            return False
        return True
    return False


def has_private_pixels(layout: Layout, *, description: Description) -> bool:
    """Whether an image without (7FE0,0010) keeps its pixels in an element of its maker.

    An element behind where the pixel data would be proves that the file was not cut in front of it. ELSCINT1 puts them
    into (07A1,xx0A). Others count when they are as large as an image of this size can be.
    """
    expected = codestreams.frame_bytes(description)
    for tag, element in layout.elements.items():
        group = tag >> 16
        if group % 2 == 0 or tag & 0xFFFF < 0x1000 or element.vr not in _OPAQUE_VRS or not element.length:
            continue
        creator = layout.value(group << 16 | (tag & 0xFFFF) >> 8) or b""
        if group == _ELSCINT_GROUP and creator.startswith(b"ELSCINT1"):
            return True
        if tag > PIXEL_DATA and element.length * 64 >= expected > 0:
            return True
        if not creator.startswith(b"SIEMENS") and element.length * _LEAST_SHARE >= expected > 0:
            return True
    return False


__all__ = ["DAMAGED", "DELIMITER_MISSING", "PRIVATE", "has_private_pixels", "notes_of"]
