"""Whole instances as Explicit VR Little Endian, made while they are sent: header first, then frame after frame."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import structlog
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from archive import queries as archive_queries
from archive.models import Instance
from archive.services.inspect import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from dicomweb import frames
from dicomweb.domain import bulk, pixels
from dicomweb.domain.media import AS_STORED, EXPLICIT_VR_LITTLE_ENDIAN, Choice
from dicomweb.domain.pixels import DecodeError
from dicomweb.payload import READ_BYTES

logger = structlog.get_logger(__name__)

PIXEL_TAGS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
OFFSET_TABLES = (0x7FE00001, 0x7FE00002)
MAXIMUM_LENGTH = 0xFFFFFFFE


def syntax_for(instance: Instance, choice: Choice) -> str | None:
    """The transfer syntax the instance would leave in under this choice; None: it cannot be had that way."""
    stored = instance.transfer_syntax_uid
    wanted = choice.transfer_syntax
    if wanted == AS_STORED:
        return EXPLICIT_VR_LITTLE_ENDIAN if stored in pixels.NEVER_ON_THE_WEB else stored
    if wanted == stored and stored not in pixels.NEVER_ON_THE_WEB:
        return stored
    if wanted == EXPLICIT_VR_LITTLE_ENDIAN:
        if stored in pixels.DECODABLE and _fits(instance):
            return EXPLICIT_VR_LITTLE_ENDIAN
        # Nobody insisted: what cannot be decoded goes as it is.
        return stored if not choice.is_explicit else None
    return None


def _fits(instance: Instance) -> bool:
    """Native pixel data has a 32-bit length."""
    samples = instance.attributes.get("00280002", {}).get("Value") or [1]
    one = (
        (instance.rows or 0)
        * (instance.columns or 0)
        * int(samples[0] or 1)
        * max(8, frames.bits_allocated(instance))
        // 8
    )
    return one * max(1, instance.number_of_frames) <= MAXIMUM_LENGTH


def explicit_little_endian(instance: Instance) -> Iterator[bytes]:
    """The instance as a Part 10 file. Raises `DecodeError` before the first byte, or later when a frame is damaged.

    Touches no database; the instance's columns must be loaded.
    """
    header = _header(instance)
    if not instance.number_of_frames:
        yield _file_bytes(header, instance)
        return
    if pixels.is_native(instance.transfer_syntax_uid) and not frames.must_decode(instance):
        yield from _native(header, instance)
        return
    yield from _decoded(header, instance)


def _header(instance: Instance) -> Dataset:
    """Everything but the pixels, in native byte order. Raises `DecodeError`."""
    if instance.transfer_syntax_uid in (pixels.DEFLATED, pixels.EXPLICIT_VR_BIG_ENDIAN):
        header = frames.read_whole(instance)
        for tag in PIXEL_TAGS:
            if tag in header:
                del header[tag]
    else:
        header = frames.read_header(instance, everything=True)
    for tag in OFFSET_TABLES:
        if tag in header:
            del header[tag]
    if instance.transfer_syntax_uid == pixels.EXPLICIT_VR_BIG_ENDIAN:
        header = _in_little_endian(header)
    return header


def _in_little_endian(dataset: Dataset) -> Dataset:
    """A copy whose binary words are swapped; pydicom swaps numbers but not the bytes of OW and its kin."""
    copy = Dataset()
    for element in dataset:
        value: Any = element.value
        if element.VR == "SQ":
            value = Sequence([_in_little_endian(item) for item in value or ()])
        elif isinstance(value, bytes) and element.VR in bulk.UNIT_BYTES:
            value = bulk.to_bytes(element, is_little_endian=False)
        copy.add(DataElement(element.tag, element.VR, value))
    copy.file_meta = getattr(dataset, "file_meta", FileMetaDataset())
    return copy


def _file_bytes(header: Dataset, instance: Instance) -> bytes:
    old = getattr(header, "file_meta", None) or FileMetaDataset()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(instance.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(instance.sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    source = old.get("SourceApplicationEntityTitle")
    if source:
        meta.SourceApplicationEntityTitle = source
    header.file_meta = meta
    buffer = io.BytesIO()
    try:
        dcmwrite(buffer, header, enforce_file_format=True)
    # A value that contradicts its VR cannot be written again by pydicom.
    except Exception as error:
        raise DecodeError("The header of the object cannot be written in Explicit VR Little Endian.") from error
    return buffer.getvalue()


def _pixel_head(vr: str, length: int, tag: int = 0x7FE00010) -> bytes:
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr.encode("ascii"), 0, length)


def _native(header: Dataset, instance: Instance) -> Iterator[bytes]:
    """Native little-endian pixels keep their bytes; only the elements around them change."""
    keyword = frames._pixel_keyword(instance, header)
    vr = {"FloatPixelData": "OF", "DoubleFloatPixelData": "OD"}.get(keyword, "OW")
    tag = {"FloatPixelData": 0x7FE00008, "DoubleFloatPixelData": 0x7FE00009}.get(keyword, 0x7FE00010)
    if not bytes(instance.frame_table) or instance.transfer_syntax_uid != pixels.IMPLICIT_VR_LITTLE_ENDIAN:
        yield from _native_in_memory(header, instance, vr=vr, tag=tag)
        return
    extents = [archive_queries.frame_extents(instance, n)[0] for n in (1, instance.number_of_frames)]
    start, end = extents[0][0], extents[1][0] + extents[1][1]
    length = end - start
    yield _file_bytes(header, instance) + _pixel_head(vr, length + length % 2, tag)
    with archive_queries.open_instance(instance) as file:
        file.seek(start)
        while length:
            data = file.read(min(READ_BYTES, length))
            if not data:
                raise DecodeError("The stored file is shorter than the index says.")
            length -= len(data)
            yield data
    if (end - start) % 2:
        yield b"\0"


def _native_in_memory(header: Dataset, instance: Instance, *, vr: str, tag: int) -> Iterator[bytes]:
    whole = frames.read_whole(instance)
    if tag not in whole:
        raise DecodeError("The object has no pixel data.")
    element = whole[tag]
    little = instance.transfer_syntax_uid != pixels.EXPLICIT_VR_BIG_ENDIAN
    data = _swapped(bytes(element.value), header, str(element.VR)) if not little else bytes(element.value)
    data += b"\0" * (len(data) % 2)
    yield _file_bytes(header, instance) + _pixel_head(vr, len(data), tag) + data


def _swapped(data: bytes, header: Dataset, vr: str) -> bytes:
    """Big-endian pixels in little endian: OB by cells of Bits Allocated, OW by words whatever the cells (PS3.5 8.1.1)."""
    import numpy as np

    cell = max(1, int(header.get("BitsAllocated") or 16) // 8)
    unit = max(cell, 2) if vr == "OW" else cell
    if unit == 1 or len(data) % unit:
        return data
    return np.frombuffer(data, dtype=f">u{unit}").astype(f"<u{unit}").tobytes()


def _decoded(header: Dataset, instance: Instance) -> Iterator[bytes]:
    """Frame after frame through the codec; the first one proves that it decodes before anything is sent."""
    bits = int(header.get("BitsAllocated") or 8)
    first_frame = frames.decode(instance, 1, header if instance.transfer_syntax_uid in pixels.DECODABLE else None)
    first = pixels.to_little_endian(first_frame, bits_allocated=bits)
    length = len(first) * instance.number_of_frames
    if length > MAXIMUM_LENGTH:
        raise DecodeError("The pixel data is too long for Explicit VR Little Endian.")
    description = Dataset()
    description.update({element.tag: element for element in header if element.tag.group == 0x0028})
    header.PhotometricInterpretation = first_frame.photometric_interpretation
    if first_frame.pixels.ndim == 3:
        header.PlanarConfiguration = 0
    elif "PlanarConfiguration" in header:
        del header.PlanarConfiguration
    yield _file_bytes(header, instance) + _pixel_head("OB" if bits <= 8 else "OW", length + length % 2)
    yield first
    for number in range(2, instance.number_of_frames + 1):
        data = pixels.to_little_endian(frames.decode(instance, number, description), bits_allocated=bits)
        if len(data) != len(first):
            raise DecodeError("Frames have different sizes.")
        yield data
    if length % 2:
        yield b"\0"
