"""REST: archives, studies, series, instances, albums, deliveries, quarantine, and uploads."""

from __future__ import annotations

from archive.api.albums import AlbumDetail, Albums, AlbumStudies, AlbumStudy
from archive.api.reading import (
    ArchiveDetail,
    Archives,
    Deliveries,
    Quarantine,
    SeriesInstances,
    Studies,
    StudyDetail,
    StudySeries,
)
from archive.api.uploads import UploadClose, UploadDetail, UploadFiles, UploadPieces, Uploads, UploadStudies

__all__ = [
    "AlbumDetail",
    "AlbumStudies",
    "AlbumStudy",
    "Albums",
    "ArchiveDetail",
    "Archives",
    "Deliveries",
    "Quarantine",
    "SeriesInstances",
    "Studies",
    "StudyDetail",
    "StudySeries",
    "UploadClose",
    "UploadDetail",
    "UploadFiles",
    "UploadPieces",
    "UploadStudies",
    "Uploads",
]
