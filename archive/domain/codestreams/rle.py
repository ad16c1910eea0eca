"""RLE (PS3.5 G): the header of a frame and where its segments really end."""

from __future__ import annotations

import struct
from typing import Final

from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import malformed

HEADER_BYTES: Final = 64
MAXIMUM_SEGMENTS: Final = 15


def segment_extents(source: Source) -> list[tuple[int, int]]:
    """(start, end) of each segment by the header (PS3.5 G.3, G.5). Raises `Damaged`."""
    head = source.read(0, HEADER_BYTES)
    if len(head) < HEADER_BYTES:
        raise malformed("it is shorter than its header")
    count, *offsets = struct.unpack("<16I", head)
    if not 1 <= count <= MAXIMUM_SEGMENTS:
        raise malformed("it has no segments, or more than 15")
    bounds = [*offsets[:count], source.size]
    if bounds[0] < HEADER_BYTES or any(after <= before for before, after in zip(bounds, bounds[1:], strict=False)):
        raise malformed("its segments do not follow one another")
    return list(zip(bounds, bounds[1:], strict=False))


def coded_length(data: bytes, *, decoded: int) -> int:
    """How many bytes of a segment code `decoded` bytes (PS3.5 G.3.2); what follows is no image. Raises `Damaged`."""
    position = made = 0
    size = len(data)
    while made < decoded:
        if position >= size:
            raise malformed("a segment was cut")
        control = data[position]
        if control < 128:
            position += control + 2
            made += control + 1
        elif control > 128:
            position += 2
            made += 257 - control
        else:
            position += 1
    if made > decoded or position > size:
        raise malformed("a segment does not end with its image")
    return position
