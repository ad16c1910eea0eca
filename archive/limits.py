"""Limits of what comes in. Each has a generous default; `settings.ARCHIVE_LIMITS` overrides single ones."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from core import room

GIB = 1 << 30

DEFAULTS: dict[str, Any] = {
    # One DICOM file.
    "file_bytes": 64 * GIB,
    # What one zip may unpack to, and its number of files.
    "zip_bytes": 200 * GIB,
    "zip_entries": 250_000,
    # The spool takes no more when the disk has less than this left.
    "free_bytes": room.LOW_BYTES,
    # A delivery that refuses more files than this keeps the first ones only.
    "quarantine_files_per_delivery": 20_000,
    # Files in one indexing transaction.
    "batch_files": 200,
    # An upload whose sender went silent for this long is closed.
    "upload_idle_seconds": 30 * 60,
    # The same for an association or request whose process died.
    "orphan_idle_seconds": 15,
    # A waiting zip that nobody has worked on for this long is taken up again.
    "lost_zip_seconds": 15 * 60,
}


def limit(name: str) -> Any:
    return getattr(settings, "ARCHIVE_LIMITS", {}).get(name, DEFAULTS[name])
