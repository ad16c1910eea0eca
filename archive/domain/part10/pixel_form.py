"""Whether the pixel data has the form that the transfer syntax promises."""

from __future__ import annotations

from archive.domain.part10.encodings import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE, STANDARD_ROOT
from archive.domain.part10.layout import PIXEL_DATA, Layout, Unreadable

# First bytes that belong to one family of codecs only.
JPEG_FAMILY = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 52, 53, 54, 55, 56, 57, 70, 80, 81))
JPEG_2000_FAMILY = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 92, 93, 201, 202, 203))
JPEG_2000_STARTS = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP  ")
# A codestream as it is, or the item that holds a fragment.
CODED_STARTS = (b"\xff\xd8\xff", *JPEG_2000_STARTS, b"\xfe\xff\x00\xe0")
NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED})


def check_pixel_form(layout: Layout) -> None:
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
        start = bytes(layout.buffer[element.offset : element.offset + min(element.length, 12)])
        if start.startswith(CODED_STARTS):
            raise Unreadable(
                "transfer-syntax-mismatch",
                f"The pixel data is compressed ({uid}) but not encapsulated: it has a defined length instead of "
                "fragments (PS3.5 A.4).",
            )
        raise Unreadable(
            "transfer-syntax-mismatch",
            f"The file meta information says compressed transfer syntax {uid}, but the pixel data is not compressed.",
        )
    if not layout.fragments:
        return
    position, length = layout.fragments[0]
    start = bytes(layout.buffer[position + 8 : position + 8 + min(length, 12)])
    is_jpeg = start.startswith(b"\xff\xd8\xff")
    is_jpeg_2000 = start.startswith(JPEG_2000_STARTS)
    if (uid in JPEG_FAMILY and is_jpeg_2000) or (uid in JPEG_2000_FAMILY and is_jpeg):
        raise Unreadable(
            "transfer-syntax-mismatch",
            f"The file meta information says transfer syntax {uid}, but the pixel data is coded in another one.",
        )
