"""Look-up tables of values: the Modality LUT and the VOI LUT (PS3.3 C.11.1.1, C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

Pixels = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Table:
    """`entries` from the value `first` on; what lies before or behind takes the nearest one. `ceiling` is white."""

    first: int
    entries: Pixels
    ceiling: int

    def apply(self, values: Pixels) -> Pixels:
        """The entry of each value, as float64; broken values take the nearest whole one."""
        places = np.rint(np.nan_to_num(values.astype(np.float64))) - self.first
        found: Pixels = self.entries[np.clip(places, 0, len(self.entries) - 1).astype(np.int64)]
        return found.astype(np.float64)


def read_table(item: Dataset, *, is_signed: bool) -> Table | None:
    """The table of an item of a LUT Sequence; None where it cannot be read. `is_signed`: of what it maps.

    Entries of 8 bits come one in a word, or two in a word with the first in the low byte.
    """
    try:
        count, first, bits = (int(number) for number in item.LUTDescriptor)
        data = item.LUTData
        raw = data if isinstance(data, bytes) else np.atleast_1d(np.asarray(data, dtype="<u2")).tobytes()
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    count = (count & 0xFFFF) or 1 << 16
    if len(raw) >= 2 * count:
        entries = np.frombuffer(raw[: 2 * count], dtype="<u2")
    elif bits <= 8 and len(raw) >= count:
        entries = np.frombuffer(raw[:count], dtype=np.uint8)
    else:
        # Fewer entries than the descriptor says: what is missing would have to be made up.
        return None
    # An unsigned descriptor of signed values, and the other way round (PS3.3 C.11.2.1.1).
    first = first & 0xFFFF
    if is_signed and first >= 1 << 15:
        first -= 1 << 16
    most = int(entries.max())
    if not 1 <= bits <= 16 or most >= 1 << bits:
        bits = max(8, most.bit_length())
    return Table(first=first, entries=entries, ceiling=(1 << bits) - 1)
