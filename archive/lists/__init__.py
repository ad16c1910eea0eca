"""The archive's lists."""

from __future__ import annotations

from archive.lists.archives import ArchiveTable
from archive.lists.intake import DeliveryTable, QuarantineTable, SourceTable
from archive.lists.studies import (
    LONGEST_WORD,
    StudyTable,
    detail_url,
    matching_studies,
    thumbnail_url,
    thumbnails,
    viewer_url,
)

__all__ = [
    "LONGEST_WORD",
    "ArchiveTable",
    "DeliveryTable",
    "QuarantineTable",
    "SourceTable",
    "StudyTable",
    "detail_url",
    "matching_studies",
    "thumbnail_url",
    "thumbnails",
    "viewer_url",
]
