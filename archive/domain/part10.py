"""The structure of a DICOM file, walked from first to last byte without decoding what it says.

One walk answers what an archive must know before it says "stored": is it DICOM (PS3.10 7.1), is every element whole, does
the data set have the form that the file meta information promises, and where do the frames lie (PS3.5 A.4). The
input is anything with the buffer protocol (bytes, mmap); only values that are asked for are copied.
"""

from __future__ import annotations

import struct
import zlib
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
SOP_INSTANCE_UID = 0x00080018

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
JPIP_DEFLATED = frozenset({"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
STANDARD_ROOT = "1.2.840.10008."

# PS3.5 7.1.2: these have two reserved bytes and a 32-bit length.
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS = frozenset(
    {
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
        b"ST", b"TM", b"UI", b"UL", b"US",
    }
)  # fmt: skip
KNOWN_VRS = LONG_VRS | SHORT_VRS

PREAMBLE_BYTES = 132
MAX_VALUE_BYTES = 1 << 16
MAX_SEQUENCE_BYTES = 1 << 20
MAX_DEPTH = 64
MAX_ELEMENTS = 200_000
MAX_INFLATED_BYTES = 1 << 29
INFLATE_STEP = 1 << 20


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


def read_layout(buffer: Buffer, size: int) -> Layout:
    """Walk a whole file. Raises `Unreadable`.

    A file without preamble and meta information is taken when its first element leaves no doubt about the encoding
    (`has_meta` is then false; the archive puts the missing part in front of it before it stores it).
    """
    if size == 0:
        raise Unreadable("empty", "The file is empty.")
    if size >= PREAMBLE_BYTES and bytes(buffer[128:132]) == b"DICM":
        return _read_with_meta(buffer, size)
    if 128 < size < PREAMBLE_BYTES and not any(bytes(buffer[:128])) and b"DICM".startswith(bytes(buffer[128:size])):
        raise Truncated("its preamble")
    return _read_bare(buffer, size)


def _read_with_meta(buffer: Buffer, size: int) -> Layout:
    meta, offset = _read_meta(buffer, size, PREAMBLE_BYTES)
    uid = _uid(meta.get(0x00020010, b""))
    if offset >= size:
        raise (
            Truncated("the file meta information")
            if not uid
            else Unreadable("truncated", "The file ends after its file meta information: there is no data set.")
        )
    if not uid:
        raise Unreadable(
            "transfer-syntax-missing", "The file meta information does not say which transfer syntax the file has."
        )
    return _read_data_set(buffer, size, offset, uid, meta)


def _read_bare(buffer: Buffer, size: int) -> Layout:
    """A data set alone, or meta information without its preamble (older toolkits wrote both)."""
    if size >= 8 and bytes(buffer[0:4]) == b"\x02\x00\x00\x00" and bytes(buffer[4:6]) == b"UL":
        meta, offset = _read_meta(buffer, size, 0)
        uid = _uid(meta.get(0x00020010, b""))
        if uid and offset < size:
            layout = _read_data_set(buffer, size, offset, uid, meta)
            layout.has_meta = False
            return layout
    for uid in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        if not _begins_like(buffer, size, 0, uid):
            continue
        try:
            layout = _walk(buffer, size, 0, uid, {})
        except Unreadable as fault:
            if fault.code == "truncated" and size > 256:
                raise Unreadable(
                    "truncated", "The file has no DICOM preamble and ends in the middle of a data element."
                ) from None
            continue
        if SOP_INSTANCE_UID in layout.elements:
            layout.has_meta = False
            return layout
    raise Unreadable("not-dicom", "The file is not a DICOM file.")


def _read_meta(buffer: Buffer, size: int, start: int) -> tuple[dict[int, bytes], int]:
    """Group 0002, always explicit little endian (PS3.10 7.1). Ends where the group ends, whatever its length says."""
    meta: dict[int, bytes] = {}
    position = start
    while position < size:
        if size - position < 8:
            raise Truncated("the file meta information")
        group, element, vr, length = struct.unpack_from("<HH2sH", buffer, position)
        if group != 0x0002:
            break
        value_at = position + 8
        if vr in LONG_VRS:
            if size - position < 12:
                raise Truncated("the file meta information")
            (length,) = struct.unpack_from("<I", buffer, position + 8)
            value_at = position + 12
        elif vr not in SHORT_VRS:
            raise Unreadable("malformed-meta", "The file meta information is damaged.")
        if length > size - value_at:
            raise Truncated("the file meta information")
        if length <= MAX_VALUE_BYTES:
            meta[group << 16 | element] = bytes(buffer[value_at : value_at + length])
        position = value_at + length
        if len(meta) > 64:
            raise Unreadable("malformed-meta", "The file meta information is damaged.")
    return meta, position


def _read_data_set(buffer: Buffer, size: int, offset: int, uid: str, meta: dict[int, bytes]) -> Layout:
    if uid == DEFLATED or uid in JPIP_DEFLATED:
        inflated = _inflate(buffer, size, offset)
        layout = _walk(inflated, len(inflated), 0, EXPLICIT_LITTLE, meta)
        layout.transfer_syntax_uid = uid
        layout.dataset_offset = offset
        layout.is_deflated = True
        return layout
    try:
        layout = _walk(buffer, size, offset, uid, meta)
    except Unreadable as fault:
        other = _other_encoding(buffer, size, offset, uid, meta)
        if other is None:
            raise
        if uid.startswith(STANDARD_ROOT):
            raise _mismatch(uid, other.transfer_syntax_uid) from fault
        # A private transfer syntax may encode as it likes; its data set is kept as it came.
        other.transfer_syntax_uid = uid
        return other
    _check_pixel_form(layout)
    return layout


def _other_encoding(buffer: Buffer, size: int, offset: int, uid: str, meta: dict[int, bytes]) -> Layout | None:
    """The walk in another of the three encodings, when the data set proves to be written in that one."""
    for candidate in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        if _encoding_of(candidate) == _encoding_of(uid) or not _begins_like(buffer, size, offset, candidate):
            continue
        try:
            layout = _walk(buffer, size, offset, candidate, meta)
        except Unreadable:
            continue
        if SOP_INSTANCE_UID in layout.elements:
            return layout
    return None


def _mismatch(stated: str, found: str) -> Unreadable:
    return Unreadable(
        "transfer-syntax-mismatch",
        f"The file meta information says transfer syntax {stated}, but the data set is written as {found}.",
    )


def _encoding_of(uid: str) -> tuple[bool, bool]:
    """(implicit VR, big endian) of a transfer syntax; unknown ones are explicit little endian (PS3.5 10)."""
    return uid == IMPLICIT_LITTLE, uid == EXPLICIT_BIG


def _begins_like(buffer: Buffer, size: int, offset: int, uid: str) -> bool:
    """Whether the first element can be one of the encoding: a low group, a VR or a length that fits."""
    if size - offset < 8:
        return False
    implicit, big = _encoding_of(uid)
    (group,) = struct.unpack_from(">H" if big else "<H", buffer, offset)
    if group not in (0x0002, 0x0008, 0x0010):
        return False
    vr = bytes(buffer[offset + 4 : offset + 6])
    if implicit:
        (length,) = struct.unpack_from("<I", buffer, offset + 4)
        return vr not in KNOWN_VRS and length <= size - offset - 8
    return vr in KNOWN_VRS


def _inflate(buffer: Buffer, size: int, offset: int) -> bytes:
    """The data set of a deflated file (RFC 1951, PS3.5 A.5), within a limit."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    whole = bytearray()
    position = offset
    try:
        while position < size and not inflater.eof:
            chunk = bytes(buffer[position : min(size, position + INFLATE_STEP)])
            position += len(chunk)
            while chunk and not inflater.eof:
                part = inflater.decompress(chunk, INFLATE_STEP)
                chunk = inflater.unconsumed_tail
                if len(whole) + len(part) > min(MAX_INFLATED_BYTES, 1200 * max(size, 1 << 16)):
                    raise Unreadable("inflates-too-far", "The deflated data set unpacks to more than is plausible.")
                whole += part
    except zlib.error:
        raise Unreadable("malformed", "The deflated data set is damaged.") from None
    if not inflater.eof:
        raise Truncated("its deflated data set")
    return bytes(whole)


def _walk(buffer: Buffer, size: int, offset: int, uid: str, meta: dict[int, bytes]) -> Layout:
    """Every element of the top level, each proven to lie inside the file."""
    implicit, big = _encoding_of(uid)
    layout = Layout(
        meta=meta, transfer_syntax_uid=uid, dataset_offset=offset, is_implicit=implicit, is_big_endian=big,
        is_deflated=False, has_meta=True, buffer=buffer,
    )  # fmt: skip
    if not implicit and size - offset >= 6 and bytes(buffer[offset + 4 : offset + 6]) not in KNOWN_VRS:
        raise Unreadable("malformed", "The data set does not begin with a data element.")
    if implicit and size - offset >= 8 and bytes(buffer[offset + 4 : offset + 6]) in KNOWN_VRS:
        raise Unreadable("malformed", "The data set does not begin with a data element of implicit VR.")
    read_header = _header_reader(implicit=implicit, big=big)
    elements = layout.elements
    position = offset
    count = 0
    while position < size:
        if size - position < 8:
            if any(buffer[position:size]):
                raise Truncated("a data element")
            break
        count += 1
        if count > MAX_ELEMENTS:
            raise Unreadable("malformed", "The data set has more elements than is plausible.")
        tag, vr, value_at, length = read_header(buffer, position, size)
        if tag >> 16 == 0xFFFE:
            if length:
                raise Unreadable("malformed", "The data set has a sequence item outside a sequence.")
            position = value_at
            continue
        if tag == 0 and length == 0 and _is_padding(buffer, position, size):
            break
        if length == UNDEFINED:
            if tag == PIXEL_DATA:
                end = _walk_fragments(layout, value_at, size)
            else:
                end = _skip_sequence(buffer, value_at, size, implicit=implicit or vr == b"UN", big=big)
            elements[tag] = Element(tag, vr, value_at, end - value_at, True)
            position = end
            continue
        if length > size - value_at:
            raise Truncated(
                "its pixel data" if tag in PIXEL_TAGS else f"the element ({tag >> 16:04X},{tag & 0xFFFF:04X})"
            )
        elements[tag] = Element(tag, vr, value_at, length, False)
        position = value_at + length
    if not elements:
        raise Truncated("its data set")
    return layout


def _header_reader(*, implicit: bool, big: bool) -> Any:
    order = ">" if big else "<"
    short = struct.Struct(order + "HH2sH").unpack_from
    long = struct.Struct(order + "I").unpack_from
    plain = struct.Struct(order + "HHI").unpack_from

    def read_implicit(buffer: Buffer, position: int, size: int) -> tuple[int, bytes, int, int]:
        group, element, length = plain(buffer, position)
        return group << 16 | element, b"", position + 8, length

    def read_explicit(buffer: Buffer, position: int, size: int) -> tuple[int, bytes, int, int]:
        group, element, vr, length = short(buffer, position)
        if vr in SHORT_VRS:
            return group << 16 | element, vr, position + 8, length
        if group == 0xFFFE:
            group, element, length = plain(buffer, position)
            return group << 16 | element, b"", position + 8, length
        if vr in LONG_VRS or (vr.isalpha() and vr.isupper()):
            # VRs that the standard adds later have the long form (PS3.5 6.2).
            if size - position < 12:
                raise Truncated("a data element")
            return group << 16 | element, vr, position + 12, long(buffer, position + 8)[0]
        if group == 0 and element == 0 and vr == b"\0\0" and length == 0:
            return 0, b"", position + 8, 0
        # Some writers fall back to implicit VR inside private parts.
        group, element, length = plain(buffer, position)
        return group << 16 | element, b"", position + 8, length

    return read_implicit if implicit else read_explicit


def _is_padding(buffer: Buffer, position: int, size: int) -> bool:
    while position < size:
        if any(buffer[position : min(size, position + INFLATE_STEP)]):
            return False
        position += INFLATE_STEP
    return True


def _skip_sequence(buffer: Buffer, position: int, size: int, *, implicit: bool, big: bool) -> int:
    """The end of a sequence of undefined length (PS3.5 7.5), its delimiter included. No recursion."""
    plain = struct.Struct((">" if big else "<") + "HHI").unpack_from
    # UN of undefined length is implicit little endian within (PS3.5 6.2.2 note).
    readers = [_header_reader(implicit=implicit, big=big)]
    stack = ["sequence"]
    while stack:
        if size - position < 8:
            raise Truncated("a sequence")
        group, element, length = plain(buffer, position)
        if group == 0xFFFE:
            position += 8
            if element == 0xE000 and stack[-1] == "sequence":
                if length == UNDEFINED:
                    stack.append("item")
                elif length > size - position:
                    raise Truncated("a sequence")
                else:
                    position += length
            elif element == 0xE00D and stack[-1] == "item":
                stack.pop()
            elif element == 0xE0DD and stack[-1] == "sequence":
                stack.pop()
                readers.pop()
            else:
                raise Unreadable("malformed", "A sequence in the data set is damaged.")
            continue
        if stack[-1] != "item":
            raise Unreadable("malformed", "A sequence in the data set is damaged.")
        _tag, vr, position, length = readers[-1](buffer, position, size)
        if length == UNDEFINED:
            if len(readers) >= MAX_DEPTH:
                raise Unreadable("nested-too-deep", f"Sequences are nested more than {MAX_DEPTH} deep.")
            stack.append("sequence")
            readers.append(_header_reader(implicit=True, big=False) if vr == b"UN" else readers[-1])
        elif length > size - position:
            raise Truncated("a sequence")
        else:
            position += length
    return position


def _walk_fragments(layout: Layout, position: int, size: int) -> int:
    plain = struct.Struct(layout.endian + "HHI").unpack_from
    buffer = layout.buffer
    is_first = True
    while True:
        if size - position < 8:
            raise Truncated("its pixel data")
        group, element, length = plain(buffer, position)
        if group != 0xFFFE or element not in (0xE000, 0xE0DD):
            raise Unreadable("malformed", "The fragments of the encapsulated pixel data are damaged.")
        if element == 0xE0DD:
            return position + 8
        if length > size - position - 8:
            raise Truncated("its pixel data")
        if is_first:
            layout.basic_offsets = bytes(buffer[position + 8 : position + 8 + length])
            is_first = False
        else:
            layout.fragments.append((position, length))
        position += 8 + length


# First bytes that belong to one family of codecs only.
JPEG_FAMILY = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 52, 53, 54, 55, 56, 57, 70, 80, 81))
JPEG_2000_FAMILY = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 92, 93, 201, 202, 203))
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})


def _check_pixel_form(layout: Layout) -> None:
    """The pixel data must have the form of the stated transfer syntax: native or encapsulated, and the codec's."""
    uid = layout.transfer_syntax_uid
    element = layout.elements.get(PIXEL_DATA)
    if element is None or not uid.startswith(STANDARD_ROOT):
        return
    if uid in NATIVE and element.is_undefined:
        raise Unreadable(
            "transfer-syntax-mismatch",
            f"The file meta information says uncompressed transfer syntax {uid}, but the pixel data is compressed.",
        )
    if uid not in NATIVE and not element.is_undefined and (uid in JPEG_FAMILY or uid in JPEG_2000_FAMILY):
        raise Unreadable(
            "transfer-syntax-mismatch",
            f"The file meta information says compressed transfer syntax {uid}, but the pixel data is not compressed.",
        )
    if not layout.fragments:
        return
    position, length = layout.fragments[0]
    start = bytes(layout.buffer[position + 8 : position + 8 + min(length, 12)])
    is_jpeg = start.startswith(b"\xff\xd8\xff")
    is_jpeg_2000 = start.startswith((b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  "))
    if (uid in JPEG_FAMILY and is_jpeg_2000) or (uid in JPEG_2000_FAMILY and is_jpeg):
        raise Unreadable(
            "transfer-syntax-mismatch",
            f"The file meta information says transfer syntax {uid}, but the pixel data is coded in another one.",
        )


def _uid(raw: bytes) -> str:
    return raw.rstrip(b"\0 ").lstrip(b" ").decode("ascii", "replace")


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
