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
    native_pixels,
    read_elements,
)
from archive.domain.part10 import Unreadable
from archive.inspection import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION
from archive.models import Instance
from dicomweb import frames
from dicomweb.domain import pixels
from dicomweb.domain.media import AS_STORED, EXPLICIT_VR_LITTLE_ENDIAN, Choice
from dicomweb.domain.pixels import DecodeError, Frame, Why
from dicomweb.proven import Proven

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
            raise DecodeError(Why.HEADER_UNREADABLE) from error
        head = _file_meta(instance, source_ae_title=meta.get(SOURCE_AE_TITLE, b""))
        pixel = next((found for tag in (PIXEL_DATA, *sorted(PIXEL_TAGS)) if (found := elements.get(tag))), None)
        if pixel is None or not instance.number_of_frames:
            yield head + _first_pieces(elements, context)
            return
        if pixels.is_native(instance.transfer_syntax_uid) and instance.photometric_interpretation != pixels.SUBSAMPLED:
            middle = native_pixels(pixel, bits=frames.bits_allocated(instance))
        else:
            middle = _decoded(instance, elements)
        # The first piece comes when all frames are known to decode; it may change what the header says.
        first = next(middle)
        rest = [element for element in elements if element.tag not in (*OFFSET_TABLES, pixel.tag)]
        yield head
        yield from encode_pieces((element for element in rest if element.tag < pixel.tag), context)
        yield first
        yield from middle
        yield from encode_pieces((element for element in rest if element.tag > pixel.tag), context)


def _first_pieces(elements: Elements, context: Context) -> bytes:
    return b"".join(encode_pieces(elements, context))


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


def _decoded(instance: Instance, elements: Elements) -> Iterator[bytes]:
    """Frame after frame through the codec. Puts into `elements` what the decoded pixels are before the first piece.

    Every frame is decoded before the first piece leaves: what has begun cannot be taken back.
    """
    bits = frames.bits_allocated(instance)
    header = frames.read_header(instance)
    decoded: list[Frame] = []

    def make(number: int) -> bytes:
        frame = frames.decode(instance, number, header)
        if not decoded:
            decoded.append(frame)
        return pixels.to_little_endian(frame, bits_allocated=bits)

    proven = Proven(range(1, instance.number_of_frames + 1), make)
    if len(proven.sizes) > 1:
        raise DecodeError(Why.FRAMES_DIFFER)
    length = sum(proven.sizes) * instance.number_of_frames
    if length > MAXIMUM_LENGTH:
        raise DecodeError(Why.TOO_LONG_FOR_SYNTAX)
    _describe(decoded[0], elements)
    yield explicit_header(PIXEL_DATA, "OB" if bits <= 8 else "OW", length + length % 2)
    for number in range(1, instance.number_of_frames + 1):
        yield proven.get(number)
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
