"""Inflating within a limit (RFC 1951)."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Final

from archive.domain.codestreams.stream import Damaged, malformed

STEP: Final = 1 << 20


def inflated(chunks: Iterable[bytes], *, limit: int) -> Iterator[bytes]:
    """The inflated bytes, at most `STEP` at a time. Raises `Damaged` as soon as they are more than `limit`."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total = 0
    try:
        for chunk in chunks:
            left = chunk
            while left and not inflater.eof:
                part = inflater.decompress(left, STEP)
                left = inflater.unconsumed_tail
                total += len(part)
                if total > limit:
                    raise Damaged("too-large", "The compressed data unpacks to more than the image it describes.")
                yield part
            if inflater.eof:
                return
    except zlib.error:
        raise malformed("it does not inflate") from None
    if not inflater.eof:
        raise malformed("it was cut")
