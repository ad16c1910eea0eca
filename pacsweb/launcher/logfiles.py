"""A child's output goes through the supervisor into a log file that is rotated."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LARGEST_BYTES = 20 * 1024 * 1024
KEPT_FILES = 5


class LogFile:
    """Appends; at 20 MB the file becomes `name.log.1`, and so on up to 5.

    What a full disk has no room for is lost, and how much it was is said as soon as there is room. Raises nothing: who
    writes here keeps a child's output flowing, and with it the child.
    """

    def __init__(self, *, path: Path, largest_bytes: int = LARGEST_BYTES) -> None:
        self.path = path
        self._largest = largest_bytes
        self._stream: IO[bytes] | None = None
        self._lost_bytes = 0

    def write(self, piece: bytes) -> None:
        try:
            if self._stream is None:
                self._stream = self.path.open("ab", buffering=0)
            if self._lost_bytes:
                self._stream.write(b"[%d bytes could not be written: the disk was full]\n" % self._lost_bytes)
                self._lost_bytes = 0
            written = self._stream.write(piece)
            if written < len(piece):
                self._lost_bytes += len(piece) - written
        except OSError:
            self._lost_bytes += len(piece)
            return
        if self._stream.tell() > self._largest and piece.endswith(b"\n"):
            # Where that fails the next line is tried in the file as it is.
            with contextlib.suppress(OSError):
                self._rotate()

    def _rotate(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        for number in range(KEPT_FILES - 1, 0, -1):
            older = self.path.with_name(f"{self.path.name}.{number}")
            if older.exists():
                older.replace(self.path.with_name(f"{self.path.name}.{number + 1}"))
        self.path.replace(self.path.with_name(f"{self.path.name}.1"))
        self._stream = self.path.open("ab", buffering=0)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def pump(*, descriptor: int, log: LogFile) -> threading.Thread:
    """Copy a child's output until it closes; the thread ends with it."""

    def copy() -> None:
        while True:
            try:
                piece = os.read(descriptor, 65536)
            except OSError:
                piece = b""
            if not piece:
                break
            log.write(piece)
        os.close(descriptor)
        log.close()

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    return thread


def last_line(*, path: Path) -> str:
    """The last thing a child said, for the sentence about its end."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 4096))
            lines = stream.read().decode("utf-8", errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip()[:300] if lines else ""


def follow(*, folder: Path, first_lines: int = 20) -> None:
    """Print the end of every log and then what is added, each line with its child's name."""
    positions: dict[Path, tuple[int, int]] = {}
    for path in sorted(folder.glob("*.log")):
        lines = path.read_bytes().splitlines()[-first_lines:]
        _print(path=path, lines=lines)
        positions[path] = (path.stat().st_ino, path.stat().st_size)
    while True:
        for path in sorted(folder.glob("*.log")):
            lines = list(_new_lines(path=path, positions=positions))
            _print(path=path, lines=lines)
        time.sleep(0.3)


def _new_lines(*, path: Path, positions: dict[Path, tuple[int, int]]) -> Iterator[bytes]:
    try:
        status = path.stat()
        inode, position = positions.get(path, (status.st_ino, 0))
        if inode != status.st_ino or status.st_size < position:
            position = 0
        with path.open("rb") as stream:
            stream.seek(position)
            text = stream.read()
    except OSError:
        return
    whole, _newline, _rest = text.rpartition(b"\n")
    if whole:
        positions[path] = (status.st_ino, position + len(whole) + 1)
        yield from whole.splitlines()
    else:
        positions.setdefault(path, (status.st_ino, position))


def _print(*, path: Path, lines: list[bytes]) -> None:
    for line in lines:
        sys.stdout.write(f"{path.stem:<15} {line.decode('utf-8', errors='replace')}\n")
    sys.stdout.flush()
