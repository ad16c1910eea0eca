"""A frame as people see it: modality and VOI transforms, window, crop and scale, JPEG or PNG (PS3.4 N.2, PS3.18 8.3.5)."""

from __future__ import annotations

import io
import math
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.sequence import Sequence

from archive.domain import by_value
from archive.domain.grey import (
    FUNCTIONS,
    Window,
    apply_window,
    colour_bytes,
    is_inverted,
    stored_bits,
    stored_window,
    stretch,
)
from dicomweb.domain.pixels import DecodeError, Frame, Why

MAXIMUM_SIDE: Final = 8192
DEFAULT_QUALITY: Final = 90

_NUMBER = re.compile(r"[+-]?(?:\d{1,12}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,2})?\Z")


class RenderingError(ValueError):
    """A rendering parameter that makes no sense; the text is a sentence for the client."""


@dataclass(frozen=True, slots=True)
class Viewport:
    """Fit into `width` × `height`; of the source only the region, when given. A negative region side flips."""

    width: int
    height: int
    x: float | None = None
    y: float | None = None
    region_width: float | None = None
    region_height: float | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = DEFAULT_QUALITY


def parse(*, window: str = "", viewport: str = "", quality: str = "") -> Rendering:
    """Read the rendering parameters of a request. Raises `RenderingError`."""
    return Rendering(
        window=_window(window) if window else None,
        viewport=_viewport(viewport) if viewport else None,
        quality=_quality(quality) if quality else DEFAULT_QUALITY,
    )


def _numbers(name: str, parts: list[str]) -> list[float]:
    if not all(_NUMBER.match(part) for part in parts):
        raise RenderingError(f"{name} holds something that is not a number.")
    numbers = [float(part) for part in parts]
    if not all(math.isfinite(number) for number in numbers):
        raise RenderingError(f"{name} holds something that is not a number.")
    return numbers


def _window(text: str) -> Window:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 3):
        raise RenderingError("window is centre,width,function.")
    center, width = _numbers("window", parts[:2])
    # The words of PS3.18 8.3.5.1.4 are lower case with hyphens, those of (0028,1056) upper case with underscores.
    function = parts[2].upper().replace("-", "_") if len(parts) == 3 else "LINEAR"
    if function not in FUNCTIONS:
        raise RenderingError("The function of window is linear, linear-exact or sigmoid.")
    if width <= 0 or (function == "LINEAR" and width < 1):
        raise RenderingError("The width of window must be at least 1.")
    return Window(center=center, width=width, function=function)


def _viewport(text: str) -> Viewport:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) not in (2, 6):
        raise RenderingError("viewport is width,height or width,height,x,y,width,height.")
    width, height = _numbers("viewport", parts[:2])
    if not (1 <= width <= MAXIMUM_SIDE and 1 <= height <= MAXIMUM_SIDE):
        raise RenderingError(f"The sides of viewport must be from 1 to {MAXIMUM_SIDE}.")
    region = [None if not part else _numbers("viewport", [part])[0] for part in parts[2:]]
    if any(side == 0 for side in region[2:]):
        raise RenderingError("The region of viewport is empty.")
    return Viewport(int(width), int(height), *region)


def _quality(text: str) -> int:
    if not re.fullmatch(r"\d{1,3}", text) or not 1 <= int(text) <= 100:
        raise RenderingError("quality must be from 1 to 100.")
    return int(text)


def render(
    *, header: Dataset, frame: Frame, number: int, rendering: Rendering, media_type: Literal["image/jpeg", "image/png"]
) -> bytes:
    """Make the picture of frame `number` (from 1). Raises `DecodeError`, `RenderingError`."""
    try:
        pixels = to_eight_bits(header=header, frame=frame, number=number, window=rendering.window)
    except (ValueError, TypeError, AttributeError, IndexError, KeyError, NotImplementedError) as error:
        raise DecodeError(Why.VALUES_UNCLEAR) from error
    image = Image.fromarray(pixels)
    if rendering.viewport is not None:
        image = _fit(image, rendering.viewport)
    output = io.BytesIO()
    if media_type == "image/png":
        image.save(output, "PNG", compress_level=3)
    else:
        image.save(output, "JPEG", quality=rendering.quality, subsampling=0 if rendering.quality >= 90 else 2)
    return output.getvalue()


def to_eight_bits(*, header: Dataset, frame: Frame, number: int, window: Window | None) -> np.ndarray[Any, Any]:
    """Grey (rows, columns) or RGB (rows, columns, 3) as uint8, black lowest."""
    pixels = frame.pixels
    if frame.photometric_interpretation == "PALETTE COLOR":
        table = apply_color_lut(pixels, header)
        return colour_bytes(table, stored_bits=8 * table.dtype.itemsize)
    if pixels.ndim == 3:
        return colour_bytes(pixels, stored_bits=stored_bits(header))
    if by_value.is_worth_it(pixels):
        grey = by_value.mapped(
            pixels, lambda values: _grey(header=header, pixels=values, number=number, window=window).astype(np.uint8)
        )
    else:
        grey = _grey(header=header, pixels=pixels, number=number, window=window)
    return _inverted(grey, header=header, frame=frame)


