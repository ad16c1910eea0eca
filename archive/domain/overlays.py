"""Overlay planes (PS3.3 C.9.2): bitmaps that are drawn over an image, in their own groups 6000 to 601E."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

GROUPS: Final = range(0x6000, 0x6020, 2)

Pixels = np.ndarray[Any, Any]


def mask_of(header: Dataset, *, number: int, rows: int, columns: int) -> Pixels | None:
    """Where the overlay planes of frame `number` (from 1) cover the image, as booleans; None where nothing is covered.

    A plane that cannot be read is left out, and so is what lies outside the image. Planes inside the bits of the pixel
    data are retired (PS3.3 C.9.2.1.1) and not drawn.
    """
    mask: Pixels | None = None
    for group in GROUPS:
        plane = _plane(header, group=group, number=number)
        if plane is None:
            continue
        pixels, top, left = plane
        inside = pixels[max(0, -top) : max(0, rows - top), max(0, -left) : max(0, columns - left)]
        if not inside.any():
            continue
        if mask is None:
            mask = np.zeros((rows, columns), dtype=bool)
        y, x = max(0, top), max(0, left)
        mask[y : y + inside.shape[0], x : x + inside.shape[1]] |= inside
    return mask


def _plane(header: Dataset, *, group: int, number: int) -> tuple[Pixels, int, int] | None:
    """(booleans, row and column of the first pixel from 0) of one plane in one frame."""

    def value(element: int, usual: Any = None) -> Any:
        found = header.get((group, element))
        return usual if found is None or found.value in (None, "") else found.value

    try:
        height, width = int(value(0x0010, 0)), int(value(0x0011, 0))
        top, left = (int(place) - 1 for place in value(0x0050, (1, 1)))
        frames, first = int(value(0x0015, 1)), int(value(0x0051, 1))
        data = value(0x3000, b"")
    except (TypeError, ValueError, AttributeError):
        return None
    if height < 1 or width < 1 or not isinstance(data, bytes):
        return None
    # An overlay of one frame lies over all of them (PS3.3 C.9.2.1.2).
    index = 0 if frames <= 1 and value(0x0051) is None else number - first
    if not 0 <= index < max(1, frames):
        return None
    start, count = index * height * width, height * width
    if len(data) * 8 < start + count:
        return None
    cut = np.frombuffer(data[start // 8 : -(-(start + count) // 8)], dtype=np.uint8)
    bits = np.unpackbits(cut, bitorder="little")[start % 8 : start % 8 + count]
    return bits.reshape(height, width).astype(bool), top, left
