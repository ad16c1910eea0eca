"""Raw values as the values of the DICOM JSON model (PS3.18 F.2): the same for the index and for metadata."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, Final

from archive.domain import text

#: Text in the data set's character set; the others are of the default repertoire (PS3.5 6.2).
TEXT_VRS: Final = frozenset({"SH", "LO", "ST", "LT", "UT", "UC", "PN"})
SINGLE_VALUED: Final = frozenset({"ST", "LT", "UT", "UR"})
PLAIN_VRS: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
NUMBERS: Final = {"US": "H", "SS": "h", "UL": "I", "SL": "i", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
DECODED: Final = TEXT_VRS | PLAIN_VRS | frozenset(NUMBERS) | {"AT"}
#: Whole numbers beyond it are not exact in every reader of JSON (RFC 8259 6).
EXACT: Final = 2**53


def decode(*, vr: str, raw: bytes, encodings: Sequence[str], big: bool, most: int | None = None) -> list[Any]:
    """The values of an element; an empty part among others is None (PS3.18 F.2.5), nothing but empty parts is no value.

    `most` numbers are read at most. Binary representations and sequences are not decoded here.
    """
    if vr in NUMBERS:
        return _numbers(raw, code=NUMBERS[vr], big=big, most=most)
    if vr == "AT":
        words = struct.unpack_from(f"{'>' if big else '<'}{_count(len(raw) // 4, most) * 2}H", raw)
        return [f"{words[i]:04X}{words[i + 1]:04X}" for i in range(0, len(words), 2)]
    decoded = text.decode(raw, encodings if vr in TEXT_VRS else (), is_name=vr == "PN")
    parts = [decoded.rstrip(" ")] if vr in SINGLE_VALUED else [part.strip(" ") for part in decoded.split("\\")]
    if vr == "PN":
        names = [text.name_parts(part) or None for part in parts]
        return names if any(names) else []
    if not any(parts):
        return []
    if vr in ("IS", "DS"):
        return [number(part, whole=vr == "IS") for part in parts]
    return [part or None for part in parts]


def _count(found: int, most: int | None) -> int:
    return found if most is None else min(found, most)


def _numbers(raw: bytes, *, code: str, big: bool, most: int | None) -> list[Any]:
    count = _count(len(raw) // struct.calcsize(code), most)
    # JSON knows neither NaN nor infinity.
    return [_fit(value) for value in struct.unpack_from(f"{'>' if big else '<'}{count}{code}", raw)]


def _fit(value: float) -> float | str | None:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if abs(value) < EXACT else str(value)


def number(written: str, *, whole: bool) -> int | float | str | None:
    """PS3.18 F.2.3.1: IS and DS are numbers where they are ones, and stay text where they are not."""
    if not written:
        return None
    try:
        value = float(written)
    except ValueError:
        return written
    if not math.isfinite(value) or "_" in written:
        return written
    if value.is_integer():
        return int(value) if abs(value) < EXACT else written
    return written if whole else value
