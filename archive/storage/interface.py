"""What the archive needs of a place for bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

KEY_PATTERN = re.compile(r"^(?:[A-Za-z0-9_-][A-Za-z0-9._-]*)(?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$")

# What `adopt` leaves to be done by `sync`: a folder whose entry is not on disk yet, or an upload under way.
Pending = Path | Future[None]


def check_key(key: str) -> str:
    """The key. Raises `ValueError` on one that the archive cannot have made."""
    if not KEY_PATTERN.match(key):
        raise ValueError("not a storage key")
    return key


class Storage(Protocol):
    """Bytes by key. Each write replaces what was there in one step; each act is safe to repeat.

    Every method raises `OSError` when the place cannot be reached or is full, and `ValueError` on a key that is not one.
    """

    def adopt(self, *, source: Path, key: str) -> Pending:
        """Take over a synced file; the source stays. Durable once what is returned went through `sync`."""

    def sync(self, pending: Iterable[Pending]) -> None:
        """Returns when everything adopted is durable."""

    def write(self, *, key: str, content: bytes) -> None:
        """Put bytes under a key, durably."""

    def open(self, key: str) -> BinaryIO:
        """The bytes, seekable. Raises `FileNotFoundError`, here or at the first use."""

    def local(self, key: str) -> AbstractContextManager[Path]:
        """The bytes as a file of this machine, to be read only, for the length of the block. Raises `FileNotFoundError`."""

    def exists(self, key: str) -> bool: ...

    def size(self, key: str) -> int:
        """Raises `FileNotFoundError`."""

    def delete(self, key: str) -> None: ...

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key under a prefix folder, for the check of storage against index."""

    def check(self) -> None:
        """Raises when the place is not usable."""
