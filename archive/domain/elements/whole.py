"""An uncompressed file as one in Explicit VR Little Endian, in memory: for what reads only that, or reads others wrongly."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Final

from archive.domain.elements.model import PIXEL_TAGS, Element, Elements
from archive.domain.elements.reading import read_elements
from archive.domain.elements.representation import context_of
from archive.domain.elements.writing import encode_pieces, explicit_header, swapped
from archive.domain.part10.encodings import EXPLICIT_LITTLE

BITS_ALLOCATED: Final = 0x00280100


def as_explicit_little(file: BinaryIO, *, with_pixels: bool) -> bytes:
    """The whole file, or all of it but the pixels. Raises `Unreadable`, `struct.error`, `EOFError`."""
    meta, elements = read_elements(file)
    context = context_of(elements)
    parts = [_file_meta(meta)]
    for element in elements:
        if element.tag not in PIXEL_TAGS:
            parts += encode_pieces([element], context)
        elif with_pixels:
            parts += native_pixels(element, bits=_bits_allocated(elements))
    return b"".join(parts)


def native_pixels(pixel: Element, *, bits: int) -> Iterator[bytes]:
    """Native pixels keep their bytes; those of big endian are turned by cells, by words in OW (PS3.5 8.1.1)."""
    written = pixel.vr if pixel.vr in ("OB", "OW") else "OW"
    vr = {0x7FE00008: "OF", 0x7FE00009: "OD"}.get(pixel.tag, written)
    length = pixel.length
    yield explicit_header(pixel.tag, vr, length + length % 2)
    if pixel.is_big_endian:
        cell = {"OF": 4, "OD": 8}.get(vr, max(1, bits // 8))
        yield from _turned(pixel, width=max(cell, 2) if vr == "OW" else cell)
    else:
        yield from pixel.source.pieces(pixel.offset, length)
    if length % 2:
        yield b"\0"


def _turned(pixel: Element, *, width: int) -> Iterator[bytes]:
    """The value with the bytes of each word turned, some of it at a time."""
    if pixel.made is not None or pixel.length % width:
        yield swapped(pixel.value(), width)
        return
    rest = b""
    for piece in pixel.source.pieces(pixel.offset, pixel.length):
        words = rest + piece
        end = len(words) - len(words) % width
        yield swapped(words[:end], width)
        rest = words[end:]


def _bits_allocated(elements: Elements) -> int:
    element = elements.get(BITS_ALLOCATED)
    if element is None or element.size < 2:
        return 16
    (bits,) = struct.unpack((">" if element.is_big_endian else "<") + "H", element.value()[:2])
    return int(bits)


def _file_meta(meta: dict[int, bytes]) -> bytes:
    """The file meta information as it was, but for the transfer syntax (PS3.10 7.1)."""
    values = {0x00020002: meta.get(0x00020002, b""), 0x00020003: meta.get(0x00020003, b"")}
    values[0x00020010] = EXPLICIT_LITTLE.encode("ascii")
    group = explicit_header(0x00020001, "OB", 2) + b"\0\1"
    for tag, value in values.items():
        padded = value + b"\0" * (len(value) % 2)
        group += explicit_header(tag, "UI", len(padded)) + padded
    return bytes(128) + b"DICM" + explicit_header(0x00020000, "UL", 4) + struct.pack("<I", len(group)) + group
