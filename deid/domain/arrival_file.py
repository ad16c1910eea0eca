"""The check of an arriving file as it is stored: every byte that `deid.domain.arrival` does not see as a data set.

An archive keeps files byte for byte. So all of a file is looked at: the preamble, the file meta information, each
element with its place among the others, what stands beside compressed pixels, binary tables, and whatever follows.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.uid import RE_VALID_UID

from archive import decoding
from archive.domain.part10.encodings import LONG_VRS, SHORT_VRS, encoding_of
from deid.domain import arrival, arrival_pixels, binaries, contents, deflated, files, tables, texts, uids
from deid.domain.arrival import IDENTITY, UNPROCESSED, UNREADABLE, Found
from deid.domain.elements import element_of
from deid.domain.findings import Reason, Severity
from deid.domain.identifiers import Identifiers, fold
from deid.domain.words import words

#: What a file meta information may state; AE titles and names of implementations as far as they name software.
_META_UIDS: Final = frozenset((0x0002, 0x0003, 0x0010, 0x0012))
_META_NAMES: Final = frozenset((0x0013, 0x0016, 0x0017, 0x0018))
_META_START: Final = 132
_SOFTWARE: Final = words(
    """
    pacsweb deid demo offis dcmtk dcmdjp dcm4che dcm4chee dcm che chee pydicom pynetdicom gdcm mergecom ctk itk simpleitk vtk
    fo-dicom fo dicom orthanc osirix horos weasis ctp rsna clearcanvas clunie pixelmed highdicom siemens philips ge gems
    toshiba canon fuji fujifilm hitachi agfa kodak carestream hologic varian elekta syngo dicomobjects leadtools matlab
    slicer mim xnat dicomweb version release beta rc scu scp storescu storescp movescu movescp echoscu any gateway pacs
    anonymizer anonymiser anonymous anon archive test trial
    """
)
_VERSION: Final = re.compile(r"[a-z]{0,2}\d{1,5}[a-z]{0,2}|[a-z]")
_PARTS: Final = re.compile(r"[^\W\d_]+|\d+")
_TOKENS: Final = re.compile(r"[\s_./+,;:()-]+")
_MOST_DEEP: Final = 64
_MOST_ELEMENTS: Final = 1_000_000
_UNDEFINED: Final = 0xFFFFFFFF
_PADDING: Final = 0xFFFCFFFC
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


def examine(stream: BinaryIO) -> list[Found]:
    """All findings of a Part 10 file; an empty list: it may go into a de-identified archive as it is.

    Raises `archive.decoding.Busy`: nothing is known of the file then.
    """
    try:
        opened = files.open_source(stream)
    except files.Unreadable:
        return [Found(UNREADABLE)]
    try:
        found = [*_around(stream, opened=opened), *_binary(opened.dataset)]
        extended = arrival_pixels.tables(opened.dataset)
        found += arrival.judge(opened)
        pixels, coded = opened.pixels, opened.coded
        if (
            pixels is not None
            and coded is not None
            and arrival_pixels.has_more(opened.stream, pixels=pixels, coded=coded, extended=extended)
        ):
            found.append(Found(Reason.COMPRESSED_COMMENT.value))
    except (OSError, MemoryError, decoding.Busy):
        raise
    except Exception:  # noqa: BLE001 -- a file that cannot be walked cannot be called clean
        return [Found(UNPROCESSED)]
    return found


# -- binary elements -------------------------------------------------------------------------------------------------------


def _binary(dataset: Dataset) -> Iterator[Found]:
    nobody = Identifiers()
    spelling = sorted(
        {*binaries.suspicious(dataset, identifiers=nobody), *tables.spelling(dataset), *_no_tags(dataset)}
    )
    if spelling:
        yield Found(Reason.TEXT_IN_BINARY.value, tuple(spelling))
    for finding in contents.screen(dataset):
        if finding.severity is Severity.HOLD_BACK:
            yield Found(finding.reason.value)


def _no_tags(dataset: Dataset, path: str = "") -> Iterator[str]:
    """Paths of elements that should hold tags (VR AT) and hold something else."""
    for key in sorted(dataset.keys()):
        element = element_of(dataset, dataset.get_item(key).tag)
        if element is None:
            continue
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), start=1):
                yield from _no_tags(item, f"{path}{element.keyword}[{number}].")
        elif element.VR == "AT" and element.value not in (None, ""):
            tags = [element.value] if element.VM == 1 else list(element.value)
            if not all(dictionary_has_tag(tag) for tag in tags):
                yield path + (element.keyword or f"{int(element.tag):08X}")


# -- around the data set ---------------------------------------------------------------------------------------------------


class _Odd(Exception):
    """Something is where nothing should be, or twice; the message says where."""


def _around(stream: BinaryIO, *, opened: files.Source) -> Iterator[Found]:
    stream.seek(0)
    places = []
    if any(stream.read(_META_START - 4)):
        places.append("preamble")
    start, odd = _meta(stream)
    places += odd
    if opened.is_deflated:
        if _is_followed(stream, start=start):
            places.append("behind the deflated data set")
        start, _odd = _meta(opened.stream)
    try:
        _Walk(opened, transfer_syntax=opened.transfer_syntax).top(start)
    except _Odd as error:
        places.append(str(error))
    if places:
        yield Found(IDENTITY, tuple(places))


def _meta(stream: BinaryIO) -> tuple[int, list[str]]:
    """Where the data set begins, and what of the file meta information (PS3.10 7.1) may tell who or where."""
    odd: list[str] = []
    position, last, stated, begin = _META_START, -1, -1, _META_START
    while True:
        stream.seek(position)
        head = stream.read(12)
        if len(head) < 8 or head[:2] != b"\x02\0":
            break
        element, vr, length = struct.unpack("<H2sH", head[2:8])
        at = position + 8
        if vr in LONG_VRS:
            at = position + 12
            (length,) = struct.unpack("<I", head[8:12])
        stream.seek(at)
        value = stream.read(length)
        position = at + length
        if element == 0:
            stated, begin = int.from_bytes(value, "little"), position
        name = keyword_for_tag(0x00020000 | element) or f"0002{element:04X}"
        if element <= last or not _is_sound(element, vr=vr, value=value):
            odd.append(name)
        last = element
    if stated not in (-1, position - begin):
        odd.append("FileMetaInformationGroupLength")
    return position, odd


def _is_sound(element: int, *, vr: bytes, value: bytes) -> bool:
    if element == 0:
        return vr == b"UL" and len(value) == 4
    if element == 1:
        return value in (b"\0\1", b"\1\0")
    text = value.strip(b"\0 ").decode("latin-1")
    if element in _META_UIDS:
        return not text or re.fullmatch(RE_VALID_UID, text) is not None or uids.is_registered(text)
    return not text or (element in _META_NAMES and _names_software(text))


def _names_software(text: str) -> bool:
    """Whether a name is made of those of programs, and of versions."""
    if not text.isascii():
        return False
    for token in filter(None, _TOKENS.split(fold(text))):
        if token in _SOFTWARE or _VERSION.fullmatch(token):
            continue
        if not all(part in _SOFTWARE or _VERSION.fullmatch(part) for part in _PARTS.findall(token)):
            return False
    return sum(map(str.isdigit, text)) <= texts.MOST_DIGITS


def _is_followed(stream: BinaryIO, *, start: int) -> bool:
    """Whether anything but zeros is behind the deflated stream."""
    stream.seek(start)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    while not inflater.eof:
        content = inflater.unconsumed_tail or stream.read(deflated.CHUNK)
        if not content:
            return True
        inflater.decompress(content, deflated.CHUNK)
    if any(inflater.unused_data):
        return True
    return any(any(chunk) for chunk in iter(lambda: stream.read(deflated.CHUNK), b""))


class _Walk:
    """Through the elements as they are written (PS3.5 7): ascending, none twice, nothing between them or behind."""

    def __init__(self, opened: files.Source, *, transfer_syntax: str) -> None:
        self._stream = opened.stream
        self._pixels = opened.pixels
        self._stream.seek(0, 2)
        self._size = self._stream.tell()
        self._implicit, self._big = encoding_of(transfer_syntax)
        self._count = 0

    def top(self, start: int) -> None:
        end = self._pixels.start if self._pixels is not None else self._size
        position = self._elements(start, end, implicit=self._implicit, big=self._big, path="", depth=0, is_open=False)
        if self._pixels is not None:
            if self._pixels.is_encapsulated is False:
                self._reserved(self._pixels.start, value_start=self._pixels.value_start, path="PixelData")
            position = self._pixels.end
        self._padding(position)

    def _padding(self, position: int) -> None:
        """Zeros, bare or in (FFFC,FFFC) Data Set Trailing Padding (PS3.10 7.2)."""
        if self._read(position, 4) == struct.pack((">" if self._big else "<") + "HH", 0xFFFC, 0xFFFC):
            _tag, _vr, at, length = self._header(position, implicit=self._implicit, big=self._big, path="")
            if length != self._size - at:
                raise _Odd("behind the pixel data" if self._pixels else "behind the data set")
            position = at
        self._stream.seek(position)
        if any(any(chunk) for chunk in iter(lambda: self._stream.read(files.CHUNK), b"")):
            raise _Odd("behind the pixel data" if self._pixels else "behind the data set")

    def _read(self, position: int, length: int) -> bytes:
        self._stream.seek(position)
        return self._stream.read(length)

    def _reserved(self, position: int, *, value_start: int, path: str) -> None:
        if value_start - position == 12 and self._read(position + 6, 2) != b"\0\0":
            raise _Odd(f"{path} (reserved bytes)")

    def _header(self, position: int, *, implicit: bool, big: bool, path: str) -> tuple[int, bytes, int, int]:
        """(tag, VR as written, where the value begins, its length)."""
        order = ">" if big else "<"
        head = self._read(position, 12)
        if len(head) < 8:
            raise _Odd(f"{path}between elements")
        group, element, length = struct.unpack(order + "HHI", head[:8])
        tag = group << 16 | element
        if implicit or group == 0xFFFE:
            return tag, b"", position + 8, length
        vr = head[4:6]
        if vr in SHORT_VRS:
            return tag, vr, position + 8, struct.unpack(order + "H", head[6:8])[0]
        if vr not in LONG_VRS or len(head) < 12 or any(head[6:8]):
            raise _Odd(path + _name(tag))
        return tag, vr, position + 12, struct.unpack(order + "I", head[8:12])[0]

    def _elements(
        self, position: int, end: int, *, implicit: bool, big: bool, path: str, depth: int, is_open: bool
    ) -> int:
        """Where the elements from `position` end: at `end`, or behind the delimiter of an open item."""
        last = -1
        while position < end:
            tag, vr, at, length = self._header(position, implicit=implicit, big=big, path=path)
            if tag == _ITEM_END and is_open:
                if length:
                    raise _Odd(f"{path}end of item")
                return at
            if not depth and (tag == _PADDING or not any(self._read(position, 8))):
                # Nothing but padding follows, or `_padding` says what.
                self._padding(position)
                return self._size
            if tag >> 16 in (0x0000, 0x0002, 0xFFFE) or tag <= last:
                raise _Odd(f"{path}{_name(tag)} (repeated or out of place)")
            self._count += 1
            if self._count > _MOST_ELEMENTS:
                raise _Odd("more elements than can be looked at")
            last = tag
            position = self._value(tag, vr, at, length, end=end, implicit=implicit, big=big, path=path, depth=depth)
        if is_open or position > end:
            raise _Odd(f"{path}end of item")
        return position

    def _value(
        self, tag: int, vr: bytes, at: int, length: int, *, end: int, implicit: bool, big: bool, path: str, depth: int
    ) -> int:
        """Where a value ends, after a walk through what is inside."""
        name = path + _name(tag)
        if length != _UNDEFINED and length > end - at:
            raise _Odd(name)
        if not self._has_items(tag, vr, at, length):
            if length == _UNDEFINED:
                raise _Odd(name)
            return at + length
        if depth >= _MOST_DEEP:
            raise _Odd(name)
        # UN is implicit little endian inside, whatever is around it (PS3.5 6.2.2).
        is_unknown = vr == b"UN"
        stop = end if length == _UNDEFINED else at + length
        return self._items(
            at,
            stop,
            implicit=implicit or is_unknown,
            big=big and not is_unknown,
            name=name,
            depth=depth + 1,
            is_open=length == _UNDEFINED,
        )

    def _has_items(self, tag: int, vr: bytes, at: int, length: int) -> bool:
        if vr == b"SQ":
            return True
        if vr not in (b"", b"UN"):
            return False
        if length == _UNDEFINED or (dictionary_has_tag(tag) and dictionary_VR(tag) == "SQ"):
            return True
        return length >= 8 and self._read(at, 4) in (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")

    def _items(
        self, position: int, end: int, *, implicit: bool, big: bool, name: str, depth: int, is_open: bool
    ) -> int:
        number = 0
        while position < end:
            tag, _vr, at, length = self._header(position, implicit=True, big=big, path=f"{name} ")
            if tag == _SEQUENCE_END and is_open and not length:
                return at
            if tag != _ITEM or (length != _UNDEFINED and length > end - at):
                raise _Odd(f"{name} (between items)")
            number += 1
            is_item_open = length == _UNDEFINED
            position = self._elements(
                at,
                end if is_item_open else at + length,
                implicit=implicit,
                big=big,
                path=f"{name}[{number}].",
                depth=depth,
                is_open=is_item_open,
            )
        if is_open:
            raise _Odd(f"{name} (its end)")
        return position


def _name(tag: int) -> str:
    return keyword_for_tag(tag) or f"{tag:08X}"
