"""Frames as they go out: which may travel as stored, and how the others are decoded (PS3.5 8, PS3.18 8.7.3.3)."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.utils import get_j2k_parameters, pack_bits

from archive import decoding
from archive.decoding import Decoded, DecodeError, Why
from dicomweb.domain.media import EXPLICIT_VR_LITTLE_ENDIAN

__all__ = ["DecodeError", "Frame", "Why"]

Frame = Decoded
IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
NATIVE: Final = frozenset({IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED, EXPLICIT_VR_BIG_ENDIAN})
JPEG_EXTENDED: Final = "1.2.840.10008.1.2.4.51"
JPEG_2000: Final = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203))
JPEG_XL: Final = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (110, 111, 112))
DECODABLE: Final = NATIVE | JPEG_2000 | JPEG_XL | frozenset(
    {
        "1.2.840.10008.1.2.4.50",
        JPEG_EXTENDED,
        "1.2.840.10008.1.2.4.57",
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.5",
    }
)  # fmt: skip
LITTLE_ENDIAN: Final = frozenset({IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN})
# Byte orders and packings that PS3.18 8.7.3.4 keeps off the web, whatever the client asks for.
NEVER_ON_THE_WEB: Final = frozenset({IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, DEFLATED})
# Brought into little endian as a whole before anything is read from them.
REWRITTEN: Final = frozenset({EXPLICIT_VR_BIG_ENDIAN, DEFLATED})
SUBSAMPLED: Final = "YBR_FULL_422"

# Samples per Pixel, Photometric Interpretation, Planar Configuration, Bits Allocated and Stored, Pixel Representation.
INDEXED_TAGS: Final = ("00280002", "00280004", "00280006", "00280100", "00280101", "00280103")
HEADER_TAGS: Final = (
    "SpecificCharacterSet",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
)


def is_native(transfer_syntax: str) -> bool:
    return transfer_syntax in NATIVE


def must_decode(*, transfer_syntax: str, photometric_interpretation: str, signed: bool, head: bytes = b"") -> bool:
    """Whether a frame would be shown wrongly by browsers, so that it leaves decoded even to who takes it as stored.

    JPEG Extended: browser codecs shift 12-bit values. Subsampled uncompressed colour and JPEG 2000 whose sign differs
    from the header: not handled. Deflated and big endian do not exist on the web (PS3.18 8.7.3.4). `head` is the
    beginning of the frame's codestream.
    """
    if transfer_syntax in (DEFLATED, EXPLICIT_VR_BIG_ENDIAN, JPEG_EXTENDED):
        return True
    if transfer_syntax in NATIVE:
        return photometric_interpretation == SUBSAMPLED
    if transfer_syntax in JPEG_2000 and head and photometric_interpretation.startswith("MONOCHROME"):
        found = get_j2k_parameters(head)
        return bool(found) and bool(found.get("is_signed")) != signed
    return False


def metadata_changes(*, transfer_syntax: str, photometric_interpretation: str) -> dict[str, Any]:
    """What the metadata must say about frames that leave decoded although they are stored uncompressed."""
    if transfer_syntax in NATIVE and photometric_interpretation == SUBSAMPLED:
        return {
            "00280004": {"vr": "CS", "Value": ["RGB"]},
            "00280006": {"vr": "US", "Value": [0]},
        }
    return {}


def decode(*, header: Dataset, frame: bytes, transfer_syntax: str, pixel_keyword: str = "PixelData") -> Frame:
    """Decode one frame as stored (without item tags) to pixels; YBR becomes RGB. Raises `DecodeError`."""
    options = decoding.options_of(header)
    if transfer_syntax not in DECODABLE:
        raise DecodeError(Why.SYNTAX_UNKNOWN, transfer_syntax)
    return decoding.decode_frame(
        frame=frame, transfer_syntax=transfer_syntax, options=options, pixel_keyword=pixel_keyword
    )


def to_little_endian(frame: Frame, *, bits_allocated: int) -> bytes:
    """The frame's native bytes: colour by pixel, bits packed when one bit is allocated."""
    pixels = frame.pixels
    if bits_allocated == 1:
        return pack_bits(pixels.astype(np.uint8), pad=False)
    wanted = pixels.dtype.newbyteorder("<")
    if bits_allocated % 8 == 0 and pixels.dtype.kind in "iu" and pixels.dtype.itemsize != bits_allocated // 8:
        wanted = np.dtype(f"<{pixels.dtype.kind}{bits_allocated // 8}")
    return np.ascontiguousarray(pixels, dtype=wanted).tobytes()