def _grey(*, header: Dataset, pixels: np.ndarray[Any, Any], number: int, window: Window | None) -> np.ndarray[Any, Any]:
    """Stored values as grey from 0 to 255, each by itself (and by the lowest and highest that occur)."""
    chosen = window or _stored_window(header=header, number=number)
    if (
        chosen is not None
        and (grey := _by_table(header=header, pixels=pixels, number=number, window=chosen)) is not None
    ):
        return grey
    values = _modality(header=header, pixels=pixels, number=number)
    if chosen is None and header.get("VOILUTSequence"):
        table = apply_voi_lut(values.astype(np.int64) if values.dtype.kind == "f" else values, header)
        return np.asarray(stretch(table.astype(np.float64), 0.0, float(_lut_ceiling(header))))
    if chosen is None:
        return _stretch_to_content(header=header, values=values)
    return np.asarray(apply_window(values.astype(np.float64), chosen))


def _inverted(grey: np.ndarray[Any, Any], *, header: Dataset, frame: Frame) -> np.ndarray[Any, Any]:
    """Grey as it is shown, dark and bright exchanged where the image says so."""
    if is_inverted(header, photometric_interpretation=frame.photometric_interpretation):
        grey = 255 - grey
    return np.ascontiguousarray(grey, dtype=np.uint8)


def _by_table(
    *, header: Dataset, pixels: np.ndarray[Any, Any], number: int, window: Window
) -> np.ndarray[Any, Any] | None:
    """The same grey by working out each stored value once instead of each pixel; None where that would be more work."""
    if pixels.dtype.kind not in "iu" or pixels.dtype.itemsize > 2 or pixels.size < 2:
        return None
    low, high = int(pixels.min()), int(pixels.max())
    if high - low + 1 > pixels.size // 2:
        return None
    stored = np.arange(low, high + 1, dtype=np.int64).astype(pixels.dtype)
    values = _modality(header=header, pixels=stored, number=number)
    table = apply_window(values.astype(np.float64), window).astype(np.uint8)
    offsets = pixels.astype(np.int32) - low if low else pixels
    found: np.ndarray[Any, Any] = table.take(offsets)
    return found


def _functional_group(*, header: Dataset, number: int, keyword: str) -> Dataset | None:
    """An item of the enhanced multi-frame functional groups (PS3.3 C.7.6.16): the frame's own, else the shared one."""
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if frames and 0 < number <= len(frames) and frames[number - 1].get(keyword):
        return _first(frames[number - 1][keyword].value)
    shared = header.get("SharedFunctionalGroupsSequence")
    if shared and shared[0].get(keyword):
        return _first(shared[0][keyword].value)
    return None


def _first(items: Sequence) -> Dataset | None:
    return items[0] if items else None


def _modality(*, header: Dataset, pixels: np.ndarray[Any, Any], number: int) -> np.ndarray[Any, Any]:
    group = _functional_group(header=header, number=number, keyword="PixelValueTransformationSequence")
    if group is not None and group.get("RescaleSlope") is not None:
        return pixels.astype(np.float64) * float(group.RescaleSlope) + float(group.get("RescaleIntercept") or 0)
    if header.get("ModalityLUTSequence") or header.get("RescaleSlope") is not None:
        return apply_modality_lut(pixels, header)
    return pixels


def _stored_window(*, header: Dataset, number: int) -> Window | None:
    return stored_window(_functional_group(header=header, number=number, keyword="FrameVOILUTSequence") or header)


def _stretch_to_content(*, header: Dataset, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """No window given: the whole range of the pixels, without the padding around the image (PS3.3 C.7.5.1.1.2)."""
    wide = values.astype(np.float64)
    if int(header.get("BitsStored") or 16) <= 8 and values.dtype.kind != "f":
        return (
            stretch(wide, 0.0, float(2 ** int(header.get("BitsStored") or 8) - 1))
            if wide.min() >= 0
            else stretch(wide, float(wide.min()), float(wide.max()))
        )
    finite = wide[np.isfinite(wide)]
    padding = header.get("PixelPaddingValue")
    if padding is not None and header.get("RescaleSlope") is None:
        kept = finite[finite != float(padding)]
        finite = kept if kept.size else finite
    if not finite.size:
        return np.zeros(wide.shape)
    return stretch(np.nan_to_num(wide), float(finite.min()), float(finite.max()))


def _lut_ceiling(header: Dataset) -> int:
    return int((1 << int(header.VOILUTSequence[0].LUTDescriptor[2])) - 1)


def _fit(image: Image.Image, viewport: Viewport) -> Image.Image:
    """Crop to the region, flip, and scale to fit with the aspect ratio kept (PS3.18 8.3.5.1.3)."""
    x, y = viewport.x or 0.0, viewport.y or 0.0
    width = viewport.region_width if viewport.region_width is not None else image.width - x
    height = viewport.region_height if viewport.region_height is not None else image.height - y
    box = (
        max(0, round(x)),
        max(0, round(y)),
        min(image.width, round(x + abs(width))),
        min(image.height, round(y + abs(height))),
    )
    if box[0] >= box[2] or box[1] >= box[3]:
        raise RenderingError("The region of viewport lies outside the image.")
    if box != (0, 0, image.width, image.height):
        image = image.crop(box)
    if width < 0:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if height < 0:
        image = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    scale = min(viewport.width / image.width, viewport.height / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return (
        image
        if size == image.size
        else image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    )
