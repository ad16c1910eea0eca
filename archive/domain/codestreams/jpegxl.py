"""JPEG XL (ISO/IEC 18181-1): size and image metadata, the first bits of a codestream."""

from __future__ import annotations

from typing import Final

from archive.domain.codestreams.boxes import SIGNATURE_JXL, boxes
from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import Codestream, malformed

HEADER_BYTES: Final = 256
MAXIMUM_EXTRA_CHANNELS: Final = 4
_Choice = tuple[int, int]  # bits to read, what to add
_SIZE: Final[tuple[_Choice, ...]] = ((9, 1), (13, 1), (18, 1), (30, 1))
_RATIOS: Final = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def is_in_boxes(source: Source) -> bool:
    return source.read(0, 12) == SIGNATURE_JXL


def codestream_of(source: Source) -> Source:
    """The codestream, out of its boxes where it has some. Raises `Damaged`."""
    if not is_in_boxes(source):
        return source
    pieces = []
    for box in boxes(source):
        if box.kind == b"jxlc":
            return source.part([(box.content, box.end - box.content)])
        if box.kind == b"jxlp":
            pieces.append((box.content + 4, max(0, box.end - box.content - 4)))
    if not pieces:
        raise malformed("its boxes hold no codestream")
    return source.part(pieces)


def read_header(source: Source) -> Codestream:
    """Size, depth and number of colours. Raises `Damaged`."""
    stream = codestream_of(source)
    head = stream.read(0, HEADER_BYTES)
    if head[:2] != b"\xff\x0a":
        raise malformed("it does not begin as a codestream does")
    bits = _Bits(head[2:])
    height, width = _size(bits)
    if bits.flag():
        return Codestream(width=width, height=height, components=3, precision=8)
    if bits.flag():
        orientation = bits.take(3) + 1
        if bits.flag():
            _size(bits)
        if bits.flag():
            _preview(bits)
        if bits.flag():
            raise malformed("it is an animation, not one image")
        if orientation > 4:
            height, width = width, height
    precision = _depth(bits)
    bits.flag()
    extra = bits.choose(((0, 0), (0, 1), (4, 2), (12, 1)))
    if extra > MAXIMUM_EXTRA_CHANNELS:
        raise malformed("it has more channels than is plausible")
    if extra:
        return Codestream(width=width, height=height, components=None, precision=precision)
    bits.flag()
    if bits.flag():
        return Codestream(width=width, height=height, components=3, precision=precision)
    bits.flag()
    space = bits.choose(((0, 0), (0, 1), (4, 2), (6, 18)))
    return Codestream(width=width, height=height, components=1 if space == 1 else 3, precision=precision)


def _size(bits: _Bits) -> tuple[int, int]:
    """(height, width)"""
    is_small = bits.flag()
    height = (bits.take(5) + 1) * 8 if is_small else bits.choose(_SIZE)
    ratio = bits.take(3)
    if ratio:
        times, over = _RATIOS[ratio]
        return height, height * times // over
    return height, (bits.take(5) + 1) * 8 if is_small else bits.choose(_SIZE)


def _preview(bits: _Bits) -> None:
    sizes: tuple[_Choice, ...] = (
        ((0, 16), (0, 32), (5, 1), (9, 33)) if bits.flag() else ((6, 1), (8, 65), (10, 321), (12, 1345))
    )
    bits.choose(sizes)
    if not bits.take(3):
        bits.choose(sizes)


def _depth(bits: _Bits) -> int:
    if not bits.flag():
        return bits.choose(((0, 8), (0, 10), (0, 12), (6, 1)))
    precision = bits.choose(((0, 32), (0, 16), (0, 24), (6, 1)))
    bits.take(4)
    return precision


class _Bits:
    """Bits from the lowest of the first byte upwards (18181-1 B.2)."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "little")
        self._left = len(data) * 8

    def take(self, count: int) -> int:
        if count > self._left:
            raise malformed("it was cut")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def flag(self) -> bool:
        return self.take(1) == 1

    def choose(self, choices: tuple[_Choice, ...]) -> int:
        count, offset = choices[self.take(2)]
        return self.take(count) + offset
