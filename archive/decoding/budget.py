"""How much memory images may take at the same time in this process and its decoders.

A codec's limit bounds one image; nothing bounds eight threads that each show one of 20,000 × 20,000 pixels. So whoever
decodes or draws takes a share first, of as many bytes as the image described can need, and gives it back afterwards. Small
images pass a large one that waits: nobody waits for a share that is not needed.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from archive.decoding.errors import Busy, DecodeError, Why
from archive.domain.codestreams import Description, Family, frame_bytes

GIB: Final = 1 << 30
#: Of the machine's memory, for each process; there are two web processes unless somebody changes that.
SHARE_OF_MACHINE: Final = 4
LEAST_BYTES: Final = 2 * GIB
# What a decoder may use for each sample beside the pixels. Wavelet decoders hold several numbers of 32 bits for one; of the
# others none was seen with more than ten bytes.
WAVELET_SAMPLE: Final = 32
SAMPLE: Final = 16
# What drawing takes for each pixel: by a table of values, as 8-bit colour, and as floating-point numbers.
TABLE_PIXEL: Final = 8
COLOUR_PIXEL: Final = 16
FLOAT_PIXEL: Final = 64
_CGROUP: Final = Path("/sys/fs/cgroup/memory.max")


def memory_of_sample(family: Family | None) -> int:
    if family is None:
        return 0
    return WAVELET_SAMPLE if family in (Family.JPEG_2000, Family.JPEG_XL) else SAMPLE


def to_decode(description: Description, *, family: Family | None, coded: int) -> int:
    """Bytes that decoding one frame can take: the coded frame as it is read, joined and passed on, a decoder's own, and
    the pixels as they come and as they leave."""
    samples = description.rows * description.columns * description.samples
    return 3 * coded + memory_of_sample(family) * samples + 2 * max(frame_bytes(description), samples)


def to_draw(description: Description, *, side: int) -> int:
    """Bytes that making a picture of the pixels can take; `side` is that of the picture, 0 where it keeps its size."""
    pixels = description.rows * description.columns
    is_palette = description.photometric_interpretation == "PALETTE COLOR"
    if description.samples == 1 and description.bits_allocated <= 16 and not is_palette:
        each = TABLE_PIXEL
    elif description.samples > 1 and description.bits_allocated <= 8:
        each = COLOUR_PIXEL
    else:
        each = FLOAT_PIXEL
    return each * pixels + 2 * 4 * side * side


class Budget:
    """`total` bytes. A thread that holds a share takes only what another one needs beyond it."""

    def __init__(self, *, total: int, wait_seconds: float) -> None:
        self.total = total
        self.wait_seconds = wait_seconds
        self._taken = 0
        self._freed = threading.Condition()
        self._mine = threading.local()

    @property
    def taken(self) -> int:
        return self._taken

    @contextlib.contextmanager
    def share(self, count: int) -> Iterator[None]:
        """Raises `DecodeError` when `count` bytes are more than there are, `Busy` when they are not free in time."""
        held = getattr(self._mine, "held", 0)
        more = max(0, count - held)
        self.take(more, held=held)
        self._mine.held = held + more
        try:
            yield
        finally:
            self._mine.held = held
            self.give_back(more)

    def take(self, count: int, *, held: int = 0) -> None:
        """The same without an end: `give_back` is called by whoever has the bytes."""
        if count + held > self.total:
            raise DecodeError(Why.OVER_BUDGET)
        deadline = time.monotonic() + self.wait_seconds
        with self._freed:
            while self._taken + count > self.total:
                if not self._freed.wait(max(0.0, deadline - time.monotonic())) and self._taken + count > self.total:
                    raise Busy
            self._taken += count

    def give_back(self, count: int) -> None:
        with self._freed:
            self._taken -= count
            self._freed.notify_all()


def memory_of_machine() -> int:
    """Bytes that this machine, or the container it is, has."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        found = min(found, int(_CGROUP.read_text(encoding="ascii")))
    return found


def usual_total() -> int:
    return max(LEAST_BYTES, memory_of_machine() // SHARE_OF_MACHINE)
