"""Zip files: what is in them, and what of it may be taken.

Names inside a zip never become paths here, so they can do no harm; one that tries (`../`, an absolute path, a link) still
marks its entry as refused, because nothing honest writes it. Sizes come from the directory and are enforced while reading.
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

READ_BYTES = 1 << 20
# Deflate cannot exceed 1,032:1; real studies of blank images come near it only in small files. What is refused in a zip
# is kept as well, so this bounds what a megabyte can make us keep.
MAX_RATIO = 200
RATIO_FLOOR_BYTES = 1 << 20
SYSTEM_NAMES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "dicomdir", "ehthumbs.db", ".localized"})
# What the viewers on patients' discs are made of. Nothing that could be a document: those are refused, and kept.
PROGRAM_ENDINGS = frozenset(
    {
        "bat", "cab", "chm", "class", "cmd", "com", "css", "dll", "dylib", "exe", "hlp", "htm", "html", "ico", "inf", "ini",
        "jar", "js", "lnk", "manifest", "msi", "ocx", "ps1", "sh", "so", "sys", "url", "vbs",
    }
)  # fmt: skip
PROGRAM_STARTS = (b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"#!")
SYSTEM_FOLDERS = frozenset({"__macosx", "$recycle.bin", "system volume information"})
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")

SKIP_SYSTEM = ("companion", "A file of the operating system or of the disc, not an image: left out.")
SKIP_DICOMDIR = ("dicomdir", "A DICOMDIR is the table of contents of a disc; its images are taken, not it.")
SKIP_PROGRAM = ("companion", "A program or a part of one, as discs bring them to show their images: left out.")
BEHIND_PROGRAM = (
    "zip-behind-program",
    "This is a zip file that unpacks itself: a program stands in front of it. Unpack it on your computer and send the "
    "folder, or pack that as a plain zip file.",
)
UNSAFE_PATH = ("unsafe-path", "The name of this entry leads out of the zip file.")
LINK = ("symbolic-link", "This entry is a link, not a file.")
ENCRYPTED = ("zip-encrypted", "This entry is encrypted; upload it without a password.")
CORRUPT = ("zip-corrupt", "This entry of the zip file is damaged.")
NESTED = ("nested-zip", "A zip file inside a zip file is not unpacked; upload it by itself.")
TOO_LARGE = ("file-too-large", "This entry is larger than this archive takes.")


class BadZip(Exception):
    """The zip file as a whole is refused."""

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


# Of an entry of the central directory: its signature, and the lengths of name, extra field and comment.
DIRECTORY_ENTRY = struct.Struct("<4s24x3H12x")
END_BYTES = 22
LONGEST_END = END_BYTES + 0xFFFF
# The end record of zip64 and its locator.
ZIP64_BYTES = 56 + 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a zip. With `skip` it is left out, with `refusal` it is refused; both are (code, reason)."""

    number: int
    name: str
    size_bytes: int
    info: zipfile.ZipInfo
    skip: tuple[str, str] | None = None
    refusal: tuple[str, str] | None = None
    is_readable: bool = True

    @property
    def is_kept(self) -> bool:
        return self.skip is None and self.is_readable


def is_companion(name: str) -> tuple[str, str] | None:
    """Files that discs and operating systems add to a folder of images."""
    parts = [part.lower() for part in PurePosixPath(name.replace("\\", "/")).parts]
    if not parts:
        return None
    if parts[-1] == "dicomdir":
        return SKIP_DICOMDIR
    if parts[-1] in SYSTEM_NAMES or parts[-1].startswith("._") or SYSTEM_FOLDERS.intersection(parts[:-1]):
        return SKIP_SYSTEM
    return None


def stranger(name: str, *, head: bytes, tail: bytes) -> tuple[str, str] | None:
    """(code, reason) for a file that proved to be no DICOM, when more can be said of it than that.

    A program is left out where it lies among others, in a folder or in a zip file: by itself somebody chose to send it.
    `head` and `tail` are its first and last bytes, of the latter as many as a zip file's end record can take.
    """
    is_program = head.startswith(PROGRAM_STARTS)
    if is_program and _ends_zip(tail):
        return BEHIND_PROGRAM
    path = PurePosixPath(name.replace("\\", "/"))
    if len(path.parts) > 1 and (is_program or path.suffix.lower().lstrip(".") in PROGRAM_ENDINGS):
        return SKIP_PROGRAM
    return None


def _ends_zip(tail: bytes) -> bool:
    """Whether an end record with entries stands at the end (APPNOTE 4.3.16), its comment as long as it says."""
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < END_BYTES:
        return False
    entries: int = struct.unpack_from("<H", tail, at + 10)[0]
    comment: int = struct.unpack_from("<H", tail, at + 20)[0]
    return entries > 0 and at + END_BYTES + comment <= len(tail)


