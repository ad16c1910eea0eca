"""JPEG of every kind that DICOM knows (PS3.5 8.2.1, A.4.1) by libjpeg-turbo, as a decoding plug-in of pydicom.

8-bit baseline, 12-bit extended and lossless up to 16 bits. Lossless frames come out bit by bit as they were; of lossy ones
two right decoders may differ by one step (ITU-T T.83).
"""

from __future__ import annotations

from typing import Any, Final

import imagecodecs
import numpy as np
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1

NAME: Final = "imagecodecs"
SYNTAXES: Final = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLossless, JPEGLosslessSV1)
END_OF_IMAGE: Final = b"\xff\xd9"
START_OF_SCAN: Final = 0xDA
JFIF: Final = 0xE0
ADOBE: Final = 0xEE
#: Baseline, extended sequential, progressive (ITU-T T.81 table B.1).
LOSSY_FRAMES: Final = (0xC0, 0xC1, 0xC2)
# How much may follow the end of a stream in its last fragment.
PADDING_BYTES: Final = 1024
# Asked for by pydicom of every plug-in.
DECODER_DEPENDENCIES: Final = dict.fromkeys(SYNTAXES, ("imagecodecs>=2024.9",))


def is_available(uid: str) -> bool:
    return uid in SYNTAXES and bool(imagecodecs.JPEG8.available)


def decode_frame(source: bytes, runner: Any) -> bytes:
    """The frame's native bytes, colour by pixel, in the colour space it was coded in. Raises on damage."""
    # The library fills up what is missing at the end of a stream with grey; that would pass for an image.
    if END_OF_IMAGE not in source[-PADDING_BYTES:]:
        raise ValueError("the frame was cut")
    if runner.samples_per_pixel == 1:
        pixels = imagecodecs.jpeg8_decode(source)
    else:
        # The same space on both sides: nothing is converted, as what it means stands in the header.
        pixels = imagecodecs.jpeg8_decode(source, colorspace="YCBCR", outcolorspace="YCBCR")
        runner.set_option("planar_configuration", 0)
    expected = (runner.rows, runner.columns)
    if pixels.shape[:2] != expected:
        raise ValueError(f"the frame is {pixels.shape[:2]}, the header says {expected}")
    runner.set_option("bits_allocated", pixels.dtype.itemsize * 8)
    native: bytes = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).tobytes()
    return native


def is_luminance_and_chrominance(source: bytes) -> bool:
    """Whether a lossy stream of three components holds YCbCr, by its own word, whatever the header says.

    The JFIF marker says so. Where neither it nor Adobe's is there, components 1, 2 and 3 whose last two share tables of
    their own are luminance and two chrominances: RGB has one table for all, and other names.
    """
    position, has_jfif = 2, False
    while position + 4 <= len(source) and source[position] == 0xFF:
        marker, length = source[position + 1], int.from_bytes(source[position + 2 : position + 4], "big")
        body = source[position + 4 : position + 2 + length]
        if marker == ADOBE:
            return False
        if marker == JFIF and body.startswith(b"JFIF\0"):
            has_jfif = True
        if marker in LOSSY_FRAMES:
            names, tables = body[6:15:3], body[8:15:3]
            return has_jfif or (names == b"\x01\x02\x03" and tables[0:1] != tables[1:2] == tables[2:3])
        if marker == START_OF_SCAN or length < 2:
            return False
        position += 2 + length
    return False


def register() -> None:
    """Make pydicom use it, once a process."""
    for syntax in SYNTAXES:
        decoder = get_decoder(UID(syntax))
        if NAME not in decoder.available_plugins:
            decoder.add_plugin(NAME, (__name__, "decode_frame"))
