"""The disks that this installation writes to: the data folder's, and the images' where they lie on another one."""

from __future__ import annotations

import errno
from pathlib import Path

from django.conf import settings

from core import room, storage_address
from core.room import Room


def least_room() -> Room:
    """The room of the fullest disk. `ARCHIVE_LIMITS["free_bytes"]` says where it begins to be short."""
    folders = [Path(settings.DATA_DIR)]
    address = storage_address.parse(settings.STORAGE_URL)
    if isinstance(address, storage_address.Folder):
        folders.append(address.path)
    low = getattr(settings, "ARCHIVE_LIMITS", {}).get("free_bytes", room.LOW_BYTES)
    return room.judge(free=min(room.free_bytes(folder) for folder in folders), low=low)


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or what caused it, says that a disk has no room: a file's, PostgreSQL's (SQLSTATE 53100), or
    Valkey's, which takes no writes while its file cannot be written (`MISCONF`)."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if getattr(error, "sqlstate", None) == "53100" or str(error).startswith("MISCONF"):
            return True
        error = error.__cause__ or error.__context__
    return False
