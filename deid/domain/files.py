"""Read and write Part 10 files so that pixel data passes piece by piece, never wholly in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from deid.domain import deflated, uids
from deid.domain.coded import Coded
from deid.domain.deflated import DEFLATED
from deid.domain.native import Cells

CHUNK: Final = 1 << 20
IMPLEMENTATION_CLASS_UID: Final = "2.25.207632829206393014937281366042719372251"
IMPLEMENTATION_VERSION_NAME: Final = "PACSWEB_DEID_1"
UNDEFINED: Final = 0xFFFFFFFF
_ITEM: Final = 0xFFFEE000
_SEQUENCE_END: Final = 0xFFFEE0DD
_TRAILING_PADDING: Final = b"\xfc\xff\xfc\xff"
_PIXEL_TAGS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))


class Unreadable(Exception):
    """The file is not what its headers say: truncated, or pixel data that is not framed as PS3.5 A.4 requires."""


@dataclass(frozen=True, slots=True)
class PixelElement:
    """Where the pixel data element lies: from its tag to the end of its value."""

    start: int
    value_start: int
    end: int
    is_encapsulated: bool
    # Fragments as (offset, length) of their values; empty for native data. The basic offset table likewise.
    fragments: tuple[tuple[int, int], ...]
    offsets: tuple[int, int] = (0, 0)
    is_float: bool = False

    @property
    def value_length(self) -> int:
        return self.end - self.value_start


@dataclass(slots=True)
class Source:
    """A file opened for de-identification: its data set without pixel data, and where the pixel data is.

    Of a deflated file `stream` is the inflated one.
    """

    stream: BinaryIO
    dataset: Dataset
    transfer_syntax: str
    pixels: PixelElement | None
    header_end: int
    is_deflated: bool
    # How encapsulated pixel data is written, once screening has taken apart what is image in it.
    coded: Coded | None = None
    # The same for pixel data that is not compressed; None for floating point, which has no unused bits.
    cells: Cells | None = None


def open_source(stream: BinaryIO, *, scratch: str | None = None) -> Source:
    """Read everything up to the pixel data; `scratch` is a folder for what a deflated file inflates to.

    Raises `Unreadable` for what is no whole Part 10 file.
    """
    is_deflated = deflated.is_deflated(stream)
    if is_deflated:
        try:
            stream = deflated.inflate(stream, scratch=scratch)
        except deflated.NotInflatable as error:
            raise Unreadable("The data set cannot be inflated.") from error
    dataset = _read(stream)
    transfer_syntax = uids.clean(str(dataset.file_meta.get("TransferSyntaxUID", "") or ""))
    if not transfer_syntax or transfer_syntax == DEFLATED:
        raise Unreadable("The file does not state its transfer syntax.")
    if any(
        isinstance(raw, RawDataElement) and raw.value is not None and raw.length not in (UNDEFINED, len(raw.value))
        for raw in dataset.values()
    ):
        raise Unreadable("The file ends within an element.")
    header_end = stream.tell()
    pixels = _locate(stream, at=header_end, syntax=UID(transfer_syntax))
    return Source(
        stream=stream,
        dataset=dataset,
        transfer_syntax=DEFLATED if is_deflated else transfer_syntax,
        pixels=pixels,
        header_end=header_end,
        is_deflated=is_deflated,
    )


def _read(stream: BinaryIO) -> Dataset:
    stream.seek(0)
    try:
        return pydicom.dcmread(stream, stop_before_pixels=True)
    except Exception as error:  # pydicom raises many kinds for malformed files
        raise Unreadable("The file is no DICOM file, or its data set cannot be read.") from error


def write(*, dataset: Dataset, source: Source, target: BinaryIO, scratch: str | None = None) -> None:
    """Write a de-identified data set with the source's pixel data to `target`.

    The preamble is zero and the file meta information is made anew: nothing of the source's (Source AE Title, private
    information, implementation) is taken over. What follows the pixel data in the source is left out.
    """
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(uids.clean(str(dataset.SOPClassUID)))
    meta.MediaStorageSOPInstanceUID = UID(uids.clean(str(dataset.SOPInstanceUID)))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian if source.is_deflated else UID(source.transfer_syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    dataset.preamble = bytes(128)
    plain = deflated.temporary(scratch) if source.is_deflated else target
    pydicom.dcmwrite(plain, dataset, enforce_file_format=True)
    if source.pixels is not None:
        plain.seek(0, 2)
        plain.writelines(_pixel_bytes(source, pixels=source.pixels))
    if source.is_deflated:
        with plain:
            deflated.deflate(plain, target=target)


def _pixel_bytes(source: Source, *, pixels: PixelElement) -> Iterator[bytes]:
    if not pixels.is_encapsulated:
        return _native_bytes(source, pixels=pixels)
    if source.coded is None:
        raise Unreadable("The compressed pixel data was not taken apart.")
    return source.coded.write(source.stream)


def _native_bytes(source: Source, *, pixels: PixelElement) -> Iterator[bytes]:
    """The element as it stands, with the length of what is taken of it: padding may have been left out."""
    head = b"".join(read_range(source.stream, start=pixels.start, end=pixels.value_start))
    order = ">" if source.transfer_syntax == "1.2.840.10008.1.2.2" else "<"
    yield head[:-4] + struct.pack(order + "L", pixels.value_length)
    if source.cells is None:
        yield from read_range(source.stream, start=pixels.value_start, end=pixels.end)
    else:
        yield from source.cells.cleaned(source.stream, start=pixels.value_start, value_length=pixels.value_length)


def is_zero(stream: BinaryIO, *, start: int, end: int) -> bool:
    """Whether all bytes of a range are zero."""
    return all(not content.strip(b"\0") for content in read_range(stream, start=start, end=end))


def read_range(stream: BinaryIO, *, start: int, end: int, chunk: int = CHUNK) -> Iterator[bytes]:
    stream.seek(start)
    left = end - start
    while left > 0:
        content = stream.read(min(chunk, left))
        if not content:
            raise Unreadable("The file ends within its pixel data.")
        left -= len(content)
        yield content


def _locate(stream: BinaryIO, *, at: int, syntax: UID) -> PixelElement | None:
    stream.seek(0, 2)
    size = stream.tell()
    if at >= size:
        return None
    is_implicit = syntax == "1.2.840.10008.1.2"
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    stream.seek(at)
    head = stream.read(8 if is_implicit else 12)
    if len(head) < (8 if is_implicit else 12):
        raise Unreadable("The file ends within an element.")
    group, element = struct.unpack(order + "HH", head[:4])
    if (group << 16 | element) not in _PIXEL_TAGS:
        # Not stopped at pixel data: the reader went to the end, what remains is no data set.
        raise Unreadable("The file holds bytes after its data set.")
    (length,) = struct.unpack(order + "L", head[-4:])
    value_start = at + len(head)
    if length != UNDEFINED:
        end = value_start + length
        if end > size:
            raise Unreadable("The file ends within its pixel data.")
        return PixelElement(
            start=at, value_start=value_start, end=end, is_encapsulated=False, fragments=(), is_float=element != 0x0010
        )
    fragments: list[tuple[int, int]] = []
    position = value_start
    while True:
        stream.seek(position)
        item = stream.read(8)
        if fragments[1:] and (not item.strip(b"\0") or item[:4] == _TRAILING_PADDING):
            # The delimiter is missing, or zeros stand in its place. What is written is taken apart frame by frame and
            # ends with one; frames that were cut do not come through that.
            return PixelElement(
                start=at,
                value_start=value_start,
                end=position,
                is_encapsulated=True,
                fragments=tuple(fragments[1:]),
                offsets=fragments[0],
            )
        if len(item) < 8:
            raise Unreadable("The file ends within its pixel data.")
        group, element, item_length = struct.unpack(order + "HHL", item)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            return PixelElement(
                start=at,
                value_start=value_start,
                end=position + 8,
                is_encapsulated=True,
                fragments=tuple(fragments[1:]),
                offsets=fragments[0] if fragments else (0, 0),
            )
        if tag != _ITEM or item_length == UNDEFINED or position + 8 + item_length > size:
            raise Unreadable("The pixel data is not made of whole fragments.")
        fragments.append((position + 8, item_length))
        position += 8 + item_length
