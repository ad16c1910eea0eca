"""What a receiver adds to and checks of a data set on the fly: the file meta information, and who the object is."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import Final

from dimse.domain.negotiation import DEFLATED, EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, UNCOMPRESSED

SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
WANTED: Final = frozenset({SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID})
UNDEFINED: Final = 0xFFFFFFFF
# The identity lies in the first kilobytes; what hides it behind more is left to the index.
PEEK_BYTES: Final = 64 * 1024
MAXIMUM_DEPTH: Final = 16

LONG_VRS: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS: Final = frozenset(
    {
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
        b"ST", b"TM", b"UI", b"UL", b"US",
    }
)  # fmt: skip
PIXEL_DATA: Final = 0x7FE00010
_UID = re.compile(rb"[0-9]+(?:\.[0-9]+)+\Z")


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    if len(value) % 2:
        value += b"\0" if vr in (b"UI", b"OB") else b" "
    if vr == b"OB":
        return struct.pack("<HH2sHI", 2, element, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value


def file_meta(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    implementation_class: str,
    implementation_version: str,
    source_ae_title: str,
    receiving_ae_title: str,
) -> bytes:
    """Preamble and file meta information of a received object (PS3.10 7.1). Empty AE titles are left out."""
    titles = ((0x0016, source_ae_title), (0x0018, receiving_ae_title))
    group = b"".join(
        (
            _element(0x0001, b"OB", b"\x00\x01"),
            _element(0x0002, b"UI", sop_class_uid.encode("ascii")),
            _element(0x0003, b"UI", sop_instance_uid.encode("ascii")),
            _element(0x0010, b"UI", transfer_syntax_uid.encode("ascii")),
            _element(0x0012, b"UI", implementation_class.encode("ascii")),
            _element(0x0013, b"SH", implementation_version.encode("ascii")),
            *(_element(number, b"AE", title.encode("ascii", "replace")) for number, title in titles if title),
        )
    )
    return bytes(128) + b"DICM" + _element(0x0000, b"UL", struct.pack("<I", len(group))) + group


@dataclass(frozen=True, slots=True)
class Identity:
    """The UIDs as the data set writes them; None: not there. `is_conclusive` is false when the look ended too early."""

    values: dict[int, bytes]
    is_conclusive: bool
    # Proven: every element lies inside the data set, and native pixel data ends with it. False: it takes a longer look.
    is_plain_image: bool = False

    def text(self, tag: int) -> str:
        return self.values.get(tag, b"").decode("latin-1")

    def fault(self, *, sop_class_uid: str, sop_instance_uid: str) -> tuple[str, str] | None:
        """(kind, sentence) when the object contradicts its command or does not say who it is.

        Kinds: "class" and "instance" (another one than the command names), "missing" (a UID is, or is none).
        """
        for tag, expected, kind, name in (
            (SOP_CLASS_UID, sop_class_uid, "class", "SOP Class UID"),
            (SOP_INSTANCE_UID, sop_instance_uid, "instance", "SOP Instance UID"),
        ):
            if tag in self.values and self.values[tag] and self.text(tag) != expected:
                return kind, f"{name} of data set and command differ"
        for tag, name in (
            (SOP_CLASS_UID, "SOP Class UID"),
            (SOP_INSTANCE_UID, "SOP Instance UID"),
            (STUDY_INSTANCE_UID, "Study Instance UID"),
            (SERIES_INSTANCE_UID, "Series Instance UID"),
        ):
            value = self.values.get(tag)
            if not value and (self.is_conclusive or value is not None):
                return "missing", f"{name} is missing"
            if value and (len(value) > 64 or not _UID.match(value)):
                return "missing", f"{name} is not a UID"
        return None


def peek(data: bytes, *, transfer_syntax_uid: str, size: int) -> Identity:
    """Look at the beginning of a data set of `size` bytes. Never raises: what cannot be walked is inconclusive."""
    is_whole = size == len(data)
    if transfer_syntax_uid == DEFLATED:
        try:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, PEEK_BYTES)
        except zlib.error:
            return Identity({}, is_conclusive=False)
        is_whole = is_whole and len(data) < PEEK_BYTES
    walker = _Walker(
        data=data,
        implicit=transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN,
        big=transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN,
    )
    values: dict[int, bytes] = {}
    try:
        conclusive = walker.collect(values) or (is_whole and walker.at_end)
    except (struct.error, _Lost):
        return Identity(values, is_conclusive=False)
    is_plain = transfer_syntax_uid in UNCOMPRESSED and walker.ends_with_pixels(size)
    return Identity(values, is_conclusive=conclusive, is_plain_image=is_plain)


class _Lost(Exception):
    """The walk left what can be understood."""


class _Walker:
    def __init__(self, *, data: bytes, implicit: bool, big: bool) -> None:
        self._data = data
        self._implicit = implicit
        order = ">" if big else "<"
        self._short = struct.Struct(order + "HH2sH").unpack_from
        self._plain = struct.Struct(order + "HHI").unpack_from
        self._long = struct.Struct(order + "I").unpack_from
        self.position = 0

    @property
    def at_end(self) -> bool:
        return self.position >= len(self._data)

    def _header(self) -> tuple[int, int]:
        """(tag, length); leaves the position at the value."""
        if not self._implicit:
            group, element, vr, length = self._short(self._data, self.position)
            if group != 0xFFFE and vr not in LONG_VRS:
                if not (vr.isalpha() and vr.isupper()):
                    raise _Lost
                self.position += 8
                return group << 16 | element, length
            if group != 0xFFFE:
                (length,) = self._long(self._data, self.position + 8)
                self.position += 12
                return group << 16 | element, length
        group, element, length = self._plain(self._data, self.position)
        self.position += 8
        return group << 16 | element, length

    def collect(self, values: dict[int, bytes]) -> bool:
        """Gather the wanted values; true when everything up to the last wanted tag was seen."""
        while self.position < len(self._data):
            begun = self.position
            tag, length = self._header()
            if tag > SERIES_INSTANCE_UID and tag >> 16 != 0xFFFE:
                # Elements stand in rising order (PS3.5 7.1): nothing wanted follows.
                self.position = begun
                return True
            if length == UNDEFINED:
                self._skip_sequence(depth=0)
                continue
            end = self.position + length
            if tag in WANTED:
                if end > len(self._data):
                    raise _Lost
                values[tag] = self._data[self.position : end].strip(b"\0 ")
            self.position = end
        return False

    def ends_with_pixels(self, size: int) -> bool:
        """Whether plain elements lead from here to native pixel data that ends the data set: no more than a few steps.

        Any doubt is a no: sequences, odd VRs, a header behind the look, something behind the pixels.
        """
        data, implicit = self._data, self._implicit
        most = len(data) - 12
        position = self.position
        while position <= most:
            group, element, vr, length = self._short(data, position)
            if implicit:
                group, element, length = self._plain(data, position)
                position += 8
            elif vr in SHORT_VRS:
                position += 8
            elif vr in LONG_VRS:
                (length,) = self._long(data, position + 8)
                position += 12
            else:
                return False
            if length == UNDEFINED or group == 0xFFFE:
                return False
            position += length
            if group << 16 | element == PIXEL_DATA:
                return bool(position == size)
        return False

    def _skip_sequence(self, *, depth: int) -> None:
        if depth > MAXIMUM_DEPTH:
            raise _Lost
        while True:
            group, element, length = self._plain(self._data, self.position)
            self.position += 8
            if (group, element) == (0xFFFE, 0xE0DD):
                return
            if (group, element) != (0xFFFE, 0xE000):
                raise _Lost
            if length != UNDEFINED:
                self.position += length
                continue
            while True:
                tag, inner = self._header()
                if tag == 0xFFFEE00D:
                    break
                if inner == UNDEFINED:
                    self._skip_sequence(depth=depth + 1)
                else:
                    self.position += inner
