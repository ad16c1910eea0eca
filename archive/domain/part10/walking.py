"""From element to element through a data set of known encoding, each proven to lie inside the file."""

from __future__ import annotations

import re
import struct
from typing import Any

from archive.domain.part10.encodings import KNOWN_VRS, LONG_VRS, SHORT_VRS, encoding_of
from archive.domain.part10.layout import (
    DELIMITER_MISSING,
    PIXEL_DATA,
    PIXEL_TAGS,
    UNDEFINED,
    Buffer,
    Element,
    Layout,
    Truncated,
    Unreadable,
)

MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
# (FFFC,FFFC) Data Set Trailing Padding.
TRAILING_PADDING = 0xFFFC
NOT_ZERO = re.compile(rb"[^\0]")


def walk(buffer: Buffer, size: int, offset: int, uid: str, meta: dict[int, bytes]) -> Layout:
    """Every element of the top level, each proven to lie inside the file."""
    implicit, big = encoding_of(uid)
    layout = Layout(
        meta=meta, transfer_syntax_uid=uid, dataset_offset=offset, is_implicit=implicit, is_big_endian=big,
        is_deflated=False, has_meta=True, buffer=buffer,
    )  # fmt: skip
    if not implicit and size - offset >= 6 and bytes(buffer[offset + 4 : offset + 6]) not in KNOWN_VRS:
        raise Unreadable("malformed", "The data set does not begin with a data element.")
    if implicit and size - offset >= 8 and bytes(buffer[offset + 4 : offset + 6]) in KNOWN_VRS:
        raise Unreadable("malformed", "The data set does not begin with a data element of implicit VR.")
    read_header = header_reader(implicit=implicit, big=big)
    elements = layout.elements
    position = offset
    count = 0
    zeros_until = 0
    while position < size:
        if size - position < 8:
            if any(buffer[position:size]):
                raise Truncated("a data element")
            break
        count += 1
        if count > MAX_ELEMENTS:
            raise Unreadable("malformed", "The data set has more elements than is plausible.")
        tag, vr, value_at, length = read_header(buffer, position, size)
        if tag >> 16 == 0xFFFE:
            if length:
                raise Unreadable("malformed", "The data set has a sequence item outside a sequence.")
            position = value_at
            continue
        if tag == 0 and length == 0:
            # Each zero is looked at once, however many elements a hostile file makes of them.
            if zeros_until <= position:
                zeros_until = _end_of_zeros(buffer, position, size)
            if zeros_until == size:
                break
        if length == UNDEFINED:
            if tag == PIXEL_DATA:
                end = _walk_fragments(layout, value_at, size)
            else:
                # UN of undefined length is implicit little endian inside, whatever is around it (PS3.5 6.2.2).
                is_unknown = vr == b"UN"
                end = skip_sequence(buffer, value_at, size, implicit=implicit or is_unknown, big=big and not is_unknown)
            elements[tag] = Element(tag, vr, value_at, end - value_at, True)
            position = end
            continue
        if length > size - value_at:
            raise Truncated(
                "its pixel data" if tag in PIXEL_TAGS else f"the element ({tag >> 16:04X},{tag & 0xFFFF:04X})"
            )
        elements[tag] = Element(tag, vr, value_at, length, False)
        position = value_at + length
    if not elements:
        raise Truncated("its data set")
    return layout


def header_reader(*, implicit: bool, big: bool) -> Any:
    order = ">" if big else "<"
    short = struct.Struct(order + "HH2sH").unpack_from
    long = struct.Struct(order + "I").unpack_from
    plain = struct.Struct(order + "HHI").unpack_from

    def read_implicit(buffer: Buffer, position: int, size: int) -> tuple[int, bytes, int, int]:
        group, element, length = plain(buffer, position)
        return group << 16 | element, b"", position + 8, length

    def read_explicit(buffer: Buffer, position: int, size: int) -> tuple[int, bytes, int, int]:
        group, element, vr, length = short(buffer, position)
        if vr in SHORT_VRS:
            return group << 16 | element, vr, position + 8, length
        if group == 0xFFFE:
            group, element, length = plain(buffer, position)
            return group << 16 | element, b"", position + 8, length
        if vr in LONG_VRS or (vr.isalpha() and vr.isupper()):
            # VRs that the standard adds later have the long form (PS3.5 6.2).
            if size - position < 12:
                raise Truncated("a data element")
            return group << 16 | element, vr, position + 12, long(buffer, position + 8)[0]
        if group == 0 and element == 0 and vr == b"\0\0" and length == 0:
            return 0, b"", position + 8, 0
        # Some writers fall back to implicit VR inside private parts.
        group, element, length = plain(buffer, position)
        return group << 16 | element, b"", position + 8, length

    return read_implicit if implicit else read_explicit


