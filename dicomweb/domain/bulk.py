"""Values that metadata gives by address: found again by the path behind `…/bulkdata/`."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

MAXIMUM_DEPTH: Final = 32
NUMBER_TYPES: Final = {
    "US": "<u2",
    "SS": "<i2",
    "UL": "<u4",
    "SL": "<i4",
    "UV": "<u8",
    "SV": "<i8",
    "FL": "<f4",
    "FD": "<f8",
}
# Bytes of one unit of a binary value, for what was stored in big endian.
UNIT_BYTES: Final = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}


def find(dataset: Dataset, path: str) -> DataElement:
    """The element at `tag[/item/tag…]`, items counted from 0. Raises `KeyError`."""
    steps = path.strip("/").split("/")
    if len(steps) % 2 == 0 or len(steps) > 2 * MAXIMUM_DEPTH + 1:
        raise KeyError(path)
    current = dataset
    for tag, item in zip(steps[:-1:2], steps[1::2], strict=True):
        items = _at(current, tag).value
        if not (item.isascii() and item.isdecimal()) or (
            not isinstance(items, (list, tuple)) and not hasattr(items, "__len__")
        ):
            raise KeyError(path)
        if len(item) > 6 or int(item) >= len(items) or not isinstance(items[int(item)], Dataset):
            raise KeyError(path)
        current = items[int(item)]
    return _at(current, steps[-1])


def _at(dataset: Dataset, tag: str) -> DataElement:
    if len(tag) != 8:
        raise KeyError(tag)
    try:
        found = dataset[int(tag, 16)]
    except ValueError as error:
        raise KeyError(tag) from error
    if isinstance(found, RawDataElement) or not isinstance(found, DataElement):
        raise KeyError(tag)
    return found


def to_bytes(element: DataElement, *, is_little_endian: bool) -> bytes:
    """A binary value, numbers or a text as little-endian bytes. Raises `KeyError` for sequences."""
    value: Any = element.value
    vr = str(element.VR)
    if vr == "SQ":
        raise KeyError(str(element.tag))
    if isinstance(value, (bytes, bytearray)):
        unit = UNIT_BYTES.get(vr, 1)
        if is_little_endian or unit == 1 or len(value) % unit:
            return bytes(value)
        return np.frombuffer(value, dtype=f">u{unit}").astype(f"<u{unit}").tobytes()
    values = list(value) if isinstance(value, (MultiValue, list, tuple)) else [] if value is None else [value]
    if vr in NUMBER_TYPES:
        return np.asarray(values, dtype=NUMBER_TYPES[vr]).tobytes()
    return "\\".join(str(part) for part in values).encode("utf-8")
