"""Marker segments of JPEG (ITU-T T.81 B) and JPEG-LS (ITU-T T.87 C), from the start of the image to its end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import Codestream, Damaged, malformed

SOI, EOI, SOS, COM, TEM, LSE, DNL = 0xD8, 0xD9, 0xDA, 0xFE, 0x01, 0xF8, 0xDC
SOF_JPEG_LS: Final = 0xF7
END_OF_IMAGE: Final = bytes((0xFF, EOI))
FRAME_MARKERS: Final = frozenset({*range(0xC0, 0xD0), SOF_JPEG_LS}) - {0xC4, 0xC8, 0xCC}
APPLICATION: Final = range(0xE0, 0xF0)
# Quantisation and Huffman tables, arithmetic conditioning, restart interval, JPEG-LS parameters.
TABLES: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDD, LSE})
MAXIMUM_SEGMENTS: Final = 4096
# Within coded data FF is followed by 00 (T.81 B.1.1.5) or a restart marker; JPEG-LS stuffs one bit, so by less than 80.
_NEXT_JPEG: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_NEXT_JPEG_LS: Final = re.compile(rb"\xff[\x80-\xcf\xd8-\xfe]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A marker with its parameters; `end` is where the next marker or the coded data begins."""

    marker: int
    start: int
    end: int


def segments(source: Source) -> Iterator[Segment]:
    """Marker segments up to and including the first start of scan, without the start of image."""
    if source.read(0, 2) != b"\xff\xd8":
        raise malformed("it does not begin with a start of image")
    yield from segments_from(source, 2)


def segments_from(source: Source, position: int) -> Iterator[Segment]:
    """Marker segments from `position` to the next start of scan or end of image, which is the last one given."""
    for _number in range(MAXIMUM_SEGMENTS):
        head = source.read(position, 4)
        if len(head) < 2 or head[0] != 0xFF:
            raise malformed("bytes stand between its marker segments" if head else "it was cut")
        marker = head[1]
        if marker == 0xFF:
            # T.81 B.1.1.2: any marker may be preceded by fill bytes.
            position += 1
            continue
        if marker in (TEM, EOI):
            yield Segment(marker, position, position + 2)
            if marker == EOI:
                return
            position += 2
            continue
        if marker in (0x00, SOI) or 0xD0 <= marker <= 0xD7:
            raise malformed("a marker stands where it cannot be")
        length = int.from_bytes(head[2:4], "big")
        end = position + 2 + length
        if len(head) < 4 or length < 2 or end > source.size:
            raise malformed("it was cut")
        yield Segment(marker, position, end)
        if marker == SOS:
            return
        position = end
    raise malformed("it has more marker segments than is plausible")


def end_of_scan(source: Source, position: int, *, is_jpeg_ls: bool) -> int:
    """Where the coded data that begins at `position` ends: the place of the next marker."""
    pattern = _NEXT_JPEG_LS if is_jpeg_ls else _NEXT_JPEG
    for at, chunk in source.chunks(position, overlap=1):
        found = pattern.search(chunk)
        if found is not None:
            return at + found.start()
    raise malformed("it has no end of image")


def has_end(source: Source, *, start: int) -> bool:
    """Whether an end of image stands behind position `start`, where the coded data begins.

    JPEG, JPEG-LS and JPEG 2000 write it alike (T.81 B.1.1.3, T.800 A.4.4), and no coded data can hold it. It is nearly
    always the last thing but padding; what some writers put behind it is looked through only where it is not.
    """
    if source.read(max(start, source.size - 64), 64).rstrip(b"\0").endswith(END_OF_IMAGE):
        return True
    return any(END_OF_IMAGE in chunk for _at, chunk in source.chunks(start, overlap=1))


def coded_data(source: Source) -> int:
    """Where the first scan begins. Raises `Damaged`."""
    return max(segment.end for segment in segments(source))


def read_header(source: Source) -> Codestream:
    """The one frame header before the first scan. Raises `Damaged`."""
    found: Codestream | None = None
    extended: tuple[int, int] | None = None
    for segment in segments(source):
        if segment.marker in FRAME_MARKERS:
            if found is not None:
                raise malformed("it describes more than one image")
            found = _frame(source.read(segment.start + 4, 6))
        elif segment.marker == LSE:
            extended = _extended_size(source.read(segment.start + 4, segment.end - segment.start - 4)) or extended
        elif segment.marker == EOI:
            break
    if found is None:
        raise malformed("it does not say how large it is")
    if extended is not None and 0 in (found.width, found.height):
        height, width = extended
        found = Codestream(found.width or width, found.height or height, found.components, found.precision)
    return found


def _frame(parameters: bytes) -> Codestream:
    if len(parameters) < 6:
        raise malformed("it does not say how large it is")
    return Codestream(
        width=int.from_bytes(parameters[3:5], "big"),
        height=int.from_bytes(parameters[1:3], "big"),
        components=parameters[5],
        precision=parameters[0],
    )


def _extended_size(parameters: bytes) -> tuple[int, int] | None:
    """T.87 C.2.4.1.4: an image of more than 65535 lines or columns gives its size apart, as (height, width)."""
    if len(parameters) < 2 or parameters[0] != 4:
        return None
    width = parameters[1]
    if width not in (2, 3, 4) or len(parameters) < 2 + 2 * width:
        raise malformed("it does not say how large it is")
    return int.from_bytes(parameters[2 : 2 + width], "big"), int.from_bytes(
        parameters[2 + width : 2 + 2 * width], "big"
    )


__all__ = ["Codestream", "Damaged", "Segment", "end_of_scan", "read_header", "segments", "segments_from"]
