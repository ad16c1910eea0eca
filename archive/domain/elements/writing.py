"""Elements into Explicit VR Little Endian (PS3.5 A.2): bytes are passed on, words swapped where they came swapped."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from archive.domain.elements.model import Element, Elements
from archive.domain.elements.representation import UNIT, Context, item_context, vr_of
from archive.domain.part10.encodings import LONG_VRS

LONG: Final = frozenset(vr.decode("ascii") for vr in LONG_VRS)
UNDEFINED: Final = 0xFFFFFFFF
GREATEST_SHORT: Final = 0xFFFE
ITEM: Final = struct.pack("<HHI", 0xFFFE, 0xE000, UNDEFINED)
ITEM_END: Final = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END: Final = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
#: Longer values are not held in memory.
STREAMED_BYTES: Final = 1 << 20


def explicit_header(tag: int, vr: str, length: int) -> bytes:
    """Raises nothing: a value too long for its VR's 16 bits is written as UN, which has 32 (PS3.5 6.2.2)."""
    if vr not in LONG and length > GREATEST_SHORT:
        vr = "UN"
    if vr in LONG:
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), 0, length)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), length)


def little_endian(element: Element, vr: str) -> bytes:
    """The value as little-endian bytes. UN is as it came: nobody knows its words."""
    value = element.value()
    return swapped(value, UNIT.get(vr, 1)) if element.is_big_endian else value


def swapped(value: bytes, unit: int) -> bytes:
    if unit == 1 or len(value) % unit:
        return value
    turned = bytearray(len(value))
    for index in range(unit):
        turned[index::unit] = value[unit - 1 - index :: unit]
    return bytes(turned)


def encode(elements: Iterable[Element], context: Context) -> bytes:
    return b"".join(encode_pieces(elements, context))


def encode_pieces(elements: Iterable[Element], context: Context) -> Iterator[bytes]:
    """The elements one after another, in the order given. Group lengths are left out: they would not be true any more."""
    for element in elements:
        if element.tag & 0xFFFF == 0:
            continue
        vr = vr_of(element, context)
        if element.items is not None:
            yield _sequence(element.tag, element.items, context)
            continue
        length = element.size
        padded = length + length % 2
        yield explicit_header(element.tag, vr, padded)
        if length > STREAMED_BYTES and not (element.is_big_endian and UNIT.get(vr, 1) > 1):
            yield from element.source.pieces(element.offset, length)
        else:
            yield little_endian(element, vr)
        if length % 2:
            yield b"\0" if vr in ("UI", "OB", "UN") else b" "


def _sequence(tag: int, items: list[Elements], context: Context) -> bytes:
    if not items:
        return explicit_header(tag, "SQ", 0)
    parts = [explicit_header(tag, "SQ", UNDEFINED)]
    for item in items:
        parts += (ITEM, encode(item, item_context(item, context)), ITEM_END)
    parts.append(SEQUENCE_END)
    return b"".join(parts)
