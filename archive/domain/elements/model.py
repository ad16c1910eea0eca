"""Elements, items, and the bytes that they lie in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final

PIXEL_TAGS: Final = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
WINDOW_BYTES: Final = 1 << 16


class Source:
    """A file read through a window that moves forward: headers are small and close together, values may be huge."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._window = b""
        self._start = 0
        self.size = file.seek(0, 2)

    def window(self, position: int, count: int) -> tuple[bytes, int]:
        """(buffer, index in it) with `count` bytes from `position`; fewer at the end of the file."""
        index = position - self._start
        if index < 0 or index + count > len(self._window):
            self._file.seek(position)
            self._window = self._file.read(max(count, WINDOW_BYTES))
            self._start, index = position, 0
        return self._window, index

    def read(self, position: int, count: int) -> bytes:
        if count > WINDOW_BYTES:
            self._file.seek(position)
            return self._file.read(count)
        buffer, index = self.window(position, count)
        return buffer[index : index + count]

    def peek(self, position: int, count: int) -> bytes:
        """A few bytes far from what comes next: the window stays where it is."""
        self._file.seek(position)
        return self._file.read(count)

    def pieces(self, position: int, count: int, *, step: int = 1 << 20) -> Iterator[bytes]:
        while count > 0:
            piece = self.read(position, min(step, count))
            if not piece:
                raise EOFError("a stored file is shorter than its elements say")
            position += len(piece)
            count -= len(piece)
            yield piece


@dataclass(slots=True)
class Element:
    """One element. `vr` as written, empty in implicit VR. A sequence has `items`; of encapsulated pixels only the place.

    `offset` and `length` are of the value in `source`; `value` is set where it was made, not read.
    """

    tag: int
    vr: str
    offset: int
    length: int
    is_big_endian: bool
    source: Source
    items: list[Elements] | None = None
    is_undefined: bool = False
    made: bytes | None = None

    def value(self) -> bytes:
        return self.made if self.made is not None else self.source.read(self.offset, self.length)

    @property
    def size(self) -> int:
        return len(self.made) if self.made is not None else self.length


@dataclass(slots=True)
class Elements:
    """A data set or an item: its elements by tag; a tag that comes twice counts with its last value."""

    by_tag: dict[int, Element] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Element]:
        """In rising order of tags, as every data set must be written (PS3.5 7.1)."""
        return iter([self.by_tag[tag] for tag in sorted(self.by_tag)])

    def __contains__(self, tag: int) -> bool:
        return tag in self.by_tag

    def get(self, tag: int) -> Element | None:
        return self.by_tag.get(tag)

    def value(self, tag: int) -> bytes:
        """The raw value; empty when absent or a sequence."""
        element = self.by_tag.get(tag)
        return b"" if element is None or element.items is not None else element.value()
