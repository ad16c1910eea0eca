"""The disks that this installation writes to: the data folder's, and those of spool and images where they lie elsewhere."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import psycopg
import redis
from django.conf import settings

from core import room, storage_address
from core.room import Room


def least_room() -> Room:
    """The room of the fullest disk. `ARCHIVE_LIMITS["free_bytes"]` says where it begins to be short."""
    data = Path(settings.DATA_DIR)
    # `archive.spool.spool_root`: often a fast disk of its own, mounted or linked into the data folder.
    folders = [data, data / "spool"]
    address = storage_address.parse(settings.STORAGE_URL)
    if isinstance(address, storage_address.Folder):
        folders.append(address.path)
    low = getattr(settings, "ARCHIVE_LIMITS", {}).get("free_bytes", room.LOW_BYTES)
    return room.judge(free=min(room.free_bytes(folder) for folder in folders), low=low)


def is_away(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that database or cache do not answer: PostgreSQL's connection is gone or it
    is just starting (SQLSTATE classes 08 and 57P), or Valkey cannot be reached."""
    for one in _chain(error):
        if isinstance(one, psycopg.OperationalError):
            state = one.sqlstate or "08000"
            return state.startswith(("08", "57P"))
        if isinstance(one, redis.ConnectionError):
            return True
    return False


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that a disk has no room: a file's, PostgreSQL's (SQLSTATE 53100), or
    Valkey's, which takes no writes while its file cannot be written (`MISCONF`)."""
    return any(
        (isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT))
        or getattr(one, "sqlstate", None) == "53100"
        or (isinstance(one, redis.ResponseError) and str(one).startswith("MISCONF"))
        for one in _chain(error)
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
