"""The data elements of a stored file as they were written: raw bytes, in the encoding that holds where they stand.

Whatever shows, searches or rewrites a data set goes through here, so that all of them say the same: elements behind the
pixel data are kept, each item has its own character set (PS3.3 C.12.1.1.2), and nothing is decoded and encoded again
that only has to be passed on.
"""

from __future__ import annotations

from archive.domain.elements.find import find
from archive.domain.elements.model import PIXEL_TAGS, Element, Elements, Source
from archive.domain.elements.reading import read_elements, read_leading, transfer_syntax_of
from archive.domain.elements.representation import Context, context_of, item_context, vr_of
from archive.domain.elements.whole import as_explicit_little, native_pixels
from archive.domain.elements.writing import encode, encode_pieces, explicit_header, little_endian, swapped

__all__ = [
    "PIXEL_TAGS",
    "Context",
    "Element",
    "Elements",
    "Source",
    "as_explicit_little",
    "context_of",
    "encode",
    "encode_pieces",
    "explicit_header",
    "find",
    "item_context",
    "little_endian",
    "native_pixels",
    "read_elements",
    "read_leading",
    "swapped",
    "transfer_syntax_of",
    "vr_of",
]
