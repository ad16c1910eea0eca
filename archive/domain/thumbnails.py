"""A small picture of one frame, as a reader would see it: rescale, window or LUT, palette, colour space, inversion."""

from __future__ import annotations

import io
import math
import struct
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import DeflatedExplicitVRLittleEndian

from archive import decoding
from archive.decoding import Busy, Decoded, DecodeError
from archive.decoding.budget import FLOAT_PIXEL
from archive.domain import codestreams, display
from archive.domain.elements import as_explicit_little, transfer_syntax_of
from archive.domain.frames import is_subsampled
from archive.domain.grey import Window
from archive.domain.part10.encodings import EXPLICIT_BIG

SIDE = 256
QUALITY = 82
MAX_PIXELS = 120_000_000
# Group, element, VR with its reserved bytes, length (PS3.5 7.1.2).
PIXEL_ELEMENT_HEAD = struct.Struct("<HH4sI")
UNDEFINED = 0xFFFFFFFF
WORKED_SIDE = 3072
PERCENTILES = (0.5, 99.5)
#: A window that leaves this share of the pixels in plain black, or plain white, shows nothing.
BLANK_SHARE = 0.98


class NoPicture(Exception):
    """The instance has no frame that can be shown; the message says why."""


def render_thumbnail(file: BinaryIO, *, frame: int, side: int = SIDE, full_range: bool = False) -> bytes:
    """A WebP picture of frame `frame` (from 1) that fits `side` × `side`. Raises `NoPicture`, `Busy`.

    `full_range` shows each value by its rank instead of through a window: text may be written outside the window.
    """
    try:
        if transfer_syntax_of(file) == EXPLICIT_BIG:
            if file.seek(0, io.SEEK_END) > decoding.MAXIMUM_FILE_BYTES:
                raise NoPicture("the file is too large to be turned as a whole")
            file.seek(0)
            # pydicom turns the numbers of a big-endian file, but not the words of its tables.
            file = io.BytesIO(as_explicit_little(file, with_pixels=True))
        file.seek(0)
        dataset = dcmread(file, stop_before_pixels=True, force=False)
        with decoding.budget().share(_memory(dataset)):
            decoded = _frame_pixels(file, dataset=dataset, index=frame - 1)
            pixels = decoded.pixels
            # What follows works with numbers of four bytes and more: of very large frames every second or third pixel will
            # do.
            step = -(-max(pixels.shape[:2]) // WORKED_SIDE)
            if full_range and pixels.ndim == 2:
                return _encode(_ranked(pixels[::step, ::step]), dataset=dataset, side=side)
            shown = _displayed(decoded, dataset=dataset, index=frame - 1, step=step)
            return _encode(shown, dataset=dataset, side=side)
    except (NoPicture, Busy):
        raise
    except Exception as error:
        raise NoPicture(f"{type(error).__name__}: {error}"[:300]) from error


def _memory(dataset: Dataset) -> int:
    """What decoding and drawing a frame can take, the coded frame apart."""
    description = decoding.description_of(decoding.options_of(dataset))
    worked = min(description.rows, WORKED_SIDE) * min(description.columns, WORKED_SIDE)
    family = codestreams.family_of(str(dataset.file_meta.TransferSyntaxUID))
    return decoding.to_decode(description, family=family, coded=0) + FLOAT_PIXEL * worked


def _frame_pixels(file: BinaryIO, *, dataset: Dataset, index: int) -> Decoded:
    try:
        options = decoding.options_of(dataset)
        if options["rows"] * options["columns"] * options["samples_per_pixel"] > MAX_PIXELS:
            raise NoPicture("too many pixels")
        return _decoded(file, dataset=dataset, options=options, index=index)
    except DecodeError as error:
        raise NoPicture(str(error)) from error


def _decoded(file: BinaryIO, *, dataset: Dataset, options: dict[str, Any], index: int) -> Decoded:
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    frames = int(dataset.get("NumberOfFrames") or 1)
    if codestreams.family_of(syntax) is not None:
        frame = _coded_frame(file, dataset=dataset, index=index, frames=frames)
        return decoding.decode_frame(frame=frame, transfer_syntax=syntax, options=options)
    file.seek(0)
    if syntax == DeflatedExplicitVRLittleEndian:
        return decoding.decode_in_file(file=file, options=options, number=index + 1, number_of_frames=frames)
    if is_subsampled(options["photometric_interpretation"]):
        frame = _native_frame(
            file, index=index, frames=frames, bytes_if_not=decoding.frame_bytes(decoding.description_of(options))
        )
        return decoding.decode_frame(frame=frame, transfer_syntax=syntax, options=options)
    # From the file pydicom reads one frame of many.
    frame_pixels = pixel_array(file, index=index)
    if frame_pixels.shape[:2] != (options["rows"], options["columns"]):
        raise NoPicture("the frame has another size than stated")
    photometric = options["photometric_interpretation"]
    return Decoded(
        pixels=np.asarray(frame_pixels),
        # Read from the file, colour has become RGB.
        photometric_interpretation="RGB" if photometric.startswith("YBR") else photometric,
    )


def _native_frame(file: BinaryIO, *, index: int, frames: int, bytes_if_not: int) -> bytes:
    """One frame of subsampled colour, or of what says it is and has `bytes_if_not` bytes a frame."""
    dcmread(file, stop_before_pixels=True, specific_tags=[])
    head = file.read(PIXEL_ELEMENT_HEAD.size)
    implicit = struct.unpack("<HHI", head[:8])
    length = implicit[2] if head[4:6] not in (b"OB", b"OW") else PIXEL_ELEMENT_HEAD.unpack(head)[3]
    start = file.tell() - (PIXEL_ELEMENT_HEAD.size - 8 if head[4:6] not in (b"OB", b"OW") else 0)
    size = bytes_if_not if bytes_if_not * frames <= length else bytes_if_not * 2 // 3
    file.seek(start + index * size)
    return file.read(size)


def _coded_frame(file: BinaryIO, *, dataset: Dataset, index: int, frames: int) -> bytes:
    """One frame of encapsulated pixel data (PS3.5 A.4); the file stands where the reading of the header stopped."""
    head = file.read(PIXEL_ELEMENT_HEAD.size)
    if len(head) < PIXEL_ELEMENT_HEAD.size or PIXEL_ELEMENT_HEAD.unpack(head)[::3] != (0x7FE0, UNDEFINED):
        raise NoPicture("no compressed pixel data")
    offsets = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    extended = (offsets[0], offsets[1]) if offsets[0] and offsets[1] else None
    return bytes(get_frame(file, index, number_of_frames=frames, extended_offsets=extended))


def _ranked(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Each value by its rank among those that occur: text a little above the anatomy is seen beside one bright pixel."""
    values, places = np.unique(pixels, return_inverse=True)
    grey = np.linspace(0, 255, len(values)).astype(np.uint8)
    return np.asarray(grey[places].reshape(pixels.shape))


def _displayed(frame: Decoded, *, dataset: Dataset, index: int, step: int) -> np.ndarray[Any, Any]:
    """uint8, rows × columns or rows × columns × 3, of every `step`-th pixel."""
    pixels = frame.pixels[::step, ::step]
    known: dict[str, Any] = {
        "header": dataset,
        "photometric_interpretation": frame.photometric_interpretation,
        "number": index + 1,
    }
    shown = display.displayed(pixels=pixels, step=step, **known)
    if pixels.ndim == 3 or frame.photometric_interpretation == "PALETTE COLOR" or not _is_blank(shown):
        return shown
    # A window made for other values than these, as after a crop or for one frame of many: a stamp that shows nothing
    # helps nobody to find a study. The viewer goes on to show the window as it is stored.
    transform = display.Transform.of(dataset, number=index + 1)
    values = transform.values(display.cleaned(pixels, header=dataset))
    low, high = _range_of_histogram(values, dataset=dataset)
    middle = Window(center=(low + high) / 2, width=high - low, function="LINEAR_EXACT") if high > low else None
    return display.displayed(pixels=pixels, step=step, window=middle, **known) if middle else shown


def _is_blank(grey: np.ndarray[Any, Any]) -> bool:
    ends = max(np.count_nonzero(grey == 0), np.count_nonzero(grey == 255))
    return bool(ends >= BLANK_SHARE * grey.size)


def _first(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if not isinstance(value, (str, float, int)) and hasattr(value, "__len__"):
        value = value[0] if len(value) else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _range_of_histogram(values: np.ndarray[Any, Any], *, dataset: Dataset) -> tuple[float, float]:
    """What nearly all pixels lie between, without padding; all of them where nearly all are the same."""
    sample = values[:: max(1, values.shape[0] // 512), :: max(1, values.shape[1] // 512)].astype(np.float32)
    padding = _first(dataset.get("PixelPaddingValue", None))
    kept = sample[np.isfinite(sample) & (sample != padding)] if padding is not None else sample[np.isfinite(sample)]
    if not kept.size:
        return 0.0, 0.0
    low, high = (float(value) for value in np.percentile(kept, PERCENTILES))
    if high > low:
        return low, high
    # A few bright spots on nothing, as of tracts or vessels: the range of what is not that nothing.
    others = values[np.isfinite(values) & (values != low)]
    if padding is not None:
        others = others[others != padding]
    if not others.size:
        return low, low
    darkest, brightest = (float(value) for value in np.percentile(others.astype(np.float32), PERCENTILES))
    return min(low, darkest), max(low, brightest)


def _encode(pixels: np.ndarray[Any, Any], *, dataset: Dataset, side: int) -> bytes:
    image = Image.fromarray(pixels)
    height, width = pixels.shape[0] * display.row_stretch(dataset), float(pixels.shape[1])
    scale = min(side / width, side / height)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=QUALITY, method=2)
    return buffer.getvalue()
