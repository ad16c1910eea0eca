"""Files written element by element, as no toolkit would: for what a sender may do and pydicom will not."""

from __future__ import annotations

import struct

from pydicom.uid import generate_uid

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BIG_ENDIAN = "1.2.840.10008.1.2.2"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
LONG = ("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV")
UNDEFINED = 0xFFFFFFFF


def element(tag: int, vr: str, value: bytes, *, syntax: str = EXPLICIT, length: int | None = None) -> bytes:
    order = ">" if syntax == BIG_ENDIAN else "<"
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    length = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if syntax == IMPLICIT or tag >> 16 == 0xFFFE:
        return head + struct.pack(order + "I", length) + value
    if vr in LONG:
        return head + vr.encode() + b"\0\0" + struct.pack(order + "I", length) + value
    return head + vr.encode() + struct.pack(order + "H", length) + value


def number(tag: int, value: int, *, syntax: str = EXPLICIT) -> bytes:
    return element(tag, "US", struct.pack((">" if syntax == BIG_ENDIAN else "<") + "H", value), syntax=syntax)


def item(*elements: bytes, syntax: str = EXPLICIT) -> bytes:
    return element(0xFFFEE000, "", b"".join(elements), syntax=syntax)


class Written:
    """One small 8-bit image. `extra` are whole elements by tag: they replace, or stand where their tag belongs."""

    def __init__(
        self,
        *,
        syntax: str = EXPLICIT,
        charset: bytes = b"",
        name: bytes = b"Written^Raw",
        patient_id: bytes = b"RAW",
        sop_class: str = SECONDARY_CAPTURE,
        side: int = 4,
        bits: int = 8,
        photometric: bytes = b"MONOCHROME2",
        samples: int = 1,
        stored: int = 0,
        pixels: bytes | None = None,
        pixel_vr: str = "",
        extra: dict[int, bytes] | None = None,
    ) -> None:
        self.StudyInstanceUID, self.SeriesInstanceUID, self.SOPInstanceUID = (generate_uid() for _one in range(3))
        self.syntax = syntax
        self.sop_class = sop_class
        self.pixels = bytes(side * side * samples * (bits // 8)) if pixels is None else pixels
        values = {
            0x00080005: ("CS", charset),
            0x00080016: ("UI", sop_class.encode()),
            0x00080018: ("UI", self.SOPInstanceUID.encode()),
            0x00080020: ("DA", b"20240131"),
            0x00080030: ("TM", b"101500"),
            0x00080060: ("CS", b"OT"),
            0x00100010: ("PN", name),
            0x00100020: ("LO", patient_id),
            0x0020000D: ("UI", self.StudyInstanceUID.encode()),
            0x0020000E: ("UI", self.SeriesInstanceUID.encode()),
            0x00280004: ("CS", photometric),
            0x7FE00010: (pixel_vr or ("OB" if bits == 8 else "OW"), self.pixels),
        }
        self.elements = {tag: element(tag, vr, value, syntax=syntax) for tag, (vr, value) in values.items() if value}
        stored = stored or bits
        for tag, value in (
            (0x00280002, samples), (0x00280010, side), (0x00280011, side), (0x00280100, bits), (0x00280101, stored),
            (0x00280102, stored - 1), (0x00280103, 0),
        ):  # fmt: skip
            self.elements[tag] = number(tag, value, syntax=syntax)
        if samples > 1:
            self.elements[0x00280006] = number(0x00280006, 0, syntax=syntax)
        self.elements |= extra or {}

    def data_set(self) -> bytes:
        return b"".join(self.elements[tag] for tag in sorted(self.elements))

    def content(self) -> bytes:
        meta = (
            element(0x00020001, "OB", b"\0\1")
            + element(0x00020002, "UI", self.sop_class.encode())
            + element(0x00020003, "UI", self.SOPInstanceUID.encode())
            + element(0x00020010, "UI", self.syntax.encode())
        )
        return bytes(128) + b"DICM" + element(0x00020000, "UL", struct.pack("<I", len(meta))) + meta + self.data_set()
