"""What processes left behind: how long it lay, and clearing it away."""

from __future__ import annotations

import os
import shutil
import time
import uuid

from archive.spool.files import whole_files
from archive.spool.layout import PART, UPLOAD, folder_of
from archive.spool.zips import waiting_zips


def seconds_since_activity(delivery_id: uuid.UUID | str) -> float | None:
    """How long nothing was written to the delivery; None when it has no folder."""
    folder = folder_of(delivery_id)
    try:
        moments = [folder.stat().st_mtime]
        moments += [entry.stat().st_mtime for entry in os.scandir(folder) if entry.name.endswith(PART)]
    except FileNotFoundError:
        return None
    return max(0.0, time.time() - max(moments))


def remove_parts(delivery_id: uuid.UUID | str) -> int:
    """Remove unfinished files; only for a delivery without an owner. Returns how many there were."""
    folder = folder_of(delivery_id)
    count = 0
    for pattern in ("*" + PART, "*" + UPLOAD):
        for part in folder.glob(pattern):
            part.unlink(missing_ok=True)
            count += 1
    return count


def remove_folder(delivery_id: uuid.UUID | str) -> bool:
    """Remove the folder of a finished delivery; keeps it, and says so, while a whole file or a zip is in it."""
    folder = folder_of(delivery_id)
    if whole_files(delivery_id) or waiting_zips(delivery_id):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    return True
