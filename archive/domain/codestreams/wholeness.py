"""Whether a codestream goes on to its end: every tile, every component, every restart interval of the image is there.

Decoders fill what is missing with grey and say nothing. All this is read from markers; nothing is decoded, so packets or
scan lines that are missing between markers are found only when the image is decoded: most codecs stumble over them, and
`prolonged` tells of the others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from archive.domain.codestreams import jpeg2000, marker_segments
from archive.domain.codestreams.marker_segments import EOI, FRAME_MARKERS, SOF_JPEG_LS, Segment
from archive.domain.codestreams.source import Source, of_bytes
from archive.domain.codestreams.stream import malformed
from archive.domain.codestreams.syntaxes import Family

DHT, DRI = 0xC4, 0xDD
SEQUENTIAL: Final = frozenset({0xC0, 0xC1})
LOSSLESS: Final = 0xC3
MAXIMUM_SCANS: Final = 256
# No byte of it is FF, and no two are the same: some of it is a code in any table.
_MORE: Final = bytes((37 * number + 11) % 251 for number in range(96))
_RESTART: Final = re.compile(rb"\xff[\xd0-\xd7]")


def require_whole(source: Source, *, family: Family) -> None:
    """Raises `Damaged`. The header of the codestream has been read before (`agreement.check`)."""
    if family is Family.JPEG_2000:
        _require_tiles(jpeg2000.codestream_of(source))
    elif family in (Family.JPEG, Family.JPEG_LS):
        _require_scans(source)


# -- JPEG 2000 -------------------------------------------------------------------------------------------------------------


def _require_tiles(stream: Source) -> None:
    """Every tile has its tile-parts, numbered from 0, as many as announced (T.800 A.4.2). The walk ends at the end."""
    *_header, first = jpeg2000.main_header(stream)
    seen: dict[int, int] = {}
    announced: dict[int, int] = {}
    for start, _end, _is_open in jpeg2000.tile_parts(stream, first.start):
        head = stream.read(start + 4, 8)
        tile, number, total = int.from_bytes(head[:2], "big"), head[6], head[7]
        if number != seen.get(tile, 0) % 256:
            raise malformed("a part of a tile is missing")
        seen[tile] = seen.get(tile, 0) + 1
        announced[tile] = max(total, announced.get(tile, 0))
    missing = jpeg2000.tile_count(stream) - len(seen)
    if missing > 0:
        raise malformed(f"{missing} of its tiles are missing")
    if any(seen[tile] < total for tile, total in announced.items()):
        raise malformed("a part of a tile is missing")


# -- JPEG and JPEG-LS ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Frame:
    marker: int = 0
    lines: int = 0
    columns: int = 0
    # (horizontal, vertical) sampling of each component by its identifier.
    components: dict[int, tuple[int, int]] = field(default_factory=dict)
    # The fewest bits of any code, by class and number of the table (T.81 B.2.4.2).
    shortest: dict[int, int] = field(default_factory=dict)
    interval: int = 0
    seen: set[int] = field(default_factory=set)


def _require_scans(source: Source) -> None:
    """Every component of the frame is in a scan, and no scan is shorter than its restart intervals and codes allow."""
    frame = _Frame()
    walk = marker_segments.segments(source)
    for _number in range(MAXIMUM_SCANS):
        last: Segment | None = None
        for last in walk:
            _take(frame, source, last)
        if last is None or last.marker == EOI:
            break
        names = _scan(frame, source, last)
        frame.seen |= set(names)
        is_jpeg_ls = frame.marker == SOF_JPEG_LS
        is_last = frame.marker in (*SEQUENTIAL, LOSSLESS, SOF_JPEG_LS) and frame.seen >= set(frame.components)
        has_intervals = bool(frame.interval) and not is_jpeg_ls
        if is_last and not has_intervals:
            # Nothing behind this scan is image; that it has an end is known (`marker_segments.has_end`).
            return
        end = marker_segments.end_of_scan(source, last.end, is_jpeg_ls=is_jpeg_ls)
        if has_intervals:
            _require_intervals(frame, source, last.end, end, names=names)
        if is_last:
            return
        walk = marker_segments.segments_from(source, end)
    if not frame.seen >= set(frame.components):
        raise malformed("a component of it has no scan")


def prolonged(data: bytes) -> bytes | None:
    """The JPEG with more coded data at the end of its last scan; None where that would tell nothing.

    A decoder that has all its samples passes over it. One that ran out of data, and would fill the rest with grey, makes
    other pixels of it. Sequential Huffman coding only: of other kinds the last bytes count in another way.
    """
    source = of_bytes(data)
    frame = _Frame()
    walk = marker_segments.segments(source)
    for _number in range(MAXIMUM_SCANS):
        last: Segment | None = None
        for last in walk:
            _take(frame, source, last)
        if last is None or last.marker == EOI or frame.marker not in (*SEQUENTIAL, LOSSLESS):
            return None
        frame.seen |= set(_scan(frame, source, last))
        end = marker_segments.end_of_scan(source, last.end, is_jpeg_ls=False)
        if frame.seen >= set(frame.components):
            # Fill bytes before the marker (T.81 B.1.1.2) would make a marker of what follows them.
            kept = last.end + len(data[last.end : end].rstrip(b"\xff"))
            return data[:kept] + _MORE + data[end:]
        walk = marker_segments.segments_from(source, end)
    return None


def _take(frame: _Frame, source: Source, segment: Segment) -> None:
    content = source.read(segment.start + 4, segment.end - segment.start - 4)
    if segment.marker in FRAME_MARKERS and len(content) >= 6:
        frame.marker = segment.marker
        frame.lines, frame.columns = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
        parts = [content[at : at + 3] for at in range(6, 6 + 3 * content[5], 3)]
        frame.components = {part[0]: (part[1] >> 4, part[1] & 15) for part in parts if len(part) == 3}
        if len(frame.components) != content[5] or any(0 in sampling for sampling in frame.components.values()):
            raise malformed("it does not say what its components are")
    elif segment.marker == DRI and len(content) == 2:
        frame.interval = int.from_bytes(content, "big")
    elif segment.marker == DHT:
        at = 0
        while at + 17 <= len(content):
            counts = content[at + 1 : at + 17]
            frame.shortest[content[at]] = next((bits for bits, count in enumerate(counts, 1) if count), 1)
            at += 17 + sum(counts)


def _scan(frame: _Frame, source: Source, segment: Segment) -> list[int]:
    """Identifiers of the components of a scan (T.81 B.2.3). Raises `Damaged` when its codes cannot be all there."""
    content = source.read(segment.start + 4, segment.end - segment.start - 4)
    count = content[0] if content else 0
    chosen = {content[at]: content[at + 1] for at in range(1, 1 + 2 * count, 2) if at + 1 < len(content)}
    if not chosen or len(chosen) != count or not set(chosen) <= set(frame.components):
        raise malformed("a scan of it is of no component")
    if frame.marker in (*SEQUENTIAL, LOSSLESS):
        bits = sum(_units(frame, name, len(chosen)) * _shortest(frame, tables) for name, tables in chosen.items())
        if bits > 8 * (source.size - segment.end):
            raise malformed("its coded data is shorter than the image it describes")
    return list(chosen)


def _shortest(frame: _Frame, tables: int) -> int:
    """Bits that a data unit has at least: one code in lossless images, of a block one for DC and one for AC."""
    direct = frame.shortest.get(tables >> 4, 1)
    return direct if frame.marker == LOSSLESS else direct + frame.shortest.get(0x10 | (tables & 15), 1)


def _grid(frame: _Frame, name: int, in_scan: int) -> tuple[int, int]:
    """MCUs of a scan, across and down (T.81 A.2): of several components, or data units of the only one."""
    unit = 1 if frame.marker in (LOSSLESS, SOF_JPEG_LS) else 8
    wide = max(h for h, _v in frame.components.values())
    high = max(v for _h, v in frame.components.values())
    if in_scan > 1:
        return -(-frame.columns // (unit * wide)), -(-frame.lines // (unit * high))
    h, v = frame.components[name]
    columns, lines = -(-frame.columns * h // wide), -(-frame.lines * v // high)
    return -(-columns // unit), -(-lines // unit)


def _units(frame: _Frame, name: int, in_scan: int) -> int:
    across, down = _grid(frame, name, in_scan)
    h, v = frame.components[name] if in_scan > 1 else (1, 1)
    return across * down * h * v


def _require_intervals(frame: _Frame, source: Source, start: int, end: int, *, names: list[int]) -> None:
    across, down = _grid(frame, names[0], len(names))
    markers = 0
    last = -1
    for at, chunk in source.chunks(start, overlap=1):
        places = [at + found.start() for found in _RESTART.finditer(chunk)]
        markers += sum(1 for place in places if last < place < end)
        last = max([last, *places])
        if at + len(chunk) >= end:
            break
    if markers + 1 < -(-across * down // frame.interval):
        raise malformed("its coded data has fewer restart intervals than the image it describes")


__all__ = ["prolonged", "require_whole"]
