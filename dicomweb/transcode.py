"""Whole instances as Explicit VR Little Endian, made while they are sent: header first, then the pixels, then the rest."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any

import structlog
from pydicom.dataset import FileMetaDataset
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian

from archive import queries as archive_queries
from archive.domain.elements import (
    PIXEL_TAGS,
    Context,
    Element,
    Elements,
    context_of,
    encode_pieces,
    explicit_header,
    read_elements,
)
from archive.domain.elements.writing import swapped
from archive.domain.part10 import Unreadable
from archive.models import Instance
from archive.services.inspect import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from dicomweb import frames
from dicomweb.domain import pixels
from dicomweb.domain.media import AS_STORED, EXPLICIT_VR_LITTLE_ENDIAN, Choice
from dicomweb.domain.pixels import DecodeError, Frame

logger = structlog.get_logger(__name__)

OFFSET_TABLES = (0x7FE00001, 0x7FE00002)
PIXEL_DATA = 0x7FE00010
PHOTOMETRIC_INTERPRETATION = 0x00280004
PLANAR_CONFIGURATION = 0x00280006
SOURCE_AE_TITLE = 0x00020016
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
        if stored in pixels.DECODABLE and _fits(instance) and not instance.is_damaged:
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

    Every element is passed on as it was written, in the order of tags (PS3.5 7.1), those behind the pixels too. Touches
    no database; the instance's columns must be loaded.
    """
    with archive_queries.open_instance(instance) as file:
        try:
            meta, elements = read_elements(file, pixels_end=archive_queries.pixels_end(instance))
            context = context_of(elements)
        except (Unreadable, struct.error) as error:
            raise DecodeError("The header of the object cannot be read.") from error
        head = _file_meta(instance, source_ae_title=meta.get(SOURCE_AE_TITLE, b""))
        pixel = next((found for tag in (PIXEL_DATA, *sorted(PIXEL_TAGS)) if (found := elements.get(tag))), None)
        if pixel is None or not instance.number_of_frames:
            yield head + _first_pieces(elements, context)
            return
        if pixels.is_native(instance.transfer_syntax_uid) and instance.photometric_interpretation != pixels.SUBSAMPLED:
            middle = _native(pixel, bits=frames.bits_allocated(instance))
        else:
            middle = _decoded(instance, elements)
        # The first piece proves that the frames decode before anything is sent; it may change what the header says.
        first = next(middle)
        rest = [element for element in elements if element.tag not in (*OFFSET_TABLES, pixel.tag)]
        yield head
        yield from encode_pieces((element for element in rest if element.tag < pixel.tag), context)
        yield first
        yield from middle
        yield from encode_pieces((element for element in rest if element.tag > pixel.tag), context)


def _first_pieces(elements: Elements, context: Context) -> bytes:
    return b"".join(encode_pieces(elements, context))


def as_little_endian(instance: Instance, *, with_pixels: bool) -> bytes:
    """The data set of an uncompressed instance as an Explicit VR Little Endian file in memory. Raises `DecodeError`."""
    try:
        with archive_queries.open_instance(instance) as file:
            _meta, elements = read_elements(file)
            context = context_of(elements)
            parts = [_file_meta(instance, source_ae_title=b"")]
            for element in elements:
                if element.tag not in PIXEL_TAGS:
                    parts += encode_pieces([element], context)
                elif with_pixels:
                    parts += _native(element, bits=frames.bits_allocated(instance))
    except (Unreadable, struct.error, EOFError) as error:
        raise DecodeError("The object cannot be read.") from error
    return b"".join(parts)


def _file_meta(instance: Instance, *, source_ae_title: bytes) -> bytes:
    """Preamble and file meta information (PS3.10 7.1) of what leaves."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(instance.sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(instance.sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    source = source_ae_title.strip(b" \0").decode("ascii", "replace")
    if source:
        meta.SourceApplicationEntityTitle = source
    buffer: Any = io.BytesIO()
    buffer.write(bytes(128) + b"DICM")
    write_file_meta_info(buffer, meta, enforce_standard=True)
    written: bytes = buffer.getvalue()
    return written


def _native(pixel: Element, *, bits: int) -> Iterator[bytes]:
    """Native pixels keep their bytes; those of big endian are turned by cells, by words in OW (PS3.5 8.1.1)."""
    written = pixel.vr if pixel.vr in ("OB", "OW") else "OW"
    vr = {0x7FE00008: "OF", 0x7FE00009: "OD"}.get(pixel.tag, written)
    length = pixel.length
    yield explicit_header(pixel.tag, vr, length + length % 2)
    if pixel.is_big_endian:
        cell = {"OF": 4, "OD": 8}.get(vr, max(1, bits // 8))
        yield swapped(pixel.value(), max(cell, 2) if vr == "OW" else cell)
    else:
        yield from pixel.source.pieces(pixel.offset, length)
    if length % 2:
        yield b"\0"


def _decoded(instance: Instance, elements: Elements) -> Iterator[bytes]:
    """Frame after frame through the codec. Puts into `elements` what the decoded pixels are before the first piece."""
    bits = frames.bits_allocated(instance)
    header = frames.read_header(instance)
    first_frame = frames.decode(instance, 1, header)
    first = pixels.to_little_endian(first_frame, bits_allocated=bits)
    length = len(first) * instance.number_of_frames
    if length > MAXIMUM_LENGTH:
        raise DecodeError("The pixel data is too long for Explicit VR Little Endian.")
    _describe(first_frame, elements)
    yield explicit_header(PIXEL_DATA, "OB" if bits <= 8 else "OW", length + length % 2) + first
    for number in range(2, instance.number_of_frames + 1):
        data = pixels.to_little_endian(frames.decode(instance, number, header), bits_allocated=bits)
        if len(data) != len(first):
            raise DecodeError("Frames have different sizes.")
        yield data
    if length % 2:
        yield b"\0"


def _describe(frame: Frame, elements: Elements) -> None:
    """The image pixel description of decoded frames: their colour space, and colour by pixel."""
    interpretation = frame.photometric_interpretation.encode("ascii")
    made = {PHOTOMETRIC_INTERPRETATION: ("CS", interpretation + b" " * (len(interpretation) % 2))}
    if frame.pixels.ndim == 3:
        made[PLANAR_CONFIGURATION] = ("US", b"\0\0")
    else:
        elements.by_tag.pop(PLANAR_CONFIGURATION, None)
    source = next(iter(elements.by_tag.values())).source
    for tag, (vr, value) in made.items():
        elements.by_tag[tag] = Element(tag, vr, 0, len(value), False, source, made=value)
