"""A frame as people see it: stored values through Modality LUT, VOI LUT or window and Presentation LUT to grey or colour.

The order is that of PS3.4 N.2. One place for rendered images and thumbnails; the viewer does the same in
`static/src/viewer/display.ts`, and a test holds the three together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut
from pydicom.sequence import Sequence

from archive.domain import by_value, overlays
from archive.domain.grey import Window, apply_window, colour_bytes, is_inverted, stored_bits, stored_window, stretch
from archive.domain.tables import Table, read_table

Pixels = np.ndarray[Any, Any]

#: X-ray angiography and fluoroscopy: their Modality LUT leads to intensities and is not for display (PS3.3 C.8.7.1.1.2).
LUT_NOT_SHOWN: Final = ("1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.2")

#: Retired colour spaces (PS3.3 C.7.6.3.1.2) that nothing here converts: refused, not shown in wrong colours.
UNCONVERTED: Final = ("YBR_PARTIAL_4", "HSV", "ARGB", "CMYK")


def displayed(
    *,
    header: Dataset,
    pixels: Pixels,
    photometric_interpretation: str,
    number: int,
    window: Window | None = None,
    step: int = 1,
) -> Pixels:
    """Grey (rows, columns) or RGB (rows, columns, 3) as uint8, black lowest, overlay planes drawn in white.

    `pixels` is frame `number` (from 1) as decoded, YBR turned into RGB, or every `step`-th pixel of it. `window` goes
    before what is stored. Raises `ValueError` and what pydicom raises where the header makes no sense.
    """
    shown = _shown(header, pixels, photometric_interpretation=photometric_interpretation, number=number, window=window)
    rows, columns = int(header.get("Rows") or shown.shape[0]), int(header.get("Columns") or shown.shape[1])
    mask = overlays.mask_of(header, number=number, rows=rows, columns=columns)
    if mask is None or (step == 1 and mask.shape != shown.shape[:2]):
        return shown
    covered = shown.copy()
    covered[mask[::step, ::step]] = 255
    return covered


def _shown(
    header: Dataset, pixels: Pixels, *, photometric_interpretation: str, number: int, window: Window | None
) -> Pixels:
    if photometric_interpretation == "PALETTE COLOR":
        table = apply_color_lut(pixels, header)
        return colour_bytes(table, stored_bits=8 * table.dtype.itemsize)
    if pixels.ndim == 3 and photometric_interpretation.startswith(UNCONVERTED):
        raise ValueError("colours of a space that is not converted")
    if pixels.ndim == 3:
        return colour_bytes(pixels, stored_bits=stored_bits(header))
    transform = Transform.of(header, number=number, window=window)
    grey = transform.grey(cleaned(pixels, header=header))
    if is_inverted(header, photometric_interpretation=photometric_interpretation):
        grey = 255 - grey
    return np.ascontiguousarray(grey, dtype=np.uint8)


def cleaned(pixels: Pixels, *, header: Dataset) -> Pixels:
    """Values without what is in the bits above the stored ones: overlays of old, or rubbish (PS3.5 8.1.1)."""
    if pixels.dtype.kind not in "iu":
        return pixels
    spare = 8 * pixels.dtype.itemsize - stored_bits(header)
    if spare <= 0 or not pixels.size:
        return pixels
    limit = 1 << stored_bits(header)
    low, high = (-(limit >> 1), (limit >> 1) - 1) if pixels.dtype.kind == "i" else (0, limit - 1)
    if low <= int(pixels.min()) and int(pixels.max()) <= high:
        return pixels
    # Shifted up and back, signed values keep their sign.
    return np.asarray((pixels << spare) >> spare)


@dataclass(frozen=True, slots=True)
class Transform:
    """What makes grey of the stored values of one frame."""

    slope: float
    intercept: float
    modality: Table | None
    window: Window | None
    voi: Table | None
    #: Stored values around the image that are none of it, lowest and highest (PS3.3 C.7.5.1.1.2).
    padding: tuple[float, float] | None
    #: White of an image that is shown over all its bits; None where the values that occur decide.
    whole: int | None

    @classmethod
    def of(cls, header: Dataset, *, number: int, window: Window | None = None) -> Transform:
        """How frame `number` (from 1) is shown, through `window` instead of what is stored when it is given."""
        is_signed = int(header.get("PixelRepresentation") or 0) == 1
        group = functional_group(header, number=number, keyword="PixelValueTransformationSequence")
        slope, intercept = _rescale(group if group is not None and _value(group, "RescaleSlope") else header)
        modality = None
        if str(header.get("SOPClassUID") or "") not in LUT_NOT_SHOWN:
            modality = _first_table(header, "ModalityLUTSequence", is_signed=is_signed)
        if modality is not None:
            slope, intercept = 1.0, 0.0
        own = functional_group(header, number=number, keyword="FrameVOILUTSequence")
        chosen, voi = window, None
        if chosen is None:
            is_below_zero = modality is None and (is_signed or intercept < 0)
            for source in (own, header):
                if source is None:
                    continue
                chosen = stored_window(source)
                voi = None if chosen else _first_table(source, "VOILUTSequence", is_signed=is_below_zero)
                if chosen or voi:
                    break
        bits = stored_bits(header)
        plain = modality is None and slope == 1 and intercept == 0 and not is_signed and bits <= 8
        return cls(
            slope=slope,
            intercept=intercept,
            modality=modality,
            window=chosen,
            voi=voi,
            padding=_padding(header, is_signed=is_signed),
            whole=(1 << bits) - 1 if plain else None,
        )

    def values(self, stored: Pixels) -> Pixels:
        """Stored values as what they mean, float64."""
        if self.modality is not None:
            return self.modality.apply(stored)
        wide = stored.astype(np.float64)
        return wide if self.slope == 1 and self.intercept == 0 else wide * self.slope + self.intercept

    def grey(self, stored: Pixels) -> Pixels:
        """uint8 from black to white, of one frame. Each value for itself, and by the lowest and highest that occur."""
        if by_value.is_worth_it(stored):
            return by_value.mapped(stored, self._grey)
        if (found := self._by_table(stored)) is not None:
            return found
        return self._grey(stored)

    def _grey(self, stored: Pixels) -> Pixels:
        values = self.values(stored)
        if self.window is not None:
            return np.asarray(apply_window(np.nan_to_num(values), self.window), dtype=np.uint8)
        if self.voi is not None:
            return np.asarray(stretch(self.voi.apply(values), 0.0, float(self.voi.ceiling)), dtype=np.uint8)
        low, high = self._range(stored, values)
        return np.asarray(stretch(np.nan_to_num(values), low, high), dtype=np.uint8)

    def _range(self, stored: Pixels, values: Pixels) -> tuple[float, float]:
        """No window and no table: all bits of a plain image of at most 8, else the lowest and highest value that occur."""
        if self.whole is not None and stored.dtype.kind in "iu":
            return 0.0, float(self.whole)
        kept = values[np.isfinite(values)]
        if self.padding is not None:
            least, most = self.padding
            inside = values[np.isfinite(values) & ((stored < least) | (stored > most))]
            kept = inside if inside.size else kept
        return (float(kept.min()), float(kept.max())) if kept.size else (0.0, 0.0)

    def _by_table(self, stored: Pixels) -> Pixels | None:
        """The same by working out each stored value once instead of each pixel; None where that would be more work."""
        if stored.dtype.kind not in "iu" or stored.dtype.itemsize > 2 or stored.size < 2:
            return None
        low, high = int(stored.min()), int(stored.max())
        if high - low + 1 > stored.size // 2 or (self.padding is not None and self.window is None):
            return None
        table = self._grey(np.arange(low, high + 1, dtype=np.int64).astype(stored.dtype))
        offsets = stored.astype(np.int32) - low if low else stored
        found: Pixels = table.take(offsets)
        return found


def functional_group(header: Dataset, *, number: int, keyword: str) -> Dataset | None:
    """An item of the enhanced multi-frame functional groups (PS3.3 C.7.6.16): the frame's own, else the shared one."""
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if frames and 0 < number <= len(frames) and frames[number - 1].get(keyword):
        return _first(frames[number - 1], keyword)
    shared = header.get("SharedFunctionalGroupsSequence")
    return _first(shared[0], keyword) if shared and shared[0].get(keyword) else None


