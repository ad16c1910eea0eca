"""Room that is kept for the day the disk is full.

A database that cannot write its log stops, and with it every page. So the launcher holds a file that nobody needs, and
gives it up when others have filled the disk: the images that are there can still be looked at, who looked is recorded,
and the logs say what happened. New images are refused long before (`core.room.LOW_BYTES`). With room again the file is
made anew.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from core import room
from pacsweb.launcher.messages import complain, say

LARGEST_BYTES = 256 * room.MIB
SHARE_OF_DISK = 6
# The reserve is looked at several times a second; what failed is tried again after this.
AGAIN_SECONDS = 60.0


class Reserve:
    """One file on the disk of the data folder."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        self._told = room.State.OK
        self._complaints: set[str] = set()
        self._not_before = 0.0

    @property
    def size_bytes(self) -> int:
        return min(LARGEST_BYTES, shutil.disk_usage(self.path.parent).total // SHARE_OF_DISK)

    def look(self) -> None:
        """Hold it while there is room, give it up when there is none. Never raises `OSError`: it is asked all the time."""
        try:
            self._look()
        except OSError as error:
            self._complain_once(f"the free space on the disk of {self.path.parent} is unknown: {error.strerror}")

    def _look(self) -> None:
        free = room.free_bytes(self.path.parent)
        if self.path.exists():
            if free < room.FULL_BYTES:
                self.give_up()
        elif free >= room.LOW_BYTES + self.size_bytes and time.monotonic() >= self._not_before:
            self._try_to_take()
        self._tell(room.judge(free=free).state)

    def _try_to_take(self) -> None:
        """A quota, or a file system that reserves nothing, may stand in the way though there is room."""
        try:
            self._take()
        except OSError as error:
            self._not_before = time.monotonic() + AGAIN_SECONDS
            self._complain_once(f"no reserve for a full disk could be made in {self.path.parent}: {error.strerror}")
        else:
            self._complaints.clear()

    def _complain_once(self, words: str) -> None:
        if words not in self._complaints:
            self._complaints.add(words)
            complain(words)

    def give_up(self) -> None:
        self.path.unlink(missing_ok=True)

    def _take(self) -> None:
        part = self.path.with_name(f".{self.path.name}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self.size_bytes)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        part.replace(self.path)

    def _tell(self, state: room.State) -> None:
        if state is self._told:
            return
        was, self._told = self._told, state
        if state is room.State.FULL:
            complain(
                f"the disk of {self.path.parent} is full; what is stored can still be read, new images are refused until "
                f"{room.LOW_BYTES // room.MIB} MB are free"
            )
        elif state is room.State.LOW and was is room.State.OK:
            complain(
                f"the disk of {self.path.parent} is nearly full; new images are refused until "
                f"{room.LOW_BYTES // room.MIB} MB are free"
            )
        elif state is room.State.OK:
            say("there is room on the disk again; new images are taken")
