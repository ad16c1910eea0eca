"""The structure of a DICOM file, walked from first to last byte without decoding what it says.

One walk answers what an archive must know before it says "stored": is it DICOM (PS3.10 7.1), is every element whole, does
the data set have the form that the file meta information promises, and where do the frames lie (PS3.5 A.4). The
input is anything with the buffer protocol (bytes, mmap); only values that are asked for are copied.
"""

from __future__ import annotations

from archive.domain.part10.layout import (
    EXTENDED_OFFSET_TABLE,
    MAX_VALUE_BYTES,
    PIXEL_DATA,
    UNDEFINED,
    Element,
    Layout,
    Truncated,
    Unreadable,
    is_encapsulated,
    wanted,
)
from archive.domain.part10.naming import names_of
from archive.domain.part10.reading import inflate, is_deflated, read_layout, read_meta
from archive.domain.part10.walking import header_reader, skip_sequence

__all__ = [
    "EXTENDED_OFFSET_TABLE",
    "MAX_VALUE_BYTES",
    "PIXEL_DATA",
    "UNDEFINED",
    "Element",
    "Layout",
    "Truncated",
    "Unreadable",
    "header_reader",
    "inflate",
    "is_deflated",
    "is_encapsulated",
    "names_of",
    "read_layout",
    "read_meta",
    "skip_sequence",
    "wanted",
]
