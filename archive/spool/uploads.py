"""Large files that a browser sends piece by piece."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

from archive.spool.files import write_name
from archive.spool.layout import UPLOAD, UPLOAD_PATTERN, WHOLE, folder_of
from archive.spool.syncing import sync_folder
from archive.spool.writer import SpooledFile, SpoolWriter


def upload_path(delivery_id: uuid.UUID | str, upload_id: str) -> Path:
    """Where the pieces of a large upload are joined. Raises `ValueError` on an identifier that is not one."""
    if not UPLOAD_PATTERN.match(upload_id):
        raise ValueError("not an upload identifier")
    return folder_of(delivery_id) / (upload_id + UPLOAD)


def finish_upload(writer: SpoolWriter, path: Path, *, original_name: str) -> SpooledFile:
    """The joined pieces become a whole file that may be acknowledged."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        size = os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)
    name = writer.new_name()
    if original_name:
        write_name(writer.delivery_id, name, original_name)
    whole = writer.folder / (name + WHOLE)
    path.rename(whole)
    sync_folder(writer.folder)
    return SpooledFile(
        delivery_id=writer.delivery_id, name=name, path=whole, size_bytes=size, original_name=original_name
    )
