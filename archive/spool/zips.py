"""Zip files that wait in the spool to be unpacked."""

from __future__ import annotations

import uuid
from pathlib import Path

from archive.spool.files import path_of
from archive.spool.layout import NAME, NAME_PATTERN, UNPACKED, ZIP, folder_of, names_in
from archive.spool.syncing import sync_folder


def waiting_zips(delivery_id: uuid.UUID | str) -> list[str]:
    """Names of the zip files that are not unpacked yet."""
    try:
        entries = names_in(folder_of(delivery_id))
    except FileNotFoundError:
        return []
    return sorted(entry[: -len(ZIP)] for entry in entries if entry.endswith(ZIP))


def zip_path(delivery_id: uuid.UUID | str, name: str) -> Path:
    if not NAME_PATTERN.match(name):
        raise ValueError("not a name of the spool")
    return folder_of(delivery_id) / (name + ZIP)


def set_aside_zip(delivery_id: uuid.UUID | str, name: str) -> Path:
    """A whole file turns out to be a zip: take it out of the index's sight."""
    target = zip_path(delivery_id, name)
    path_of(delivery_id, name).rename(target)
    sync_folder(target.parent)
    return target


def unpacked_count(delivery_id: uuid.UUID | str, name: str) -> int:
    try:
        return int((folder_of(delivery_id) / (name + UNPACKED)).read_text(encoding="ascii") or 0)
    except (FileNotFoundError, ValueError):
        return 0


def note_unpacked(delivery_id: uuid.UUID | str, name: str, count: int) -> None:
    (folder_of(delivery_id) / (name + UNPACKED)).write_text(str(count), encoding="ascii")


def remove_zip(delivery_id: uuid.UUID | str, name: str) -> None:
    for suffix in (ZIP, UNPACKED, NAME):
        (folder_of(delivery_id) / (name + suffix)).unlink(missing_ok=True)
