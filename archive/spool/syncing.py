"""Make what was written survive a power cut: the bytes of a file, the names in a folder."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make the bytes of a file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def make_folder_durably(folder: Path) -> None:
    """Make a folder, and those above it that are missing, so that each name survives a power cut."""
    missing = []
    step = folder
    while not step.is_dir():
        missing.append(step)
        step = step.parent
    for step in reversed(missing):
        step.mkdir(parents=True, exist_ok=True)
        sync_folder(step.parent)
