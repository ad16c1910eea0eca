"""Read one spooled file: what it is, or why it is refused. Touches no database."""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from archive import spool
from archive.domain import part10, zips
from archive.domain.header import Header, read_header, require_storable
from archive.domain.part10 import Layout, Unreadable

HASH_STEP = 1 << 20
IMPLEMENTATION_CLASS_UID = "2.25.118442437390514216930415362126411498533"
IMPLEMENTATION_VERSION = "PACSWEB_1"


@dataclass(slots=True)
class Inspected:
    """A file as it was found: with `header` it can be stored, else `code` and `reason` say why not."""

    name: str
    original_name: str
    path: Path
    size_bytes: int
    digest: bytes
    dataset_digest: bytes = b""
    header: Header | None = None
    code: str = ""
    reason: str = ""
    #: Who the file says it is, as far as that can be read; known of most files that are refused, too.
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    #: The reason in at most 64 characters (0000,0902), where it has been put that short.
    comment: str = ""


def inspect(*, path: Path, name: str, original_name: str = "") -> Inspected:
    """Walk and decode a file. Every fault of the bytes becomes a code and a reason; raises only on faults of the disk."""
    size = path.stat().st_size
    if size == 0:
        return Inspected(
            name=name, original_name=original_name, path=path, size_bytes=0, digest=hashlib.sha256().digest(),
            code="empty", reason="The file is empty.",
        )  # fmt: skip
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        found = Inspected(name=name, original_name=original_name, path=path, size_bytes=size, digest=b"")
        needs_meta = False
        layout: Layout | None = None
        try:
            layout = part10.read_layout(buffer, size)
            found.header = read_header(layout)
            found.sop_class_uid = found.header.sop_class_uid
            found.sop_instance_uid = found.header.sop_instance_uid
            needs_meta = not layout.has_meta
            _digest(found, file=file, offset=layout.dataset_offset)
        except Unreadable as fault:
            found.code, found.reason = fault.code, fault.reason
            found.header = None
            if fault.code != "dicomdir":
                found.sop_class_uid, found.sop_instance_uid = part10.names_of(buffer, size)
            if fault.code == "not-dicom":
                tail = bytes(buffer[max(0, size - zips.LONGEST_END) :])
                known = zips.stranger(original_name, head=bytes(buffer[:8]), tail=tail)
                found.code, found.reason = known or (fault.code, fault.reason)
            _digest(found, file=file, offset=0)
        layout = None
    if needs_meta and found.header is not None:
        wrap(path=path, header=found.header, dataset_offset=_bare_offset(path=path))
        return inspect(path=path, name=name, original_name=original_name)
    return found


def fault_of(*, path: Path) -> Unreadable | None:
    """Why the index will refuse a file, as far as its structure tells: cut off, no pixels, no identity.

    For a door whose sender still waits. Nothing is unpacked or decoded here: a deflated file is left to the index.
    """
    size = path.stat().st_size
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        layout: Layout | None = None
        try:
            if part10.is_deflated(buffer, size):
                return None
            layout = part10.read_layout(buffer, size)
            require_storable(layout)
        except Unreadable as fault:
            # Its frames hold the mapping open.
            return fault.with_traceback(None)
        finally:
            layout = None
    return None


def _digest(found: Inspected, *, file: BinaryIO, offset: int) -> None:
    """SHA-256 of the file and of its data set in one pass; read piece by piece so that memory stays flat."""
    whole, data_set = hashlib.sha256(), hashlib.sha256()
    file.seek(0)
    whole.update(file.read(offset))
    while piece := file.read(HASH_STEP):
        whole.update(piece)
        data_set.update(piece)
    found.digest = whole.digest()
    found.dataset_digest = data_set.digest()


def _bare_offset(*, path: Path) -> int:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as buffer:
        return part10.read_layout(buffer, path.stat().st_size).dataset_offset


def wrap(*, path: Path, header: Header, dataset_offset: int) -> None:
    """Put preamble and file meta information (PS3.10 7.1) in front of a data set that came without, in one step."""
    part = path.with_name(path.name + ".wrap")
    with path.open("rb") as reader, part.open("wb") as writer:
        writer.write(file_meta(header=header))
        reader.seek(dataset_offset)
        while piece := reader.read(HASH_STEP):
            writer.write(piece)
        writer.flush()
        os.fsync(writer.fileno())
    part.replace(path)
    spool.sync_folder(path.parent)


def file_meta(*, header: Header) -> bytes:
    """Preamble and meta information of an instance."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(header.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(header.sop_instance_uid)
    meta.TransferSyntaxUID = UID(header.transfer_syntax_uid)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    buffer = DicomBytesIO()
    buffer.write(bytes(128) + b"DICM")
    write_file_meta_info(buffer, meta, enforce_standard=True)
    return buffer.getvalue()


__all__ = ["Inspected", "Layout", "file_meta", "inspect", "wrap"]
