"""Grey values worked out once for each value that occurs, not for each pixel: large frames in little memory.

Window, look-up table and rescale are functions of one value. An 8-bit image of 8192 × 8192 pixels has 256 of them; as
floating-point numbers its pixels alone would take half a gigabyte, several times over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

STRIP_PIXELS: Final = 1 << 20
LARGE_PIXELS: Final = 1 << 21
_CELLS: Final = 1 << 16

Pixels = np.ndarray[Any, Any]


def is_worth_it(pixels: Pixels) -> bool:
    """Whether a frame is large, and of at most 16-bit integers."""
    return bool(
        pixels.ndim == 2 and pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2 and pixels.size > LARGE_PIXELS
    )


def mapped(pixels: Pixels, function: Callable[[Pixels], Pixels]) -> Pixels:
    """`function` of each pixel as uint8; it is called with the values that occur (ascending, one dimension)."""
    low = int(pixels.min())
    occurs = np.zeros(_CELLS, dtype=bool)
    for rows in _strips(pixels):
        occurs[pixels[rows].astype(np.int32) - low] = True
    places = np.flatnonzero(occurs)
    table = np.zeros(_CELLS, dtype=np.uint8)
    table[places] = function((places + low).astype(pixels.dtype))
    found = np.empty(pixels.shape, dtype=np.uint8)
    for rows in _strips(pixels):
        found[rows] = table[pixels[rows].astype(np.int32) - low]
    return found


def _strips(pixels: Pixels) -> Iterator[slice]:
    height = max(1, STRIP_PIXELS // max(1, pixels.shape[1]))
    for start in range(0, pixels.shape[0], height):
        yield slice(start, start + height)
