"""What a walk through a file finds: its elements and fragments, or the fault that ended it."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

Buffer = Any  # bytes or mmap: indexable, sliceable, readable by struct

UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = 0x7FE00010
FLOAT_PIXEL_DATA = 0x7FE00008
DOUBLE_PIXEL_DATA = 0x7FE00009
PIXEL_TAGS = frozenset({PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA})
EXTENDED_OFFSET_TABLE = 0x7FE00001
SOP_CLASS_UID = 0x00080016
SOP_INSTANCE_UID = 0x00080018

# The pixel data ends without its sequence delimiter (PS3.5 A.4), or with zeros in its place.
DELIMITER_MISSING = "delimiter-missing"

MAX_VALUE_BYTES = 1 << 16
MAX_SEQUENCE_BYTES = 1 << 20


class Unreadable(Exception):
    """The bytes are not a whole DICOM file; `code` names the fault for programs, the message says it to people."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


class Truncated(Unreadable):
    def __init__(self, where: str) -> None:
        super().__init__("truncated", f"The file ends in the middle of {where}: it was cut off on its way.")


@dataclass(frozen=True, slots=True)
class Element:
    """A data element of the top level: where its value lies. `length` is the value's, delimiters included."""

    tag: int
    vr: bytes
    offset: int
    length: int
    is_undefined: bool


@dataclass(slots=True)
class Layout:
    """What the walk found. Offsets count from the start of the file (of the inflated data set when deflated)."""

    meta: dict[int, bytes]
    transfer_syntax_uid: str
    dataset_offset: int
    is_implicit: bool
    is_big_endian: bool
    is_deflated: bool
    has_meta: bool
    buffer: Buffer
    elements: dict[int, Element] = field(default_factory=dict)
    # Encapsulated pixel data (PS3.5 A.4): the basic offset table's value, then (offset of the item tag, value length).
    basic_offsets: bytes = b""
    fragments: list[tuple[int, int]] = field(default_factory=list)
    # What was tolerated on the way.
    notes: list[str] = field(default_factory=list)

    @property
    def endian(self) -> str:
        return ">" if self.is_big_endian else "<"

    def value(self, tag: int) -> bytes | None:
        """The raw value of a top-level element; None when absent or longer than a header value can be."""
        element = self.elements.get(tag)
        if element is None:
            return None
        limit = MAX_SEQUENCE_BYTES if element.is_undefined or element.vr == b"SQ" else MAX_VALUE_BYTES
        if element.length > limit:
            return None
        return bytes(self.buffer[element.offset : element.offset + element.length])

    @property
    def pixel_element(self) -> Element | None:
        for tag in (PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_PIXEL_DATA):
            if tag in self.elements:
                return self.elements[tag]
        return None


def is_encapsulated(layout: Layout) -> bool:
    element = layout.elements.get(PIXEL_DATA)
    return element is not None and element.is_undefined


def wanted(layout: Layout, tags: Container[int]) -> dict[int, tuple[bytes, bytes]]:
    """(VR as written, raw value) of the elements in `tags`."""
    found = {}
    for tag, element in layout.elements.items():
        if tag in tags:
            value = layout.value(tag)
            if value is not None:
                found[tag] = (element.vr, value)
    return found
