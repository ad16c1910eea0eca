"""The spool: what was received, kept safely until it is indexed.

Layout under `<data>/spool/`: one folder a delivery, named by its UUID.

==================  ==============================================================================================
`<name>.part`       being written; never acknowledged
`<name>.dcm`        whole, on disk (file and folder synced): may be acknowledged
`<name>.name`       the sender's name of the file (UTF-8), where there was one
`<name>.refuse`     a reason to refuse the file that its bytes do not show (`code` and sentence, one a line)
`<name>.zip`        a whole zip file that waits to be unpacked, `<name>.unpacked` how many of its entries are
`<id>.upload`       the beginning of a large file that a browser sends piece by piece
`owner.lock`        locked (flock) by every process that writes here; the lock goes with the process, even by kill -9
==================  ==============================================================================================

`<name>` is the time of arrival in microseconds and the writer's random token, so that names sort by arrival and several
processes may write into one delivery. Nothing here knows the database: the DICOM listener's hot path uses `SpoolWriter` alone.
"""

from __future__ import annotations

from archive.spool.files import bytes_in, original_name_of, path_of, refusal_of, remove, whole_files, write_refusal
from archive.spool.layout import LOCK, NAME, ZIP, delivery_ids, folder_of, make_folder, spool_root
from archive.spool.leftovers import remove_folder, remove_parts, seconds_since_activity
from archive.spool.locks import has_owner, only_here
from archive.spool.syncing import make_folder_durably, sync_folder
from archive.spool.uploads import finish_upload, upload_path
from archive.spool.writer import SpooledFile, SpoolWriter
from archive.spool.zips import note_unpacked, remove_zip, set_aside_zip, unpacked_count, waiting_zips, zip_path

__all__ = [
    "LOCK", "NAME", "ZIP", "SpoolWriter", "SpooledFile", "bytes_in", "delivery_ids", "finish_upload", "folder_of",
    "has_owner", "make_folder", "make_folder_durably", "note_unpacked", "only_here", "original_name_of", "path_of", "refusal_of",
    "remove", "remove_folder", "remove_parts", "remove_zip", "seconds_since_activity", "set_aside_zip", "spool_root",
    "sync_folder", "unpacked_count", "upload_path", "waiting_zips", "whole_files", "write_refusal", "zip_path",
]  # fmt: skip
