"""Who a file says it is, as far as it can be read: for files that are refused, whose sender wants to know which."""

from __future__ import annotations

import re
import struct
import zlib

from archive.domain.part10.encodings import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPIP_DEFLATED,
    encoding_of,
)
from archive.domain.part10.layout import SOP_CLASS_UID, SOP_INSTANCE_UID, UNDEFINED, Buffer, Unreadable
from archive.domain.part10.reading import PREAMBLE_BYTES, begins_like, read_meta
from archive.domain.part10.walking import header_reader, skip_sequence

MEDIA_SOP_CLASS_UID = 0x00020002
MEDIA_SOP_INSTANCE_UID = 0x00020003
TRANSFER_SYNTAX_UID = 0x00020010
MOST_ELEMENTS = 1000
# The names are among the first elements: so much of a deflated data set is unpacked for them.
INFLATED_BYTES = 1 << 16
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)+\Z")


def names_of(buffer: Buffer, size: int) -> tuple[str, str]:
    """(SOP Class UID, SOP Instance UID) of the data set, else those of group 0002 (PS3.10 7.1); empty where neither
    has a valid one. Never raises for what the bytes are."""
    has_preamble = size >= PREAMBLE_BYTES and bytes(buffer[128:132]) == b"DICM"
    start = PREAMBLE_BYTES if has_preamble else 0
    meta: dict[int, bytes] = {}
    try:
        offset = read_meta(buffer, size, start, into=meta)[1]
        found = _of_data_set(buffer, size, offset, syntax=_uid(meta.get(TRANSFER_SYNTAX_UID, b"")))
    except (Unreadable, struct.error):
        found = {}
    return (
        found.get(SOP_CLASS_UID) or _uid(meta.get(MEDIA_SOP_CLASS_UID, b"")),
        found.get(SOP_INSTANCE_UID) or _uid(meta.get(MEDIA_SOP_INSTANCE_UID, b"")),
    )


def _of_data_set(buffer: Buffer, size: int, offset: int, *, syntax: str) -> dict[int, str]:
    if syntax == DEFLATED or syntax in JPIP_DEFLATED:
        try:
            buffer = zlib.decompressobj(-zlib.MAX_WBITS).decompress(
                bytes(buffer[offset : offset + INFLATED_BYTES]), INFLATED_BYTES
            )
        except zlib.error:
            return {}
        offset, size, syntax = 0, len(buffer), EXPLICIT_LITTLE
    # What the meta information says may be the lie that the file is refused for.
    for candidate in (syntax, EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG):
        if candidate and begins_like(buffer, size, offset, candidate):
            return _walk(buffer, size, offset, syntax=candidate)
    return {}


def _walk(buffer: Buffer, size: int, position: int, *, syntax: str) -> dict[int, str]:
    implicit, big = encoding_of(syntax)
    read_header = header_reader(implicit=implicit, big=big)
    found: dict[int, str] = {}
    try:
        for _number in range(MOST_ELEMENTS):
            if size - position < 8 or len(found) == 2:
                break
            tag, vr, value_at, length = read_header(buffer, position, size)
            if length == UNDEFINED:
                is_unknown = vr == b"UN"
                position = skip_sequence(
                    buffer, value_at, size, implicit=implicit or is_unknown, big=big and not is_unknown
                )
                continue
            position = value_at + length
            if tag in (SOP_CLASS_UID, SOP_INSTANCE_UID) and length <= 64 and position <= size:
                found[tag] = _uid(bytes(buffer[value_at:position]))
    except (Unreadable, struct.error):
        pass
    return found


def _uid(raw: bytes) -> str:
    """A valid UID, or nothing: half a name is another's."""
    text = raw.strip(b"\0 ").decode("ascii", "replace")
    return text if len(text) <= 64 and _UID.match(text) else ""
