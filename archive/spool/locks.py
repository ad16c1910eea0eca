"""Who works in the spool now: locks that go with their process."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archive.spool.layout import LOCK, folder_of


@contextmanager
def only_here(path: Path) -> Iterator[bool]:
    """Whether this process alone works on a file of the spool, for the length of the block; False when it is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)


def has_owner(delivery_id: uuid.UUID | str) -> bool:
    """Whether a living process holds the delivery."""
    try:
        descriptor = os.open(folder_of(delivery_id) / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