def _first(source: Dataset, keyword: str) -> Dataset | None:
    items: Sequence = source[keyword].value
    return items[0] if items else None


def _first_table(source: Dataset, keyword: str, *, is_signed: bool) -> Table | None:
    item = _first(source, keyword) if keyword in source else None
    return read_table(item, is_signed=is_signed) if item is not None else None


def _value(source: Dataset, keyword: str) -> float | None:
    """The first value as a number; None where it is none. Reading a number that is written wrongly raises."""
    try:
        value: Any = source.get(keyword)
        if value is not None and not isinstance(value, (str, bytes)) and hasattr(value, "__len__"):
            value = value[0] if len(value) else None
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _rescale(source: Dataset) -> tuple[float, float]:
    """Slope and intercept; a slope of 0 would make every image one plain grey and is none."""
    return _value(source, "RescaleSlope") or 1.0, _value(source, "RescaleIntercept") or 0.0


def _padding(header: Dataset, *, is_signed: bool) -> tuple[float, float] | None:
    first = _value(header, "PixelPaddingValue")
    if first is None:
        return None
    last = _value(header, "PixelPaddingRangeLimit")
    ends = [_as_stored(end, header, is_signed=is_signed) for end in (first, first if last is None else last)]
    return min(ends), max(ends)


def _as_stored(value: float, header: Dataset, *, is_signed: bool) -> float:
    """A padding value in the sign of the pixels: -2000 is also written as the unsigned 63536, and the other way round."""
    whole = 1 << int(header.get("BitsAllocated") or 16)
    if is_signed and value >= whole >> 1:
        return value - whole
    return value + whole if not is_signed and value < 0 else value


def row_stretch(header: Dataset) -> float:
    """How much taller than wide a pixel is; 1 where it is not known or beyond all reason."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelAspectRatio"):
        source = header
        if keyword == "PixelSpacing":
            measures = functional_group(header, number=1, keyword="PixelMeasuresSequence")
            source = measures if measures is not None and "PixelSpacing" in measures else header
        if (pair := _pair(source, keyword)) is not None:
            ratio = pair[0] / pair[1]
            return ratio if 0.1 <= ratio <= 10 else 1.0
    return 1.0


def _pair(source: Dataset, keyword: str) -> tuple[float, float] | None:
    """Two numbers above 0: between rows, between columns."""
    try:
        values: Any = source.get(keyword)
        row, column = (float(value) for value in values)
    except (TypeError, ValueError):
        return None
    return (row, column) if 0 < row < math.inf and 0 < column < math.inf else None
