"""Deflated files (PS3.5 A.5): inflated for the checks, so that they see every byte, and deflated again at the end."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

from pydicom.filebase import DicomIO
from pydicom.filereader import _read_file_meta_info, read_preamble
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian

DEFLATED: Final = "1.2.840.10008.1.2.1.99"
CHUNK: Final = 1 << 20
IN_MEMORY: Final = 8 << 20
# A data set that inflates to more than this is held back: nobody sends such a one, and disk space is finite.
LARGEST: Final = 1 << 30


class NotInflatable(Exception):
    """The compressed stream is broken, unfinished or inflates beyond `LARGEST`."""


def is_deflated(stream: BinaryIO) -> bool:
    """Whether the file meta information names the deflated transfer syntax. False for what is no Part 10 file."""
    stream.seek(0)
    try:
        read_preamble(stream, force=False)
        meta = _read_file_meta_info(stream)
        return str(meta.get("TransferSyntaxUID", "") or "").strip(" \0") == DEFLATED
    except Exception:  # noqa: BLE001 -- the reader of the whole file says what is wrong with it
        return False


def inflate(stream: BinaryIO, *, scratch: str | None) -> BinaryIO:
    """The same file in Explicit VR Little Endian, in `scratch` when it is large. Bytes behind the stream are left out.

    Raises `NotInflatable`.
    """
    stream.seek(0)
    read_preamble(stream, force=False)
    meta = _read_file_meta_info(stream)
    start = stream.tell()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = temporary(scratch)
    plain.write(bytes(128) + b"DICM")
    write_file_meta_info(DicomIO(plain), meta, enforce_standard=False)
    stream.seek(start)
    total = 0
    for content in _inflated(stream):
        total += len(content)
        if total > LARGEST:
            raise NotInflatable
        plain.write(content)
    return plain


def _inflated(stream: BinaryIO) -> Iterator[bytes]:
    # PS3.5 A.5: RFC 1951 without the header of RFC 1950.
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflater.eof:
            content = inflater.unconsumed_tail or stream.read(CHUNK)
            if not content:
                raise NotInflatable
            yield inflater.decompress(content, CHUNK)
    except zlib.error as error:
        raise NotInflatable from error


def deflate(plain: BinaryIO, *, target: BinaryIO) -> None:
    """Write a file in Explicit VR Little Endian to `target` in the deflated transfer syntax."""
    plain.seek(0)
    read_preamble(plain, force=False)
    meta = _read_file_meta_info(plain)
    start = plain.tell()
    meta.TransferSyntaxUID = UID(DEFLATED)
    target.write(bytes(128) + b"DICM")
    write_file_meta_info(DicomIO(target), meta, enforce_standard=True)
    plain.seek(start)
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    length = 0
    while content := plain.read(CHUNK):
        length += target.write(deflater.compress(content))
    length += target.write(deflater.flush())
    if length % 2:
        target.write(b"\0")


def temporary(scratch: str | None) -> BinaryIO:
    """A file without a name: small content stays in memory."""
    return cast("BinaryIO", tempfile.SpooledTemporaryFile(max_size=IN_MEMORY, dir=scratch or None))
