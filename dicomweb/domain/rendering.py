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

from archive.domain import display
from archive.domain.grey import FUNCTIONS, Window
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
    image, stretch = Image.fromarray(pixels), display.row_stretch(header)
    if rendering.viewport is not None:
        image = _fit(image, rendering.viewport, row_stretch=stretch)
    else:
        image = _squared(image, row_stretch=stretch)
    output = io.BytesIO()
    if media_type == "image/png":
        image.save(output, "PNG", compress_level=3)
    else:
        image.save(output, "JPEG", quality=rendering.quality, subsampling=0 if rendering.quality >= 90 else 2)
    return output.getvalue()


def to_eight_bits(*, header: Dataset, frame: Frame, number: int, window: Window | None) -> np.ndarray[Any, Any]:
    """Grey (rows, columns) or RGB (rows, columns, 3) as uint8, black lowest."""
    return display.displayed(
        header=header,
        pixels=frame.pixels,
        photometric_interpretation=frame.photometric_interpretation,
        number=number,
        window=window,
    )


def _squared(image: Image.Image, *, row_stretch: float) -> Image.Image:
    """As it lies in the patient on a screen of square pixels: the wider side of a pixel grows, nothing is lost."""
    size = (max(1, round(image.width / min(1.0, row_stretch))), max(1, round(image.height * max(1.0, row_stretch))))
    return image if size == image.size or max(size) > MAXIMUM_SIDE else image.resize(size, Image.Resampling.BICUBIC)


def _fit(image: Image.Image, viewport: Viewport, *, row_stretch: float) -> Image.Image:
    """Crop to the region, flip, and scale to fit with the shape kept (PS3.18 8.3.5.1.3). Regions are in stored pixels."""
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
    tall = image.height * row_stretch
    scale = min(viewport.width / image.width, viewport.height / tall)
    size = (max(1, round(image.width * scale)), max(1, round(tall * scale)))
    return (
        image
        if size == image.size
        else image.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    )
