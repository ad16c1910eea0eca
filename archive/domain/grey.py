"""The steps from values to grey or colour: which window an image asks for, and what it does (PS3.3 C.11.2, C.11.6)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

FUNCTIONS: Final = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, slots=True)
class Window:
    center: float
    width: float
    function: str = "LINEAR"


def stored_window(source: Dataset) -> Window | None:
    """The first usable pair of centre and width (PS3.3 C.11.2.1.2); None where there is none.

    LINEAR needs a width of at least 1. Narrower ones come with floating-point values, as of diffusion or perfusion, and
    mean LINEAR_EXACT whatever is written.
    """
    centers, widths = _numbers(source, "WindowCenter"), _numbers(source, "WindowWidth")
    function = str(source.get("VOILUTFunction") or "LINEAR").strip().upper()
    for center, width in zip(centers, widths, strict=False):
        if center is None or width is None or width <= 0:
            continue
        if function not in FUNCTIONS or (function == "LINEAR" and width < 1):
            return Window(center, width, "LINEAR_EXACT" if width < 1 else "LINEAR")
        return Window(center, width, function)
    return None


def _numbers(source: Dataset, keyword: str) -> list[float | None]:
    """Each part of a multi-valued number; None for what is none. Reading what is written wrongly raises."""
    try:
        value = source.get(keyword)
    except ValueError:
        return []
    if value is None:
        return []
    parts = list(value) if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)) else [value]
    return [_number(part) for part in parts]


def _number(part: Any) -> float | None:
    try:
        number = float(part)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def apply_window(values: np.ndarray[Any, Any], window: Window) -> np.ndarray[Any, Any]:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, to 0…255."""
    if window.function == "SIGMOID":
        exponent = np.clip(-4.0 * (values - window.center) / window.width, -60, 60)
        return np.rint(255.0 / (1.0 + np.exp(exponent)))
    if window.function == "LINEAR_EXACT":
        return stretch(values, window.center - window.width / 2, window.center + window.width / 2)
    low = window.center - 0.5 - (window.width - 1) / 2
    if window.width == 1:
        return np.where(values <= low, 0.0, 255.0)
    return stretch(values, low, low + window.width - 1)


def stretch(values: np.ndarray[Any, Any], low: float, high: float) -> np.ndarray[Any, Any]:
    """From `low`, black, to `high`, white; everything above one level is white when they are the same."""
    if high <= low:
        return np.where(values > low, 255.0, 0.0)
    scaled: np.ndarray[Any, Any] = np.rint(np.clip((values - low) / (high - low), 0.0, 1.0) * 255.0)
    return scaled


def is_inverted(header: Dataset, *, photometric_interpretation: str) -> bool:
    """MONOCHROME1, or a Presentation LUT Shape that says so (PS3.3 C.11.6.1.2)."""
    shape = str(header.get("PresentationLUTShape") or "").strip().upper()
    return photometric_interpretation == "MONOCHROME1" or shape == "INVERSE"


def colour_bytes(pixels: np.ndarray[Any, Any], *, stored_bits: int) -> np.ndarray[Any, Any]:
    """Colour of any depth as uint8: over the bits that are stored, not over those that are allocated (PS3.5 8.1.1)."""
    pixels = pixels[..., :3]
    most = 2 ** max(1, stored_bits) - 1
    if pixels.dtype == np.uint8 and most >= 255:
        return np.ascontiguousarray(pixels)
    scaled = np.clip(pixels.astype(np.float64) * (255.0 / most), 0.0, 255.0)
    return np.ascontiguousarray(np.rint(scaled), dtype=np.uint8)


def stored_bits(header: Dataset) -> int:
    allocated = int(header.get("BitsAllocated") or 8)
    return min(int(header.get("BitsStored") or allocated), allocated)
