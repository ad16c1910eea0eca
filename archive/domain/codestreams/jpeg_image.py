"""A JPEG or JPEG-LS frame written anew: its own parameters, the tables that its scans use, and the coded data.

ITU-T T.81 B.2 and T.87 C.2. A segment of another length than its parameters have, or of another kind, raises `Unsure`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from archive.domain.codestreams import marker_segments
from archive.domain.codestreams.marker_segments import (
    APPLICATION,
    COM,
    DNL,
    EOI,
    FRAME_MARKERS,
    LSE,
    SOF_JPEG_LS,
    SOS,
    TEM,
    Segment,
)
from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import Damaged, Unsure, malformed

Piece = bytes | tuple[int, int]
DHT, DQT, DRI = 0xC4, 0xDB, 0xDD
BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS = 0xC0, 0xC1, 0xC2, 0xC3
KNOWN_FRAMES: Final = frozenset({BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS, SOF_JPEG_LS})
SCAN_LIMIT: Final = 256
# T.81 B.2.4: tables are told apart by their kind (marker), their class and their number.
Place = tuple[int, int, int]


@dataclass(slots=True)
class Table:
    content: bytes
    is_used: bool = False


@dataclass(slots=True)
class Image:
    """What the segments so far say. `pieces` is the frame that is written."""

    pieces: list[Piece] = field(default_factory=lambda: [b"\xff\xd8"])
    frame: int = 0
    precision: int = 0
    # (identifier, sampling, quantisation table) of each component.
    components: list[tuple[int, int, int]] = field(default_factory=list)
    lines: int = 0
    columns: int = 0
    # The table that stands for a scan at each place, and the segments as they came: (where among the pieces, marker,
    # tables). What no scan used is left out in the end; the rest keeps its order.
    tables: dict[Place, Table] = field(default_factory=dict)
    segments: list[tuple[int, int, list[Table]]] = field(default_factory=list)
    interval: int = 0
    # Where the coded data of each scan lies in the source, and its restart interval.
    scans: list[tuple[int, int, int]] = field(default_factory=list)


def taken_apart(source: Source) -> Image:
    """Raises `Damaged`, `Unsure`."""
    image = Image()
    walk = marker_segments.segments(source)
    for _scan in range(SCAN_LIMIT):
        last: Segment | None = None
        for segment in walk:
            last = segment
            if segment.marker not in (SOS, EOI):
                _take(image, source, segment)
        if last is None:
            break
        if last.marker == EOI:
            if not image.scans:
                raise malformed("it has no coded data")
            image.pieces.append(b"\xff\xd9")
            _leave_out(image)
            return image
        _begin_scan(image, source.read(last.start + 4, last.end - last.start - 4))
        end = marker_segments.end_of_scan(source, last.end, is_jpeg_ls=image.frame == SOF_JPEG_LS)
        stop = end
        # T.81 B.1.1.2: fill bytes before the marker.
        while stop > last.end and source.read(stop - 1, 1) == b"\xff":
            stop -= 1
        image.pieces.append((last.end, stop))
        image.scans.append((last.end, stop, image.interval))
        walk = marker_segments.segments_from(source, end)
    raise malformed("it has more scans than is plausible")


def _reserve(image: Image, marker: int, found: dict[Place, bytes]) -> None:
    """A place among the pieces for the tables of a segment."""
    tables = {place: Table(content) for place, content in found.items()}
    image.segments.append((len(image.pieces), marker, list(tables.values())))
    image.tables.update(tables)
    image.pieces.append(b"")


def _leave_out(image: Image) -> None:
    for at, marker, tables in image.segments:
        content = b"".join(table.content for table in tables if table.is_used)
        image.pieces[at] = _segment(marker, content) if content else b""
    image.pieces = [piece for piece in image.pieces if piece]


def _take(image: Image, source: Source, segment: Segment) -> None:
    marker = segment.marker
    if marker in (COM, TEM, DNL):
        # The height stands in the frame header, or the frame was refused before: a DNL says nothing more.
        return
    content = source.read(segment.start + 4, segment.end - segment.start - 4)
    if marker in APPLICATION:
        needed = _application(marker, content)
        if needed and needed not in image.pieces:
            image.pieces.append(needed)
    elif marker in FRAME_MARKERS:
        _frame(image, marker, content)
    elif marker == DQT:
        _quantisation(image, content)
    elif marker == DHT:
        _huffman(image, content)
    elif marker == DRI and len(content) == 2:
        image.interval = int.from_bytes(content, "big")
        _reserve(image, marker, {(DRI, 0, 0): content})
    elif marker == LSE and content[:1] == b"\x01" and len(content) == 11:
        _reserve(image, marker, {(LSE, 0, 0): content})
    else:
        raise Unsure(f"a marker segment of an unknown kind or length (FF{marker:02X}) is in the compressed image")


def _application(marker: int, content: bytes) -> bytes:
    """The application data that decoders read colours by, written anew without anything else."""
    if marker == 0xE0 and content.startswith(b"JFIF\0"):
        return b"\xff\xe0\x00\x10JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    if marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12:
        # Decoders take an unknown transform for YCbCr.
        return b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0" + (content[11:12] if content[11] <= 2 else b"\x01")
    if marker == 0xE8 and content.startswith(b"mrfx") and len(content) == 5:
        # The colour transform of HP's JPEG-LS encoder, which others took over.
        return b"\xff\xe8\x00\x07" + content
    return b""


def _frame(image: Image, marker: int, content: bytes) -> None:
    if image.frame or marker not in KNOWN_FRAMES:
        raise Unsure("the compressed image has several frame headers, or one of an unknown kind")
    if len(content) < 9 or len(content) != 6 + 3 * content[5]:
        raise Unsure("the frame header of the compressed image is longer than it should be")
    image.frame, image.precision = marker, content[0]
    image.lines, image.columns = struct.unpack(">HH", content[1:5])
    uses_tables = marker in (BASELINE, EXTENDED, PROGRESSIVE)
    for at in range(6, len(content), 3):
        identifier, sampling, table = content[at : at + 3]
        image.components.append((identifier, sampling, table if uses_tables else 0))
    body = content[:6] + b"".join(bytes(component) for component in image.components)
    image.pieces.append(_segment(marker, body))


def _quantisation(image: Image, content: bytes) -> None:
    found: dict[Place, bytes] = {}
    at = 0
    while at < len(content):
        is_wide, number = content[at] >> 4, content[at] & 15
        end = at + 1 + 64 * (1 + is_wide)
        if is_wide > 1 or number > 3 or end > len(content):
            raise Unsure("a table of the compressed image holds more than the table")
        found[(DQT, 0, number)] = content[at:end]
        at = end
    _reserve(image, DQT, found)


def _huffman(image: Image, content: bytes) -> None:
    found: dict[Place, bytes] = {}
    at = 0
    while at < len(content):
        kind, number = content[at] >> 4, content[at] & 15
        counts = content[at + 1 : at + 17]
        end = at + 17 + sum(counts)
        symbols = content[at + 17 : end]
        codes = sum(count << (15 - length) for length, count in enumerate(counts))
        if (
            kind > 1
            or number > 3
            or len(counts) < 16
            or end > len(content)
            or codes > 1 << 16
            or len(set(symbols)) < len(symbols)
            or (kind == 0 and max(symbols, default=0) > 16)
        ):
            raise Unsure("a table of the compressed image holds more than the table")
        found[(DHT, kind, number)] = content[at:end]
        at = end
    _reserve(image, DHT, found)


def _begin_scan(image: Image, content: bytes) -> None:
    """Write the tables that the scan refers to, then its header."""
    if not image.frame or not content or len(content) != 4 + 2 * content[0]:
        raise Unsure("a scan header of the compressed image is longer than it should be")
    first, last, bits = content[-3:]
    dct = image.frame in (BASELINE, EXTENDED, PROGRESSIVE)
    if image.frame in (BASELINE, EXTENDED):
        first, last, bits = 0, 63, 0
    known = {identifier: table for identifier, _sampling, table in image.components}
    needed: list[Place] = []
    body = content[:1]
    for at in range(1, 1 + 2 * content[0], 2):
        identifier, selected = content[at : at + 2]
        if identifier not in known:
            raise malformed("a scan is of no component")
        if dct:
            needed.append((DQT, 0, known[identifier]))
        if image.frame == SOF_JPEG_LS:
            if selected:
                raise Unsure("the compressed image maps its values by a table")
        else:
            uses_dc = image.frame != PROGRESSIVE or (first == 0 and bits >> 4 == 0)
            uses_ac = dct and (image.frame != PROGRESSIVE or first > 0)
            if uses_dc:
                needed.append((DHT, 0, selected >> 4))
            if uses_ac:
                needed.append((DHT, 1, selected & 15))
            selected = (selected & 0xF0 if uses_dc else 0) | (selected & 0x0F if uses_ac else 0)
        body += bytes((identifier, selected))
    if image.frame == SOF_JPEG_LS and (LSE, 0, 0) in image.tables:
        needed.append((LSE, 0, 0))
    if (DRI, 0, 0) in image.tables:
        needed.append((DRI, 0, 0))
    for place in sorted(set(needed)):
        if place not in image.tables:
            raise malformed("a table that it needs is missing")
        table = image.tables[place]
        if place[:2] == (DHT, 1) and not table.is_used:
            _require_symbols(image, table.content[17:])
        table.is_used = True
    image.pieces.append(_segment(SOS, body + bytes((first, last, bits))))


def _require_symbols(image: Image, symbols: bytes) -> None:
    """T.81 F.1.2.2.1, F.1.5: runs and sizes that can occur."""
    most = 10 if image.precision <= 8 else 14
    for symbol in symbols:
        run, size = symbol >> 4, symbol & 15
        if size > most or (size == 0 and run not in (0, 15) and image.frame != PROGRESSIVE):
            raise Unsure("a table of the compressed image holds codes that no image uses")


def _segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


__all__ = ["Damaged", "Image", "Piece", "taken_apart"]
