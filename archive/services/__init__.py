"""The archive's write side: archives, deliveries, the index, quarantine, deletion, derived data."""

from __future__ import annotations

from archive.services.archives import change_archive, create_archive
from archive.services.deletion import delete_study
from archive.services.deliveries import (
    SpooledFile,
    close_delivery,
    discard_spool,
    open_delivery,
    receive,
    request_indexing,
)
from archive.services.export import start_export
from archive.services.index import Outcome, index_delivery

__all__ = [
    "Outcome",
    "SpooledFile",
    "change_archive",
    "close_delivery",
    "create_archive",
    "delete_study",
    "discard_spool",
    "index_delivery",
    "open_delivery",
    "receive",
    "request_indexing",
    "start_export",
]