def looks_like_zip(head: bytes, *, name: str = "") -> bool:
    """By its first 132 bytes; a DICOM file may begin with anything before its DICM. A program in Java is no zip of images."""
    return head.startswith(ZIP_STARTS) and head[128:132] != b"DICM" and not name.lower().endswith(".jar")


def open_zip(
    path: Path, *, max_entries: int, max_bytes: int, max_file_bytes: int
) -> tuple[zipfile.ZipFile, list[Entry]]:
    """The zip and its files in order. Raises `BadZip` when it is damaged, a bomb, or beyond the limits."""
    size = path.stat().st_size
    _check_directory(path, size=size, max_entries=max_entries)
    try:
        opened = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeError, OverflowError) as error:
        raise BadZip("zip-corrupt", "The zip file is damaged or not complete.") from error
    try:
        infos = [info for info in opened.infolist() if not info.is_dir()]
        _check_bounds(infos, size=size, max_entries=max_entries, max_bytes=max_bytes)
    except BadZip:
        opened.close()
        raise
    return opened, [_entry(number, info, max_file_bytes) for number, info in enumerate(infos)]


def _check_directory(path: Path, *, size: int, max_entries: int) -> None:
    """Count the entries one by one before a library holds them all in memory. What is damaged is left to the library."""
    with path.open("rb") as file:
        found = _directory(file, size=size)
        if found is None:
            return
        position, end = found
        count = 0
        file.seek(position)
        while position < end:
            head = file.read(DIRECTORY_ENTRY.size)
            if len(head) < DIRECTORY_ENTRY.size or not head.startswith(b"PK\x01\x02"):
                return
            count += 1
            if count > max_entries:
                raise BadZip("zip-too-many", f"The zip file holds more than {max_entries:,} files.")
            _signature, *lengths = DIRECTORY_ENTRY.unpack(head)
            position += DIRECTORY_ENTRY.size + sum(lengths)
            file.seek(sum(lengths), 1)


def _directory(file: BinaryIO, *, size: int) -> tuple[int, int] | None:
    """(offset, end) of the central directory (APPNOTE 4.3.12 to 4.3.16)."""
    start = max(0, size - LONGEST_END)
    file.seek(start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < END_BYTES:
        return None
    length = struct.unpack_from("<I", tail, at + 12)[0]
    end = start + at
    if end >= ZIP64_BYTES:
        # Where the library looks for it, whatever the locator says.
        file.seek(end - ZIP64_BYTES)
        record = file.read(ZIP64_BYTES)
        if record.startswith(b"PK\x06\x06") and record[-20:].startswith(b"PK\x06\x07"):
            length = struct.unpack_from("<Q", record, 40)[0]
            end -= ZIP64_BYTES
    return (end - length, end) if end - length >= 0 else None


def _check_bounds(infos: list[zipfile.ZipInfo], *, size: int, max_entries: int, max_bytes: int) -> None:
    if len(infos) > max_entries:
        raise BadZip("zip-too-many", f"The zip file holds more than {max_entries:,} files.")
    total = sum(info.file_size for info in infos)
    if total > max_bytes:
        raise BadZip("zip-too-large", f"The zip file unpacks to more than {max_bytes >> 30:,} GiB.")
    if sum(info.compress_size for info in infos) > size:
        raise BadZip("zip-bomb", "Entries of the zip file overlap: it was made to flood the disk.")
    if total > RATIO_FLOOR_BYTES and total > MAX_RATIO * size:
        raise BadZip(
            "zip-bomb",
            f"The zip file unpacks to more than {MAX_RATIO} times its size. If that is right, upload the files themselves.",
        )


def _entry(number: int, info: zipfile.ZipInfo, max_file_bytes: int) -> Entry:
    refusal: tuple[str, str] | None = None
    is_readable = True
    if info.flag_bits & 0x1:
        refusal, is_readable = ENCRYPTED, False
    elif info.file_size > max_file_bytes:
        refusal, is_readable = TOO_LARGE, False
    elif stat.S_ISLNK(info.external_attr >> 16):
        refusal = LINK
    elif _leads_out(info.orig_filename) or _leads_out(info.filename):
        refusal = UNSAFE_PATH
    return Entry(
        number=number,
        name=info.filename,
        size_bytes=info.file_size,
        info=info,
        skip=is_companion(info.filename) if refusal is None else None,
        refusal=refusal,
        is_readable=is_readable,
    )


def _leads_out(name: str) -> bool:
    path = name.replace("\\", "/")
    return path.startswith("/") or path[1:2] == ":" or ".." in path.split("/") or "\0" in path


def read_entry(opened: zipfile.ZipFile, entry: Entry) -> Iterator[bytes]:
    """The bytes of an entry, piece by piece, no more than it says it has. Raises `BadZip` when it is damaged."""
    try:
        with opened.open(entry.info) as file:
            remaining = entry.size_bytes
            while piece := file.read(min(READ_BYTES, remaining + 1)):
                remaining -= len(piece)
                if remaining < 0:
                    raise BadZip(*CORRUPT)
                yield piece
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise BadZip(*CORRUPT) from error
