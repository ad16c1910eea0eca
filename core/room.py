"""How much room a disk has, and what that means. Known to the launcher too, which loads no Django."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

MIB = 1 << 20
LOW_BYTES = 512 * MIB
"""With less than this left nothing new is taken: database, queues and logs need what remains."""

FULL_BYTES = 48 * MIB
"""With less than this left the launcher gives up its reserve (`pacsweb.launcher.reserve`)."""


class State(StrEnum):
    OK = "ok"
    LOW = "low"
    FULL = "full"


@dataclass(frozen=True, kw_only=True)
class Room:
    free_bytes: int
    state: State

    @property
    def is_short(self) -> bool:
        return self.state is not State.OK


def free_bytes(folder: Path) -> int:
    """Bytes that an ordinary user can still write on the disk of a folder, or of the nearest one above that exists."""
    while True:
        try:
            state = os.statvfs(folder)
        except FileNotFoundError:
            if folder == folder.parent:
                raise
            folder = folder.parent
            continue
        return state.f_bavail * state.f_frsize


def judge(*, free: int, low: int = LOW_BYTES) -> Room:
    if free >= low:
        return Room(free_bytes=free, state=State.OK)
    return Room(free_bytes=free, state=State.FULL if free < FULL_BYTES else State.LOW)
