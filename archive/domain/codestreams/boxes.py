"""Boxes around a codestream: JP2 and JPH (ITU-T T.800 I, T.814 D) and JPEG XL (ISO/IEC 18181-2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from archive.domain.codestreams.source import Source
from archive.domain.codestreams.stream import malformed

SIGNATURE_JP2: Final = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
SIGNATURE_JXL: Final = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
MAXIMUM_BOXES: Final = 1024


@dataclass(frozen=True, slots=True)
class Box:
    kind: bytes
    start: int
    content: int
    end: int


def boxes(source: Source, *, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes of one level. Raises `Damaged` when one does not fit."""
    position = start
    limit = source.size if end is None else end
    for _number in range(MAXIMUM_BOXES):
        # A fragment has an even length: one byte of padding may follow the last box (PS3.5 8.2).
        if limit - position <= 1:
            return
        head = source.read(position, 16)
        if len(head) < 8:
            raise malformed("bytes follow its last box")
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        content = position + 8
        if length == 1:
            length, content = int.from_bytes(head[8:16], "big"), position + 16
        stop = limit if length == 0 else position + length
        if stop > limit or stop < content:
            raise malformed("one of its boxes does not fit")
        yield Box(kind, position, content, stop)
        position = stop
    raise malformed("it has more boxes than is plausible")
