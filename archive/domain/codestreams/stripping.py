"""A coded frame without what is not image: comments, application data, boxes, unused tables, bytes behind its end.

The coded data itself is copied byte for byte, so that the image stays the same one; whether all of it is image is for
`tails` to say. What cannot be told apart from the image raises `Unsure`.
"""

from __future__ import annotations

import struct
from typing import Final

from archive.domain.codestreams import boxes, jpeg2000, jpeg2000_image, jpeg_image, jpegxl, rle
from archive.domain.codestreams.agreement import Description
from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import Damaged, Unsure
from archive.domain.codestreams.syntaxes import Family, family_of

# Bytes of our own, or (start, end) in the source.
Piece = bytes | tuple[int, int]
# T.800 I.5.3.3: sRGB and grey leave samples as they are coded; sYCC would be converted by decoders.
_PLAIN_COLOURS: Final = frozenset({16, 17})
_PLAIN_HEADER_BOXES: Final = frozenset({b"ihdr", b"bpcc", b"colr", b"res "})
# What decoders of JPEG XL need (18181-2 9); Exif, XML, JUMBF and what rebuilds a JPEG file are not among them.
_JXL_BOXES: Final = frozenset({b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp"})


def stripped(source: Source, *, transfer_syntax: str, description: Description) -> list[Piece]:
    """The pieces of the frame that are the image, in order. Raises `Damaged`, `Unsure`."""
    family = family_of(transfer_syntax)
    if family in (Family.JPEG, Family.JPEG_LS):
        return jpeg_image.taken_apart(source).pieces
    if family is Family.JPEG_2000:
        return _jpeg_2000(source)
    if family is Family.JPEG_XL:
        return _jpeg_xl(source)
    if family is Family.RLE:
        return _rle(source, description=description)
    raise Unsure("the kind of compression is not known well enough to say what is image in it")


# -- JPEG 2000 -------------------------------------------------------------------------------------------------------------


def _jpeg_2000(source: Source) -> list[Piece]:
    box = jpeg2000.box_of(source)
    offset = 0
    if box is not None:
        _require_plain(source)
        offset = box.content
    layout = jpeg2000_image.taken_apart(jpeg2000.codestream_of(source))
    return [piece if isinstance(piece, bytes) else (offset + piece[0], offset + piece[1]) for piece in layout.pieces]


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
