"""Things that can fail, made before an answer begins: after its first byte there is no way to say so."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

#: So much is kept from the proof; what is beyond is made a second time while it is sent.
KEPT_BYTES: Final = 64 << 20


class Proven:
    """`make(number)` was called for each of `numbers` without an error. Raises what `make` raises.

    Memory stays below `KEPT_BYTES` and one result, however many there are.
    """

    def __init__(self, numbers: Iterable[int], make: Callable[[int], bytes]) -> None:
        self._make = make
        self._kept: dict[int, bytes] = {}
        self.sizes: set[int] = set()
        room = KEPT_BYTES
        for number in dict.fromkeys(numbers):
            made = make(number)
            self.sizes.add(len(made))
            room -= len(made)
            if room >= 0:
                self._kept[number] = made

    def get(self, number: int) -> bytes:
        kept = self._kept.get(number)
        return self._make(number) if kept is None else kept
