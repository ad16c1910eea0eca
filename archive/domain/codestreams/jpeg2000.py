"""JPEG 2000 and HTJ2K: the main header and the tile-parts of a codestream (ITU-T T.800 A)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from archive.domain.codestreams.boxes import SIGNATURE_JP2, Box, boxes
from archive.domain.codestreams.marker_segments import Segment
from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import Codestream, malformed

SOC: Final = b"\xff\x4f"
SIZ, COM, SOT, SOD, EOC = 0x51, 0x64, 0x90, 0x93, 0xD9
MAXIMUM_SEGMENTS: Final = 70_000
MAXIMUM_TILES: Final = 65_535
_SIZ: Final = struct.Struct(">HIIIIIIIIH")


def codestream_of(source: Source) -> Source:
    """The codestream itself, out of the boxes that PS3.5 8.2.4 forbids around it. Raises `Damaged`."""
    box = box_of(source)
    return source if box is None else source.part([(box.content, box.end - box.content)])


def box_of(source: Source) -> Box | None:
    """The box that holds the codestream; None when there are no boxes."""
    if source.read(0, 12) != SIGNATURE_JP2:
        return None
    found = [box for box in boxes(source) if box.kind == b"jp2c"]
    if len(found) != 1:
        raise malformed("its boxes hold no codestream, or several")
    return found[0]


def read_header(source: Source) -> Codestream:
    """The image and tile size (T.800 A.5.1). Raises `Damaged`."""
    return _size(codestream_of(source))[0]


def tile_count(stream: Source) -> int:
    """How many tiles the image is cut into (T.800 B.3). Raises `Damaged`."""
    return _size(stream)[1]


def _size(stream: Source) -> tuple[Codestream, int]:
    if stream.read(0, 2) != SOC:
        raise malformed("it does not begin with a start of codestream")
    first = next(main_header(stream))
    if first.marker != SIZ:
        raise malformed("it does not say how large it is")
    content = stream.read(first.start + 4, first.end - first.start - 4)
    if len(content) < _SIZ.size:
        raise malformed("it does not say how large it is")
    _caps, x, y, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components = _SIZ.unpack_from(content)
    if len(content) < _SIZ.size + 3 * components or not components:
        raise malformed("it does not say how large it is")
    if not (x0 < x and y0 < y and tile_x and tile_y and tile_x0 <= x0 and tile_y0 <= y0):
        raise malformed("its size makes no sense")
    tiles = -(-(x - tile_x0) // tile_x) * -(-(y - tile_y0) // tile_y)
    if tiles > MAXIMUM_TILES:
        raise malformed("it has more tiles than is allowed")
    depths = content[_SIZ.size : _SIZ.size + 3 * components : 3]
    steps = (
        content[_SIZ.size + 1 : _SIZ.size + 3 * components : 3]
        + content[_SIZ.size + 2 : _SIZ.size + 3 * components : 3]
    )
    if 0 in steps:
        raise malformed("its size makes no sense")
    precision = max((depth & 0x7F) + 1 for depth in depths)
    return Codestream(width=x - x0, height=y - y0, components=components, precision=precision), tiles


def main_header(stream: Source) -> Iterator[Segment]:
    """Marker segments of the main header, up to and including the first start of tile-part."""
    return segments_from(stream, 2, last=SOT)


def segments_from(stream: Source, position: int, *, last: int) -> Iterator[Segment]:
    """Marker segments from `position` up to and including the marker `last`, which is given."""
    for _number in range(MAXIMUM_SEGMENTS):
        head = stream.read(position, 4)
        if len(head) < 2 or head[0] != 0xFF or head[1] < 0x4F:
            raise malformed("bytes stand between its marker segments" if head else "it was cut")
        marker = head[1]
        if marker == last == SOD:
            yield Segment(marker, position, position + 2)
            return
        length = int.from_bytes(head[2:4], "big")
        end = position + 2 + length
        if len(head) < 4 or length < 2 or end > stream.size:
            raise malformed("it was cut")
        yield Segment(marker, position, end)
        if marker == last:
            return
        position = end
    raise malformed("it has more marker segments than is plausible")


def tile_parts(stream: Source, position: int) -> Iterator[tuple[int, int, bool]]:
    """(start, end, is the last) of each tile-part from `position` to the end of the codestream (T.800 A.4.2)."""
    for _number in range(MAXIMUM_SEGMENTS):
        head = stream.read(position, 12)
        # Encoders are known that count the end of codestream into the last tile-part.
        if head[:2] == b"\xff\xd9" or stream.read(position - 2, 2) == b"\xff\xd9":
            return
        if len(head) < 12 or head[:2] != b"\xff\x90" or head[2:4] != b"\x00\x0a":
            raise malformed("its tiles do not follow one another")
        length = int.from_bytes(head[6:10], "big")
        if length == 0:
            # The last one may leave its length open: it goes up to the end of the codestream.
            yield position, _open_end(stream, position), True
            return
        if length < 14 or position + length > stream.size:
            raise malformed("it was cut")
        yield position, position + length, False
        position += length
    raise malformed("it has more tiles than is allowed")


def _open_end(stream: Source, position: int) -> int:
    """The end of codestream marker behind a tile-part of open length. No pair above FF8F occurs in packets (B.10)."""
    for at, chunk in stream.chunks(position + 12, overlap=1):
        found = chunk.find(b"\xff\xd9")
        if found >= 0:
            return at + found
    raise malformed("it has no end of codestream")
