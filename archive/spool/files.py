"""The whole files of a delivery: which there are, what is noted beside each, and forgetting them."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from archive.spool.layout import NAME, NAME_PATTERN, REFUSE, WHOLE, folder_of, names_in

MAX_NAME_BYTES = 2000


def whole_files(delivery_id: uuid.UUID | str) -> list[str]:
    """Names of the whole files of a delivery, in order of arrival; empty when the folder is gone."""
    try:
        found = [entry[: -len(WHOLE)] for entry in names_in(folder_of(delivery_id)) if entry.endswith(WHOLE)]
    except FileNotFoundError:
        return []
    return sorted(name for name in found if NAME_PATTERN.match(name))


def bytes_in(delivery_id: uuid.UUID | str) -> int:
    """What a delivery holds on the disk: whole and unfinished files, waiting zips, pieces of uploads."""
    try:
        with os.scandir(folder_of(delivery_id)) as entries:
            return sum(_size(entry) for entry in entries)
    except FileNotFoundError:
        return 0


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def path_of(delivery_id: uuid.UUID | str, name: str) -> Path:
    if not NAME_PATTERN.match(name):
        raise ValueError("not a name of the spool")
    return folder_of(delivery_id) / (name + WHOLE)


def original_name_of(delivery_id: uuid.UUID | str, name: str) -> str:
    try:
        raw = (folder_of(delivery_id) / (name + NAME)).read_bytes()
    except FileNotFoundError:
        return ""
    return raw.decode("utf-8", "replace")


def write_name(delivery_id: uuid.UUID | str, name: str, original_name: str) -> None:
    encoded = original_name.encode("utf-8", "replace")[:MAX_NAME_BYTES]
    (folder_of(delivery_id) / (name + NAME)).write_bytes(encoded)


def refusal_of(delivery_id: uuid.UUID | str, name: str) -> tuple[str, str]:
    """The (code, reason) that a file was marked with, or two empty texts."""
    try:
        code, _line, reason = (folder_of(delivery_id) / (name + REFUSE)).read_text(encoding="utf-8").partition("\n")
    except FileNotFoundError:
        return "", ""
    return code, reason


def write_refusal(delivery_id: uuid.UUID | str, name: str, *, code: str, reason: str) -> None:
    """On disk when this returns: without its reason the file would be taken for a good one."""
    with (folder_of(delivery_id) / (name + REFUSE)).open("w", encoding="utf-8") as file:
        file.write(f"{code}\n{reason}")
        file.flush()
        os.fdatasync(file.fileno())


def remove(delivery_id: uuid.UUID | str, names: list[str]) -> None:
    """Forget files that are indexed or refused; safe to repeat."""
    folder = folder_of(delivery_id)
    try:
        there = set(names_in(folder)) if names else set()
    except FileNotFoundError:
        return
    for name in names:
        if not NAME_PATTERN.match(name):
            continue
        # The file itself first: one that was to be refused must not stay behind without its reason.
        for suffix in (WHOLE, NAME, REFUSE):
            if name + suffix in there:
                (folder / (name + suffix)).unlink(missing_ok=True)
