"""Compressed frames that ask for far more than they show, made from small honest ones."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import imagecodecs
import numpy as np

SYNTAX = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"


def picture(side: int = 64, *, bits: int = 16) -> np.ndarray[Any, Any]:
    y, x = np.mgrid[0:side, 0:side]
    return ((x * 37 + y * 91) % (1 << min(bits, 12))).astype("<u2" if bits > 8 else "u1")


def jpeg(side: int) -> bytes:
    data = bytearray(imagecodecs.jpeg8_encode(picture(bits=8)))
    return _with_frame_header(data, side, marker=0xC0)


def jpeg_lossless(side: int) -> bytes:
    data = bytearray(imagecodecs.jpeg8_encode(picture(), lossless=True, bitspersample=12))
    return _with_frame_header(data, side, marker=0xC3)


def jpeg_ls(side: int) -> bytes:
    return _with_frame_header(bytearray(imagecodecs.jpegls_encode(picture())), side, marker=0xF7)


def _with_frame_header(data: bytearray, side: int, *, marker: int) -> bytes:
    at = data.index(bytes((0xFF, marker)))
    data[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(data)


def jpeg_2000(side: int) -> bytes:
    return _with_size(bytearray(imagecodecs.jpeg2k_encode(picture(), reversible=True, codecformat="j2k")), side)


def htj2k(side: int) -> bytes:
    return _with_size(bytearray(imagecodecs.htj2k_encode(picture(), reversible=True)), side)


def _with_size(data: bytearray, side: int) -> bytes:
    at = data.index(b"\xff\x51") + 6
    data[at : at + 8] = struct.pack(">II", side, side)
    data[at + 16 : at + 24] = struct.pack(">II", side, side)
    return bytes(data)


def jpeg_xl(side: int) -> bytes:
    """The header of 18181-1 D.2 with 18-bit sizes, all defaults, then nothing."""
    bits = "0" + _u32(side) + "000" + _u32(side) + "1"
    return b"\xff\x0a" + int(bits[::-1], 2).to_bytes(len(bits) // 8 + 1, "little") + bytes(32)


def _u32(value: int) -> str:
    """Lowest bit first: selector 2, then 18 bits of the value less one."""
    return "01" + "".join(str(value - 1 >> bit & 1) for bit in range(18))


def rle(segments: int) -> bytes:
    bodies = [b"\x81\x00" * 32] * segments
    offsets = [64 + 64 * number for number in range(segments)]
    return struct.pack("<16I", segments, *offsets, *[0] * (15 - segments)) + b"".join(bodies)


def deflated(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    zeros = bytes(1 << 20)
    parts = [packer.compress(zeros) for _unused in range(size >> 20)]
    return b"".join(parts) + packer.flush()


FRAMES = {
    "JPEG": (f"{SYNTAX}50", jpeg, 8),
    "JPEG lossless": (f"{SYNTAX}70", jpeg_lossless, 16),
    "JPEG-LS": (f"{SYNTAX}80", jpeg_ls, 16),
    "JPEG 2000": (f"{SYNTAX}90", jpeg_2000, 16),
    "HTJ2K": (f"{SYNTAX}201", htj2k, 16),
    "JPEG XL": (f"{SYNTAX}110", jpeg_xl, 16),
}
