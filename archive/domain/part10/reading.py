"""A whole file: its preamble, its file meta information, and the data set in the encoding that this promises."""

from __future__ import annotations

import struct
import zlib

from archive.domain.part10.encodings import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPIP_DEFLATED,
    KNOWN_VRS,
    LONG_VRS,
    SHORT_VRS,
    STANDARD_ROOT,
    encoding_of,
)
from archive.domain.part10.layout import MAX_VALUE_BYTES, SOP_INSTANCE_UID, Buffer, Layout, Truncated, Unreadable
from archive.domain.part10.pixel_form import check_pixel_form
from archive.domain.part10.walking import walk

PREAMBLE_BYTES = 132
MAX_INFLATED_BYTES = 1 << 29
SMALL_INFLATED_BYTES = 1 << 25
PLAUSIBLE_RATIO = 100
INFLATE_STEP = 1 << 20


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


def is_deflated(buffer: Buffer, size: int) -> bool:
    """Whether the data set can only be read by unpacking it. Raises `Unreadable` when the meta information is damaged."""
    if size < PREAMBLE_BYTES or bytes(buffer[128:132]) != b"DICM":
        return False
    uid = _uid(read_meta(buffer, size, PREAMBLE_BYTES)[0].get(0x00020010, b""))
    return uid == DEFLATED or uid in JPIP_DEFLATED


def _read_with_meta(buffer: Buffer, size: int) -> Layout:
    meta, offset = read_meta(buffer, size, PREAMBLE_BYTES)
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
        meta, offset = read_meta(buffer, size, 0)
        uid = _uid(meta.get(0x00020010, b""))
        if uid and offset < size:
            layout = _read_data_set(buffer, size, offset, uid, meta)
            layout.has_meta = False
            return layout
    for uid in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        if not begins_like(buffer, size, 0, uid):
            continue
        try:
            layout = walk(buffer, size, 0, uid, {})
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


def read_meta(
    buffer: Buffer, size: int, start: int, *, into: dict[int, bytes] | None = None
) -> tuple[dict[int, bytes], int]:
    """Group 0002, always explicit little endian (PS3.10 7.1). Ends where the group ends, whatever its length says.

    Raises `Unreadable`; `into` then holds what came before the fault.
    """
    meta: dict[int, bytes] = {} if into is None else into
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
        inflated = inflate(buffer, size, offset)
        layout = walk(inflated, len(inflated), 0, EXPLICIT_LITTLE, meta)
        layout.transfer_syntax_uid = uid
        layout.dataset_offset = offset
        layout.is_deflated = True
        return layout
    try:
        layout = walk(buffer, size, offset, uid, meta)
    except Unreadable as fault:
        other = _other_encoding(buffer, size, offset, uid, meta)
        if other is None:
            raise
        if uid.startswith(STANDARD_ROOT):
            raise _mismatch(uid, other.transfer_syntax_uid) from fault
        # A private transfer syntax may encode as it likes; its data set is kept as it came.
        other.transfer_syntax_uid = uid
        return other
    check_pixel_form(layout)
    return layout


def _other_encoding(buffer: Buffer, size: int, offset: int, uid: str, meta: dict[int, bytes]) -> Layout | None:
    """The walk in another of the three encodings, when the data set proves to be written in that one."""
    for candidate in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        if encoding_of(candidate) == encoding_of(uid) or not begins_like(buffer, size, offset, candidate):
            continue
        try:
            layout = walk(buffer, size, offset, candidate, meta)
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


def begins_like(buffer: Buffer, size: int, offset: int, uid: str) -> bool:
    """Whether the first element can be one of the encoding: a low group, a VR or a length that fits."""
    if size - offset < 8:
        return False
    implicit, big = encoding_of(uid)
    (group,) = struct.unpack_from(">H" if big else "<H", buffer, offset)
    if group not in (0x0002, 0x0008, 0x0010):
        return False
    vr = bytes(buffer[offset + 4 : offset + 6])
    if implicit:
        (length,) = struct.unpack_from("<I", buffer, offset + 4)
        return vr not in KNOWN_VRS and length <= size - offset - 8
    return vr in KNOWN_VRS


def inflate(buffer: Buffer, size: int, offset: int) -> bytes:
    """The data set of a deflated file (RFC 1951, PS3.5 A.5), within a limit."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    # Zeros shrink 1032 times, so that ratio bounds nothing: small files may, large ones may not.
    limit = min(MAX_INFLATED_BYTES, max(SMALL_INFLATED_BYTES, PLAUSIBLE_RATIO * size))
    whole = bytearray()
    position = offset
    try:
        while position < size and not inflater.eof:
            chunk = bytes(buffer[position : min(size, position + INFLATE_STEP)])
            position += len(chunk)
            while chunk and not inflater.eof:
                part = inflater.decompress(chunk, INFLATE_STEP)
                chunk = inflater.unconsumed_tail
                if len(whole) + len(part) > limit:
                    raise Unreadable("inflates-too-far", "The deflated data set unpacks to more than is plausible.")
                whole += part
    except zlib.error:
        raise Unreadable("malformed", "The deflated data set is damaged.") from None
    if not inflater.eof:
        raise Truncated("its deflated data set")
    return bytes(whole)


def _uid(raw: bytes) -> str:
    return raw.rstrip(b"\0 ").lstrip(b" ").decode("ascii", "replace")
