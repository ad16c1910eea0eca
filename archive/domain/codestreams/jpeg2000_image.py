"""A JPEG 2000 or HTJ2K codestream written anew: known marker segments of exact length, and the data of its tile-parts.

ITU-T T.800 A.5 to A.9, T.814 A. What only points or remarks (TLM, PLM, PLT, CRG, COM) goes; any other segment raises
`Unsure`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from archive.domain.codestreams import jpeg2000
from archive.domain.codestreams.marker_segments import Segment
from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import Unsure

Piece = bytes | tuple[int, int]
CAP, COD, COC, QCD, QCC, RGN, POC = 0x50, 0x52, 0x53, 0x5C, 0x5D, 0x5E, 0x5F
# TLM, PLM, PLT, CRG, COM.
_DROPPED: Final = frozenset({0x55, 0x57, 0x58, 0x63, 0x64})
# Pcap15 tells HTJ2K, the only part of the standard that DICOM admits beside the first.
_PCAP_HT: Final = 1 << 17


@dataclass(slots=True)
class TilePart:
    """`start` and `end` of its coded data in the codestream."""

    tile: int
    start: int
    end: int


@dataclass(slots=True)
class Layout:
    """Pieces of the codestream that are written; positions are in the codestream."""

    pieces: list[Piece] = field(default_factory=lambda: [b"\xff\x4f"])
    parts: list[TilePart] = field(default_factory=list)
    # Of the image in the reference grid: x0, y0, x, y; of the tiles: width, height, x0, y0.
    area: tuple[int, int, int, int] = (0, 0, 0, 0)
    tiles: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def across(self) -> int:
        return -(-(self.area[2] - self.tiles[2]) // self.tiles[0])

    @property
    def down(self) -> int:
        return -(-(self.area[3] - self.tiles[3]) // self.tiles[1])


@dataclass(slots=True)
class _Coding:
    """What of one header decides how long the segments after it are."""

    components: int = 0
    levels: set[int] = field(default_factory=set)
    seen: set[tuple[int, int]] = field(default_factory=set)


def taken_apart(stream: Source) -> Layout:
    """Raises `Damaged`, `Unsure`."""
    layout = Layout()
    coding = _Coding()
    first_tile = 0
    quantisation: list[bytes] = []
    for segment in jpeg2000.main_header(stream):
        if segment.marker == jpeg2000.SOT:
            first_tile = segment.start
        elif segment.marker not in _DROPPED:
            content = stream.read(segment.start + 4, segment.end - segment.start - 4)
            _require_known(coding, segment, content, quantisation=quantisation)
            if segment.marker == jpeg2000.SIZ:
                _caps, x, y, x0, y0, *tiles = struct.unpack(">HIIIIIIII", content[:34])
                layout.area, layout.tiles = (x0, y0, x, y), (tiles[0], tiles[1], tiles[2], tiles[3])
            layout.pieces.append((segment.start, segment.end))
    if not {(jpeg2000.SIZ, 0), (COD, 0), (QCD, 0)} <= coding.seen:
        raise _unsure("a part of its header is missing")
    _require_lengths(coding, quantisation)
    _tile_parts(stream, first_tile, layout=layout, coding=coding)
    layout.pieces.append(b"\xff\xd9")
    return layout


def _tile_parts(stream: Source, first_tile: int, *, layout: Layout, coding: _Coding) -> None:
    parts: dict[int, int] = {}
    announced: dict[int, int] = {}
    codings: dict[int, _Coding] = {}
    for start, end, _is_last in jpeg2000.tile_parts(stream, first_tile):
        tile, _length, number, total = struct.unpack(">HIBB", stream.read(start + 4, 8))
        total = total or announced.get(tile, 0)
        if (
            tile >= layout.across * layout.down
            or number != parts.get(tile, 0)
            or (tile in announced and announced[tile] != total)
            # Encoders are known that count one too few; whether the last one is image is told by decoding.
            or (total and number > total)
        ):
            raise _unsure("it has more tile-parts than the image has")
        parts[tile] = number + 1
        if total:
            announced[tile] = total
        own = codings.setdefault(tile, _Coding(components=coding.components, levels=set(coding.levels)))
        header: list[Piece] = []
        quantisation: list[bytes] = []
        data = end
        for segment in jpeg2000.segments_from(stream, start + 12, last=jpeg2000.SOD):
            if segment.end > end:
                raise _unsure("a tile-part is shorter than its header")
            if segment.marker == jpeg2000.SOD:
                data = segment.end
            elif segment.marker not in _DROPPED:
                if (number and segment.marker != POC) or segment.marker in (jpeg2000.SIZ, CAP):
                    raise _unsure(f"a marker segment (FF{segment.marker:02X}) stands where it cannot be")
                content = stream.read(segment.start + 4, segment.end - segment.start - 4)
                _require_known(own, segment, content, quantisation=quantisation)
                header.append((segment.start, segment.end))
        _require_lengths(own, quantisation)
        size = 12 + sum(one[1] - one[0] for one in header if not isinstance(one, bytes)) + 2 + end - data
        layout.pieces.append(struct.pack(">HHHIBB", 0xFF90, 10, tile, size, number, stream.read(start + 11, 1)[0]))
        layout.pieces += [*header, b"\xff\x93"]
        if end > data:
            layout.pieces.append((data, end))
        layout.parts.append(TilePart(tile=tile, start=data, end=end))


def _require_known(coding: _Coding, segment: Segment, content: bytes, *, quantisation: list[bytes]) -> None:
    """Raise `Unsure` unless the segment is known and as long as what it says; A.5.1, A.5.2, A.6.1 to A.6.6."""
    marker, length = segment.marker, len(content)
    wide = 2 if coding.components > 256 else 1
    index = 0
    if marker in (COC, QCC, RGN):
        index = int.from_bytes(content[:wide], "big")
    is_known = (marker, index) not in coding.seen
    coding.seen.add((marker, index))
    if marker == jpeg2000.SIZ:
        coding.components = int.from_bytes(content[34:36], "big")
        is_known &= length == 36 + 3 * coding.components
    elif marker == CAP:
        capabilities = int.from_bytes(content[:4], "big")
        is_known &= capabilities == _PCAP_HT and length == 6
    elif marker == COD and length >= 10:
        coding.levels.add(content[5])
        is_known &= content[0] < 8 and content[5] <= 32
        is_known &= length == 10 + (content[5] + 1 if content[0] & 1 else 0)
    elif marker == COC and length >= wide + 6:
        style, levels = content[wide], content[wide + 1]
        coding.levels.add(levels)
        is_known &= index < coding.components and style < 2 and levels <= 32
        is_known &= length == wide + 6 + (levels + 1 if style else 0)
    elif marker == QCD:
        quantisation.append(content)
    elif marker == QCC:
        is_known &= index < coding.components
        quantisation.append(content[wide:])
    elif marker == RGN:
        is_known &= index < coding.components and length == wide + 2 and content[wide] == 0
    elif marker == POC:
        is_known &= length > 0 and length % (5 + 2 * wide) == 0 and length // (5 + 2 * wide) <= 32
    else:
        is_known = False
    if not is_known:
        raise _unsure(f"a marker segment of an unknown kind or length (FF{marker:02X}) is in it")


def _require_lengths(coding: _Coding, quantisation: list[bytes]) -> None:
    """T.800 A.6.4: a step size for each sub-band, or one for all."""
    for content in quantisation:
        style = content[0] & 31 if content else 3
        values = len(content) - 1
        fits = {
            0: any(values == 3 * levels + 1 for levels in coding.levels),
            1: values == 2,
            2: any(values == 6 * levels + 2 for levels in coding.levels),
        }
        if not fits.get(style):
            raise _unsure("its quantisation is longer than it should be")


def _unsure(what: str) -> Unsure:
    return Unsure(f"The compressed image cannot be cleaned: {what}.")


__all__ = ["Layout", "TilePart", "taken_apart"]
