"""What a compressed frame says about itself, read from its own header in bounded memory, before anything decodes it.

Decoders allocate what the codestream's header asks for, whatever the data set says: a JPEG-LS frame of 4.8 kB can ask for
30000 × 30000 pixels. So the codestream is read first and has to agree with Rows, Columns, Samples per Pixel and
Bits Allocated (PS3.5 8.2); nothing else decides how much memory a decoder gets.
"""

from __future__ import annotations

from archive.domain.codestreams.agreement import (
    MAXIMUM_FRAME_BYTES,
    Description,
    check,
    check_native,
    frame_bytes,
    read_header,
)
from archive.domain.codestreams.source import Source, of_buffer, of_bytes, of_file
from archive.domain.codestreams.stream import Codestream, Damaged, Unsure
from archive.domain.codestreams.stripping import Piece, stripped
from archive.domain.codestreams.syntaxes import Family, family_of
from archive.domain.codestreams.tails import PATTERNS, Check, checks
from archive.domain.codestreams.wholeness import prolonged

__all__ = [
    "MAXIMUM_FRAME_BYTES",
    "PATTERNS",
    "Check",
    "Codestream",
    "Damaged",
    "Description",
    "Family",
    "Piece",
    "Source",
    "Unsure",
    "check",
    "check_native",
    "checks",
    "family_of",
    "frame_bytes",
    "of_buffer",
    "of_bytes",
    "of_file",
    "prolonged",
    "read_header",
    "stripped",
]
