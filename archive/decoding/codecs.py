"""What a decoder process does with a frame. Loaded there only: nothing else may start a codec."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Final

import imagecodecs
import numpy as np
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from archive.decoding.errors import DecodeError, Why
from archive.domain import codestreams, jpeg
from archive.domain.codestreams import Family
from archive.domain.elements import as_explicit_little, transfer_syntax_of
from archive.domain.part10.encodings import EXPLICIT_BIG

PIXEL_KEYWORDS: Final = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")

jpeg.register()


def decode_frame(
    *, frame: bytes, transfer_syntax: str, options: dict[str, Any], pixel_keyword: str
) -> tuple[np.ndarray[Any, Any], str]:
    """(pixels, photometric interpretation) of one coded frame without item tags. Raises `DecodeError`."""
    if codestreams.family_of(transfer_syntax) is Family.JPEG_XL:
        return _jpeg_xl(frame)
    everything = {"number_of_frames": 1, "pixel_keyword": pixel_keyword, "pixel_vr": "OW", **options}
    if options["photometric_interpretation"] == "RGB" and jpeg.is_luminance_and_chrominance(frame):
        # The stream knows better than the header what it holds.
        everything["photometric_interpretation"] = "YBR_FULL"

    def decoded(coded: bytes) -> tuple[np.ndarray[Any, Any], str]:
        pixels, found = get_decoder(UID(transfer_syntax)).as_array(encapsulate([coded]), index=0, **everything)
        return pixels, str(found["photometric_interpretation"])

    try:
        made = decoded(frame)
    except MemoryError:
        raise
    # The codecs behind pydicom raise whatever they like; for the caller it is one thing: this frame does not decode.
    except Exception as error:
        raise DecodeError(Why.DOES_NOT_DECODE) from error
    if codestreams.family_of(transfer_syntax) is Family.JPEG and _may_be_filled(made[0]):
        _require_no_filling(frame, made[0], decoded=lambda coded: decoded(coded)[0])
    return made


def _may_be_filled(pixels: np.ndarray[Any, Any]) -> bool:
    """Whether the image ends even, as what decoders put in the place of missing data does."""
    return pixels.shape[1] < 2 or bool((pixels[-1, -1] == pixels[-1, -2]).all())


def _require_no_filling(
    frame: bytes, pixels: np.ndarray[Any, Any], *, decoded: Callable[[bytes], np.ndarray[Any, Any]]
) -> None:
    """Decoders of JPEG fill what is missing with grey and say nothing: then more data makes another picture."""
    try:
        longer = codestreams.prolonged(frame)
        other = pixels if longer is None else decoded(longer)
    except MemoryError:
        raise
    # A codec that stumbles over data behind the image says nothing of the image.
    except Exception:  # noqa: BLE001
        return
    if not np.array_equal(other, pixels):
        raise DecodeError(Why.DAMAGED, "the coded data ends before the image")


def decode_in_file(*, content: bytes, number: int) -> tuple[np.ndarray[Any, Any], str]:
    """The same of frame `number` (from 1) of a whole file: for what cannot be read frame by frame."""
    try:
        if transfer_syntax_of(io.BytesIO(content)) == EXPLICIT_BIG:
            # Bytes of odd frames are turned with those of their neighbours (PS3.5 8.1.1), which pydicom does not do.
            content = as_explicit_little(io.BytesIO(content), with_pixels=True)
        dataset = dcmread(io.BytesIO(content))
        keyword = next((name for name in PIXEL_KEYWORDS if name in dataset), None)
        if keyword is None:
            raise DecodeError(Why.NO_PIXELS)
        syntax = UID(str(dataset.file_meta.TransferSyntaxUID))
        if syntax.is_encapsulated:
            frames = int(dataset.get("NumberOfFrames") or 1)
            frame = bytes(get_frame(dataset.PixelData, number - 1, number_of_frames=frames))
            description = codestreams.Description(
                rows=int(dataset.Rows),
                columns=int(dataset.Columns),
                samples=int(dataset.get("SamplesPerPixel") or 1),
                bits_allocated=int(dataset.BitsAllocated),
            )
            codestreams.check(codestreams.of_bytes(frame), transfer_syntax=syntax, description=description)
        pixels, found = get_decoder(syntax).as_array(dataset, index=number - 1)
    except (MemoryError, DecodeError):
        raise
    except codestreams.Damaged as error:
        raise DecodeError(Why.DAMAGED, error.reason) from error
    except Exception as error:
        raise DecodeError(Why.DOES_NOT_DECODE) from error
    return pixels, str(found["photometric_interpretation"])


def _jpeg_xl(frame: bytes) -> tuple[np.ndarray[Any, Any], str]:
    try:
        pixels = imagecodecs.jpegxl_decode(frame)
    except MemoryError:
        raise
    except Exception as error:
        raise DecodeError(Why.DOES_NOT_DECODE) from error
    colour = pixels.ndim == 3 and pixels.shape[2] >= 3
    return (
        pixels[..., :3] if colour else pixels.reshape(pixels.shape[:2]),
        "RGB" if colour else "MONOCHROME2",
    )
