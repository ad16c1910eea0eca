"""A coded frame as one run of bytes, wherever its fragments lie (PS3.5 A.4); read piece by piece."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, BinaryIO, Final

CHUNK: Final = 1 << 20

Extent = tuple[int, int]


class Source:
    """`size` bytes made of pieces (offset, length) of something larger."""

    __slots__ = ("_ends", "_pieces", "_read", "size")

    def __init__(self, *, read: Callable[[int, int], bytes], pieces: Sequence[Extent]) -> None:
        self._read = read
        self._pieces = [piece for piece in pieces if piece[1]]
        self._ends = list(accumulate(length for _offset, length in self._pieces))
        self.size = self._ends[-1] if self._ends else 0

    def read(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from position `at`; fewer at the end."""
        found = [self._read(offset, count) for offset, count in self.extents(at, at + length)]
        return found[0] if len(found) == 1 else b"".join(found)

    def extents(self, start: int, end: int) -> list[Extent]:
        """The pieces of the larger thing that bytes `start` to `end` lie in."""
        found: list[Extent] = []
        end = min(end, self.size)
        index = bisect_right(self._ends, start)
        while start < end:
            offset, length = self._pieces[index]
            within = start - (self._ends[index] - length)
            count = min(length - within, end - start)
            found.append((offset + within, count))
            start += count
            index += 1
        return found

    def part(self, pieces: Sequence[Extent]) -> Source:
        """A source made of pieces of this one."""
        inner = [extent for start, length in pieces for extent in self.extents(start, start + length)]
        return Source(read=self._read, pieces=inner)

    def chunks(self, at: int, *, overlap: int = 0) -> Iterator[tuple[int, bytes]]:
        """(position, bytes) from `at` to the end; each chunk repeats the last `overlap` bytes of the one before."""
        while at < self.size:
            chunk = self.read(at, CHUNK)
            yield at, chunk
            if at + len(chunk) >= self.size:
                return
            at += len(chunk) - overlap


def of_bytes(data: bytes) -> Source:
    return Source(read=lambda offset, length: data[offset : offset + length], pieces=[(0, len(data))])


def of_buffer(buffer: Any, pieces: Sequence[Extent]) -> Source:
    """Over anything that slices, as a memory map."""
    return Source(read=lambda offset, length: bytes(buffer[offset : offset + length]), pieces=pieces)


def of_file(stream: BinaryIO, pieces: Sequence[Extent]) -> Source:
    def read(offset: int, length: int) -> bytes:
        stream.seek(offset)
        return stream.read(length)

    return Source(read=read, pieces=pieces)
