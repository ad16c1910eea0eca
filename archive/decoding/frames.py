"""One frame in, its pixels out: checked first, then decoded elsewhere where it is compressed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID

from archive.decoding.budget import memory_of_sample, to_decode
from archive.decoding.errors import DecodeError, Why
from archive.decoding.pool import budget, pool
from archive.domain import codestreams
from archive.domain.codestreams import MAXIMUM_FRAME_BYTES, Damaged, Description
from archive.domain.frames import is_subsampled

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
# What a decoder may use beside the pixels and what `memory_of_sample` says.
BASE_MEMORY_BYTES: Final = 256 << 20
BASE_SECONDS: Final = 10
BYTES_IN_A_SECOND: Final = 8 << 20
# Beside the pixels, in a file that is read whole.
HEADER_BYTES: Final = 64 << 20
# The most that is read as a whole, by whoever reads one: where a frame's place is not known.
MAXIMUM_FILE_BYTES: Final = 2 * MAXIMUM_FRAME_BYTES


@dataclass(frozen=True, slots=True)
class Decoded:
    """`pixels` is (rows, columns) or (rows, columns, samples), colour by pixel, YBR turned into RGB."""

    pixels: np.ndarray[Any, Any]
    photometric_interpretation: str


def description_of(options: dict[str, Any]) -> Description:
    """The part of a decoder's options that says how large a frame is."""
    return Description(
        rows=options["rows"],
        columns=options["columns"],
        samples=options["samples_per_pixel"],
        bits_allocated=options["bits_allocated"],
        photometric_interpretation=options["photometric_interpretation"],
    )


def decode_frame(
    *, frame: bytes, transfer_syntax: str, options: dict[str, Any], pixel_keyword: str = "PixelData"
) -> Decoded:
    """Decode one frame as stored (without item tags). Raises `DecodeError` before anything large is allocated, `Busy`."""
    description = description_of(options)
    family = codestreams.family_of(transfer_syntax)
    is_compressed = family is not None
    try:
        if is_compressed:
            codestreams.check(codestreams.of_bytes(frame), transfer_syntax=transfer_syntax, description=description)
        else:
            codestreams.check_native(length=len(frame), description=description)
    except Damaged as error:
        raise DecodeError(Why.DAMAGED, error.reason) from error
    with budget().share(to_decode(description, family=family, coded=len(frame))):
        if not is_compressed:
            return _native(frame, transfer_syntax=transfer_syntax, options=options, pixel_keyword=pixel_keyword)
        return _compressed(frame, transfer_syntax=transfer_syntax, options=options, pixel_keyword=pixel_keyword)


def _compressed(frame: bytes, *, transfer_syntax: str, options: dict[str, Any], pixel_keyword: str) -> Decoded:
    fields = {
        "kind": "frame",
        "transfer_syntax": transfer_syntax,
        "options": options,
        "pixel_keyword": pixel_keyword,
    }
    each = memory_of_sample(codestreams.family_of(transfer_syntax))
    return _in_child(fields, frame, description=description_of(options), memory_of_sample=each, more_memory=0)


def decode_in_file(*, file: BinaryIO, options: dict[str, Any], number: int, number_of_frames: int) -> Decoded:
    """Decode frame `number` (from 1) of a whole file whose frames have no known place. Raises `DecodeError`, `Busy`.

    The file is seekable. One that is too large is refused before any of it is read.
    """
    description = description_of(options)
    size = codestreams.frame_bytes(description)
    whole = size * max(1, number_of_frames)
    length = file.seek(0, os.SEEK_END)
    if whole > MAXIMUM_FRAME_BYTES or length > MAXIMUM_FILE_BYTES:
        raise DecodeError(Why.OBJECT_TOO_LARGE)
    # Once as it came, once unpacked or with its bytes turned, and once as the pixels that are read from that.
    more = 3 * length + 3 * whole + HEADER_BYTES
    # What is in the file is a matter of the file: the family that takes most.
    family = codestreams.Family.JPEG_2000
    with budget().share(more + to_decode(description, family=family, coded=length)):
        file.seek(0)
        content = file.read()
        fields = {"kind": "file", "number": number}
        return _in_child(
            fields, content, description=description, memory_of_sample=memory_of_sample(family), more_memory=more
        )


def _native(frame: bytes, *, transfer_syntax: str, options: dict[str, Any], pixel_keyword: str) -> Decoded:
    syntax = EXPLICIT_LITTLE if transfer_syntax == IMPLICIT_LITTLE else transfer_syntax
    everything = {"number_of_frames": 1, "pixel_keyword": pixel_keyword, "pixel_vr": "OW", **options}
    if is_subsampled(options["photometric_interpretation"]) and len(frame) >= codestreams.frame_bytes(
        description_of(options)
    ):
        # It says so and is not: three samples a pixel are there.
        everything["photometric_interpretation"] = "YBR_FULL"
    try:
        pixels, found = get_decoder(UID(syntax)).as_array(frame, index=0, **everything)
    # pydicom raises many kinds for a description that makes no sense.
    except Exception as error:
        raise DecodeError(Why.DOES_NOT_DECODE) from error
    return Decoded(pixels=pixels, photometric_interpretation=str(found["photometric_interpretation"]))


def _in_child(
    fields: dict[str, Any], payload: bytes, *, description: Description, memory_of_sample: int, more_memory: int
) -> Decoded:
    size = codestreams.frame_bytes(description)
    samples = description.rows * description.columns * description.samples
    said, answer = pool().run(
        fields,
        payload,
        memory_bytes=BASE_MEMORY_BYTES + memory_of_sample * samples + more_memory,
        seconds=BASE_SECONDS + size // BYTES_IN_A_SECOND,
        # Codecs give floats or whole words for smaller cells, never more than eight bytes a sample.
        answer_bytes=max(size, 8 * samples),
    )
    try:
        pixels = np.frombuffer(answer, dtype=np.dtype(said["dtype"])).reshape(said["shape"])
    except (TypeError, ValueError) as error:
        raise DecodeError(Why.DOES_NOT_DECODE) from error
    if pixels.shape[:2] != (description.rows, description.columns):
        raise DecodeError(Why.OTHER_SIZE)
    return Decoded(pixels=pixels, photometric_interpretation=str(said["photometric_interpretation"]))


def options_of(header: Dataset) -> dict[str, Any]:
    """The image pixel description (PS3.3 C.7.6.3) in the form that the decoders take. Raises `DecodeError`."""
    try:
        allocated = int(header.BitsAllocated)
        samples = int(header.get("SamplesPerPixel") or 1)
        options: dict[str, Any] = {
            "rows": int(header.Rows),
            "columns": int(header.Columns),
            "samples_per_pixel": samples,
            "bits_allocated": allocated,
            "bits_stored": int(header.get("BitsStored") or allocated),
            "pixel_representation": int(header.get("PixelRepresentation") or 0),
            "photometric_interpretation": str(header.get("PhotometricInterpretation") or "MONOCHROME2").strip(),
        }
        if samples > 1:
            options["planar_configuration"] = int(header.get("PlanarConfiguration") or 0)
    except (AttributeError, TypeError, ValueError) as error:
        raise DecodeError(Why.NOT_DESCRIBED) from error
    if codestreams.frame_bytes(description_of(options)) > MAXIMUM_FRAME_BYTES:
        raise DecodeError(Why.FRAME_TOO_LARGE)
    return options
