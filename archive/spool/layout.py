"""Where things lie in the spool and what they are called; see the package for the whole picture."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from archive.spool.syncing import make_folder_durably

PART, WHOLE, NAME, LOCK = ".part", ".dcm", ".name", "owner.lock"
REFUSE, ZIP, UNPACKED, UPLOAD = ".refuse", ".zip", ".unpacked", ".upload"
NAME_PATTERN = re.compile(r"^\d{16}-[0-9a-f]{8}$")
UPLOAD_PATTERN = re.compile(r"^[0-9a-zA-Z_-]{8,64}$")


def spool_root() -> Path:
    return Path(settings.DATA_DIR) / "spool"


def folder_of(delivery_id: uuid.UUID | str) -> Path:
    return spool_root() / str(uuid.UUID(str(delivery_id)))


def make_folder(delivery_id: uuid.UUID | str) -> Path:
    """The delivery's folder, made durably if it is not there."""
    folder = folder_of(delivery_id)
    make_folder_durably(folder)
    return folder


def names_in(folder: Path) -> list[str]:
    """Names in a folder, without a Path for each: a delivery may hold a hundred thousand files."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries]


def delivery_ids() -> Iterator[uuid.UUID]:
    """Deliveries that have a folder in the spool."""
    try:
        entries = names_in(spool_root())
    except FileNotFoundError:
        return
    for entry in entries:
        try:
            yield uuid.UUID(entry)
        except ValueError:
            continue
