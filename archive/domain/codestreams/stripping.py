"""A coded frame without what is not image: comments, application data, boxes, and bytes behind its end.

The coded data itself is copied byte for byte, so that the image stays the same one. What cannot be told apart from the
image raises `Unsure`.
"""

from __future__ import annotations

import struct
from typing import Final

from archive.domain.codestreams import boxes, jpeg2000, jpegxl, marker_segments, rle
from archive.domain.codestreams.agreement import Description
from archive.domain.codestreams.marker_segments import (
    APPLICATION,
    COM,
    DNL,
    EOI,
    FRAME_MARKERS,
    SOF_JPEG_LS,
    SOS,
    TABLES,
    TEM,
    Segment,
)
from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import Damaged, malformed
from archive.domain.codestreams.syntaxes import Family, family_of

# Bytes of our own, or (start, end) in the source.
Piece = bytes | tuple[int, int]
_SCAN_LIMIT: Final = 4096
# T.800 I.5.3.3: sRGB and grey leave samples as they are coded; sYCC would be converted by decoders.
_PLAIN_COLOURS: Final = frozenset({16, 17})
_PLAIN_HEADER_BOXES: Final = frozenset({b"ihdr", b"bpcc", b"colr", b"res "})
# What decoders of JPEG XL need (18181-2 9); Exif, XML, JUMBF and what rebuilds a JPEG file are not among them.
_JXL_BOXES: Final = frozenset({b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp"})


class Unsure(Exception):
    """Something that is not image may be in the frame and cannot be taken out; the message says what."""


def stripped(source: Source, *, transfer_syntax: str, description: Description) -> list[Piece]:
    """The pieces of the frame that are the image, in order. Raises `Damaged`, `Unsure`."""
    family = family_of(transfer_syntax)
    if family in (Family.JPEG, Family.JPEG_LS):
        return _marker_segments(source)
    if family is Family.JPEG_2000:
        return _jpeg_2000(source)
    if family is Family.JPEG_XL:
        return _jpeg_xl(source)
    if family is Family.RLE:
        return _rle(source, description=description)
    raise Unsure("the kind of compression is not known well enough to say what is image in it")


# -- JPEG and JPEG-LS ------------------------------------------------------------------------------------------------------


def _marker_segments(source: Source) -> list[Piece]:
    kept: list[Piece] = [b"\xff\xd8"]
    is_jpeg_ls = False
    walk = marker_segments.segments(source)
    for _scan in range(_SCAN_LIMIT):
        last: Segment | None = None
        for segment in walk:
            last = segment
            is_jpeg_ls = is_jpeg_ls or segment.marker == SOF_JPEG_LS
            kept += _segment(source, segment)
        if last is None:
            break
        if last.marker == EOI:
            return kept
        end = marker_segments.end_of_scan(source, last.end, is_jpeg_ls=is_jpeg_ls)
        kept.append((last.end, end))
        walk = marker_segments.segments_from(source, end)
    raise malformed("it has more scans than is plausible")


def _segment(source: Source, segment: Segment) -> list[Piece]:
    if segment.marker in APPLICATION:
        needed = _application(segment.marker, source.read(segment.start + 4, min(segment.end - segment.start - 4, 64)))
        return [needed] if needed else []
    if segment.marker in (COM, TEM):
        return []
    if segment.marker == EOI:
        return [b"\xff\xd9"]
    if segment.marker in FRAME_MARKERS or segment.marker in TABLES or segment.marker in (SOS, DNL):
        return [(segment.start, segment.end)]
    raise Unsure(f"a marker segment of an unknown kind (FF{segment.marker:02X}) is in the compressed image")


def _application(marker: int, content: bytes) -> bytes:
    """The application data that decoders read colours by, written anew without anything else."""
    if marker == 0xE0 and content.startswith(b"JFIF\0"):
        return b"\xff\xe0\x00\x10JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    if marker == 0xEE and content.startswith(b"Adobe") and len(content) >= 12:
        return b"\xff\xee\x00\x0eAdobe\0\x64\0\0\0\0" + content[11:12]
    if marker == 0xE8 and content.startswith(b"mrfx") and len(content) == 5:
        # The colour transform of HP's JPEG-LS encoder, which others took over.
        return b"\xff\xe8\x00\x07" + content
    return b""


# -- JPEG 2000 -------------------------------------------------------------------------------------------------------------


def _jpeg_2000(source: Source) -> list[Piece]:
    box = jpeg2000.box_of(source)
    offset = 0
    if box is not None:
        _require_plain(source)
        offset = box.content
    stream = jpeg2000.codestream_of(source)
    kept: list[Piece] = [b"\xff\x4f"]
    first_tile = 0
    for segment in jpeg2000.main_header(stream):
        if segment.marker == jpeg2000.SOT:
            first_tile = segment.start
        elif segment.marker != jpeg2000.COM:
            kept.append((offset + segment.start, offset + segment.end))
    end = first_tile
    for start, end, _is_last in jpeg2000.tile_parts(stream, first_tile):
        for segment in jpeg2000.segments_from(stream, start + 12, last=jpeg2000.SOD):
            if segment.marker == jpeg2000.COM:
                raise Unsure("a comment is inside a tile of the compressed image")
        kept.append((offset + start, offset + end))
    return [*kept, b"\xff\xd9"]


def _require_plain(source: Source) -> None:
    """Boxes may only go where they do not change the picture: no palette, no channel definitions, no sYCC."""
    for box in boxes.boxes(source):
        if box.kind != b"jp2h":
            continue
        for inner in boxes.boxes(source, start=box.content, end=box.end):
            if inner.kind not in _PLAIN_HEADER_BOXES:
                raise Unsure("boxes around the compressed image change its colours")
            if inner.kind == b"colr":
                head = source.read(inner.content, 7)
                if head[:1] == b"\x01" and int.from_bytes(head[3:7], "big") not in _PLAIN_COLOURS:
                    raise Unsure("boxes around the compressed image change its colours")


# -- JPEG XL ---------------------------------------------------------------------------------------------------------------


def _jpeg_xl(source: Source) -> list[Piece]:
    if not jpegxl.is_in_boxes(source):
        raise Unsure("where a JPEG XL codestream without boxes ends is only known by decoding it")
    kept: list[Piece] = []
    for box in boxes.boxes(source):
        if box.kind not in _JXL_BOXES:
            continue
        if box.kind in (b"jxlc", b"jxlp"):
            raise Unsure("where a JPEG XL codestream ends is only known by decoding it")
        kept.append((box.start, box.end))
    return kept


# -- RLE -------------------------------------------------------------------------------------------------------------------


def _rle(source: Source, *, description: Description) -> list[Piece]:
    extents = rle.segment_extents(source)
    pixels = description.rows * description.columns
    offsets: list[int] = []
    coded: list[Piece] = []
    at = rle.HEADER_BYTES
    for start, end in extents:
        length = rle.coded_length(source.read(start, end - start), decoded=pixels)
        offsets.append(at)
        coded.append((start, start + length))
        at += length
        if length % 2:
            coded.append(b"\0")
            at += 1
    header = struct.pack("<16I", len(extents), *offsets, *[0] * (rle.MAXIMUM_SEGMENTS - len(offsets)))
    return [header, *coded]


__all__ = ["Damaged", "Piece", "Unsure", "stripped"]
