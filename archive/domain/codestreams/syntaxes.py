"""Which codec a transfer syntax calls for (PS3.5 10, PS3.6 A)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Family(StrEnum):
    JPEG = "JPEG"
    JPEG_LS = "JPEG-LS"
    JPEG_2000 = "JPEG 2000"
    JPEG_XL = "JPEG XL"
    RLE = "RLE"
    DEFLATE = "deflate"
    VIDEO = "video"


_ROOT: Final = "1.2.840.10008.1.2."
_FAMILIES: Final[dict[str, Family]] = {
    **{f"{_ROOT}4.{n}": Family.JPEG for n in range(50, 67)},
    f"{_ROOT}4.70": Family.JPEG,
    f"{_ROOT}4.80": Family.JPEG_LS,
    f"{_ROOT}4.81": Family.JPEG_LS,
    **{f"{_ROOT}4.{n}": Family.JPEG_2000 for n in (90, 91, 92, 93, 201, 202, 203)},
    **{f"{_ROOT}4.{n}": Family.JPEG_XL for n in (110, 111, 112)},
    **{f"{_ROOT}4.{n}": Family.VIDEO for n in range(100, 109)},
    f"{_ROOT}5": Family.RLE,
    f"{_ROOT}8.1": Family.DEFLATE,
}
# Components stand for slices as well as for colours (PS3.5 A.4.5).
MANY_COMPONENTS: Final = frozenset({f"{_ROOT}4.92", f"{_ROOT}4.93"})


def family_of(transfer_syntax: str) -> Family | None:
    """None for uncompressed and unknown transfer syntaxes."""
    return _FAMILIES.get(transfer_syntax)
