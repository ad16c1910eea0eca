"""The counters of a process, in files that a full disk cannot tear.

`prometheus_client` maps sparse files into memory. Where the disk has no block for a page that is written for the first
time, the kernel ends the process (SIGBUS): a full disk took every web server with it. Here each file has its blocks before
it is mapped; where there are none the counters of this process go on in memory, and are not seen in /metrics.
"""

from __future__ import annotations

import mmap
import os
from typing import Any

from prometheus_client import mmap_dict, values

ROOM_FOR_ENTRY = 64
FIRST_BYTES = 1 << 16


class WholeFileDict(mmap_dict.MmapedDict):
    """A dict of doubles in a mapped file without holes."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if not read_mode and not self._allocate(filename):
            filename = f"/proc/self/fd/{os.memfd_create('metrics')}"
        super().__init__(filename, read_mode)

    @staticmethod
    def _allocate(filename: str) -> bool:
        try:
            descriptor = os.open(filename, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            return False
        try:
            os.posix_fallocate(descriptor, 0, max(FIRST_BYTES, os.fstat(descriptor).st_size))
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _init_value(self, key: str) -> None:
        state: Any = self
        needed = len(key.encode()) + ROOM_FOR_ENTRY
        while state._used + needed > state._capacity:
            larger = state._capacity * 2
            try:
                os.posix_fallocate(state._f.fileno(), 0, larger)
            except OSError:
                self._go_on_in_memory(larger)
            else:
                state._m = mmap.mmap(state._f.fileno(), larger)
            state._capacity = larger
        super()._init_value(key)

    def _go_on_in_memory(self, size: int) -> None:
        state: Any = self
        memory = os.fdopen(os.memfd_create("metrics"), "r+b")
        memory.truncate(size)
        moved = mmap.mmap(memory.fileno(), size)
        moved[: state._used] = state._m[: state._used]
        state._f.close()
        state._f, state._m = memory, moved


def install() -> None:
    """Before the first counter is made."""
    values.MmapedDict = WholeFileDict  # type: ignore[attr-defined]
