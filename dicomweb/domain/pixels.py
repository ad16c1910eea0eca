"""Frames as they go out: which may travel as stored, and how the others are decoded (PS3.5 8, PS3.18 8.7.3.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import get_j2k_parameters, pack_bits
from pydicom.uid import UID

from archive.domain import jpeg
from dicomweb.domain.media import EXPLICIT_VR_LITTLE_ENDIAN

jpeg.register()

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
# Byte orders and packings that PS3.18 8.7.3.4 keeps off the web, whatever the client asks for.
NEVER_ON_THE_WEB: Final = frozenset({IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, DEFLATED})
# Brought into little endian as a whole before anything is read from them.
REWRITTEN: Final = frozenset({EXPLICIT_VR_BIG_ENDIAN, DEFLATED})
SUBSAMPLED: Final = "YBR_FULL_422"

PIXEL_KEYWORDS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
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
# A decoded frame of more than this is not an image any more but an attack on the memory.
MAXIMUM_FRAME_BYTES: Final = 2 * 1024**3


class DecodeError(Exception):
    """The frame cannot be decoded; the text says why, without identifying data."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame: `pixels` is (rows, columns) or (rows, columns, samples), colour by pixel."""

    pixels: np.ndarray[Any, Any]
    photometric_interpretation: str


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


def options_of(header: Dataset) -> dict[str, Any]:
    """The image pixel description in the form that the decoders take. Raises `DecodeError`."""
    try:
        rows, columns = int(header.Rows), int(header.Columns)
        allocated = int(header.BitsAllocated)
        samples = int(header.get("SamplesPerPixel") or 1)
        options: dict[str, Any] = {
            "rows": rows,
            "columns": columns,
            "samples_per_pixel": samples,
            "bits_allocated": allocated,
            "bits_stored": int(header.get("BitsStored") or allocated),
            "pixel_representation": int(header.get("PixelRepresentation") or 0),
            "photometric_interpretation": str(header.get("PhotometricInterpretation") or "MONOCHROME2").strip(),
        }
        if samples > 1:
            options["planar_configuration"] = int(header.get("PlanarConfiguration") or 0)
    except (AttributeError, TypeError, ValueError) as error:
        raise DecodeError("The description of the pixels is incomplete.") from error
    if rows * columns * samples * max(allocated, 8) // 8 > MAXIMUM_FRAME_BYTES:
        raise DecodeError("The frame is larger than this server decodes.")
    return options


def decode(*, header: Dataset, frame: bytes, transfer_syntax: str, pixel_keyword: str = "PixelData") -> Frame:
    """Decode one frame as stored (without item tags) to pixels; YBR becomes RGB. Raises `DecodeError`."""
    options = options_of(header)
    if transfer_syntax == IMPLICIT_VR_LITTLE_ENDIAN:
        transfer_syntax = EXPLICIT_VR_LITTLE_ENDIAN
    if transfer_syntax in JPEG_XL:
        return _decode_jpeg_xl(frame)
    if transfer_syntax not in DECODABLE:
        raise DecodeError(f"Frames in transfer syntax {transfer_syntax} cannot be decoded here.")
    source = frame if transfer_syntax in NATIVE else encapsulate([frame])
    return _run_decoder(source=source, transfer_syntax=transfer_syntax, options=options, pixel_keyword=pixel_keyword)


def decode_from_dataset(*, dataset: Dataset, number: int) -> Frame:
    """Decode frame `number` (from 1) of a whole data set: for what cannot be read frame by frame."""
    keyword = next((name for name in PIXEL_KEYWORDS if name in dataset), None)
    if keyword is None:
        raise DecodeError("The object has no pixel data.")
    options_of(dataset)
    transfer_syntax = str(dataset.file_meta.TransferSyntaxUID)
    try:
        pixels, found = get_decoder(UID(transfer_syntax)).as_array(dataset, index=number - 1)
    except Exception as error:
        raise DecodeError("The pixel data does not decode.") from error
    return Frame(pixels=pixels, photometric_interpretation=str(found["photometric_interpretation"]))


def _run_decoder(*, source: bytes, transfer_syntax: str, options: dict[str, Any], pixel_keyword: str) -> Frame:
    try:
        everything: dict[str, Any] = {
            "number_of_frames": 1,
            "pixel_keyword": pixel_keyword,
            "pixel_vr": "OW",
            **options,
        }
        pixels, found = get_decoder(UID(transfer_syntax)).as_array(source, index=0, **everything)
    # The codecs behind pydicom raise whatever they like; for the caller it is one thing: this frame does not decode.
    except Exception as error:
        raise DecodeError("The pixel data does not decode.") from error
    return Frame(pixels=pixels, photometric_interpretation=str(found["photometric_interpretation"]))


def _decode_jpeg_xl(frame: bytes) -> Frame:
    import imagecodecs

    try:
        pixels = imagecodecs.jpegxl_decode(frame)
    except Exception as error:
        raise DecodeError("The pixel data does not decode.") from error
    colour = pixels.ndim == 3 and pixels.shape[2] >= 3
    return Frame(
        pixels=pixels[..., :3] if colour else pixels.reshape(pixels.shape[:2]),
        photometric_interpretation="RGB" if colour else "MONOCHROME2",
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