def _end_of_zeros(buffer: Buffer, position: int, size: int) -> int:
    """Where the zeros from `position` on end; at `size` when nothing but padding follows."""
    found = NOT_ZERO.search(buffer, position, size)
    return size if found is None else found.start()


def skip_sequence(buffer: Buffer, position: int, size: int, *, implicit: bool, big: bool) -> int:
    """The end of a sequence of undefined length (PS3.5 7.5), its delimiter included. No recursion."""
    little, other = struct.Struct("<HHI").unpack_from, struct.Struct(">HHI").unpack_from
    # The encoding of each open sequence: UN of undefined length is implicit little endian within (PS3.5 6.2.2 note).
    readers = [(header_reader(implicit=implicit, big=big), other if big else little)]
    unknown = (header_reader(implicit=True, big=False), little)
    stack = ["sequence"]
    while stack:
        if size - position < 8:
            raise Truncated("a sequence")
        group, element, length = readers[-1][1](buffer, position)
        if group == 0xFFFE:
            position += 8
            if element == 0xE000 and stack[-1] == "sequence":
                if length == UNDEFINED:
                    stack.append("item")
                elif length > size - position:
                    raise Truncated("a sequence")
                else:
                    position += length
            elif element == 0xE00D and stack[-1] == "item":
                stack.pop()
            elif element == 0xE0DD and stack[-1] == "sequence":
                stack.pop()
                readers.pop()
            else:
                raise Unreadable("malformed", "A sequence in the data set is damaged.")
            continue
        if stack[-1] != "item":
            raise Unreadable("malformed", "A sequence in the data set is damaged.")
        _tag, vr, position, length = readers[-1][0](buffer, position, size)
        if length == UNDEFINED:
            if len(readers) >= MAX_DEPTH:
                raise Unreadable("nested-too-deep", f"Sequences are nested more than {MAX_DEPTH} deep.")
            stack.append("sequence")
            readers.append(unknown if vr == b"UN" else readers[-1])
        elif length > size - position:
            raise Truncated("a sequence")
        else:
            position += length
    return position


def _walk_fragments(layout: Layout, position: int, size: int) -> int:
    plain = struct.Struct(layout.endian + "HHI").unpack_from
    buffer = layout.buffer
    is_first = True
    while True:
        if size - position < 8:
            return _without_delimiter(layout, position, size, end=size)
        group, element, length = plain(buffer, position)
        if (group, element, length) == (0, 0, 0):
            return _without_delimiter(layout, position, size, end=position + 8)
        if group == element == TRAILING_PADDING:
            return _without_delimiter(layout, position, size, end=position)
        if group != 0xFFFE or element not in (0xE000, 0xE0DD):
            raise Unreadable("malformed", "The fragments of the encapsulated pixel data are damaged.")
        if element == 0xE0DD:
            return position + 8
        if length > size - position - 8:
            raise Truncated("its pixel data")
        if is_first:
            layout.basic_offsets = bytes(buffer[position + 8 : position + 8 + length])
            is_first = False
        else:
            layout.fragments.append((position, length))
        position += 8 + length


def _without_delimiter(layout: Layout, position: int, size: int, *, end: int) -> int:
    """Fragments that end without their delimiter: tolerated here, and refused later unless the last frame is whole."""
    if not layout.fragments or (end == size and any(layout.buffer[position:size])):
        raise Truncated("its pixel data")
    layout.notes.append(DELIMITER_MISSING)
    return end
