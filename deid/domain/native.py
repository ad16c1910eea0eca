"""Uncompressed pixel data with nothing beside the samples: unused bits of a cell and the padding byte are made anew.

PS3.5 8.1.1: of Bits Allocated only Bits Stored, up to High Bit, are the sample. What stands in the others is undefined, so
that anything may be written there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
from pydicom.dataset import Dataset

CHUNK: Final = 1 << 20
_CELLS: Final = (8, 16, 32, 64)


class Undefined(Exception):
    """The header does not say which bits are the sample, or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Cells:
    """`length` bytes of cells of `bits`, of which `stored` up to `high` are the sample; in the file's byte order."""

    length: int
    bits: int
    stored: int
    high: int
    is_signed: bool
    order: str

    def cleaned(self, stream: BinaryIO, *, start: int, value_length: int) -> Iterator[bytes]:
        """The value from `start`: unused bits zero, or copies of the sign; padding zero. Raises `EOFError`."""
        stream.seek(start)
        left = self.length
        while left:
            content = stream.read(min(CHUNK, left))
            if not content:
                raise EOFError("The file ends within its pixel data.")
            while len(content) % max(1, self.bits // 8) and len(content) < left:
                more = stream.read(1)
                if not more:
                    raise EOFError("The file ends within its pixel data.")
                content += more
            left -= len(content)
            yield self._clean(content)
        yield bytes(value_length - self.length)

    def _clean(self, content: bytes) -> bytes:
        if self.stored == self.bits:
            return content
        cells = np.frombuffer(content, dtype=np.dtype(f"{self.order}u{self.bits // 8}"))
        lowest = self.high - self.stored + 1
        sample = ((1 << self.stored) - 1) << lowest
        kind = cells.dtype.type
        cleaned = cells & kind(sample)
        if self.is_signed:
            above = (1 << self.bits) - (1 << (self.high + 1))
            cleaned |= np.where(cells & kind(1 << self.high), kind(above), kind(0))
        return bytes(cleaned.astype(cells.dtype, copy=False).tobytes())


def cells_of(dataset: Dataset, *, length: int, is_big_endian: bool) -> Cells:
    """Raises `Undefined`."""
    try:
        bits = int(dataset["BitsAllocated"].value)
        stored = int(dataset["BitsStored"].value) if "BitsStored" in dataset else bits
        high = int(dataset["HighBit"].value) if "HighBit" in dataset else stored - 1
        is_signed = "PixelRepresentation" in dataset and int(dataset["PixelRepresentation"].value or 0) == 1
    except (KeyError, TypeError, ValueError) as error:
        raise Undefined from error
    if stored != bits and (bits not in _CELLS or not 1 <= stored <= high + 1 <= bits or length % (bits // 8)):
        raise Undefined
    return Cells(
        length=length, bits=bits, stored=stored, high=high, is_signed=is_signed, order=">" if is_big_endian else "<"
    )


__all__ = ["Cells", "Undefined", "cells_of"]
