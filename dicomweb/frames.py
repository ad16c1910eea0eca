"""Frames of stored instances: straight from the file where they may travel as stored, decoded where not."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import structlog
from django.utils.translation import gettext_lazy as _
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame

from archive import decoding
from archive import queries as archive_queries
from archive.domain import codestreams
from archive.domain import frames as frame_tables
from archive.domain.elements import as_explicit_little, swapped
from archive.errors import DecodersBusy, NotAnImage
from archive.models import Instance
from core.errors import NotFound
from dicomweb import reasons
from dicomweb.domain import media, pixels
from dicomweb.domain.media import AS_STORED, EXPLICIT_VR_LITTLE_ENDIAN, FRAME_MEDIA_TYPES, OCTET_STREAM, Choice
from dicomweb.domain.pixels import DecodeError, Frame, Why
from dicomweb.errors import NotAcceptable
from dicomweb.payload import FileSlice, Piece

logger = structlog.get_logger(__name__)

CODESTREAM_HEAD_BYTES = 512
MAXIMUM_FRAMES = 1_000_000
# Tag, VR with its reserved bytes, length (PS3.5 7.1.2, 7.1.3).
EXPLICIT_HEAD = struct.Struct("<HH2s2xI")
IMPLICIT_HEAD = struct.Struct("<HHI")
BIG_HEAD = struct.Struct(">HH2s2xI")
PIXEL_DATA = (0x7FE0, 0x0010)
PIXEL_ELEMENTS = (0x0008, 0x0009, 0x0010)


@dataclass(frozen=True, slots=True)
class Form:
    """How the frames of one instance leave: decoded or as stored, under which media type and transfer syntax."""

    decoded: bool
    media_type: str
    transfer_syntax: str
    multipart: bool

    @property
    def content_type(self) -> str:
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}"


def is_signed(instance: Instance) -> bool:
    value = instance.attributes.get("00280103", {}).get("Value") or [0]
    return value[0] == 1


def bits_allocated(instance: Instance) -> int:
    value = instance.attributes.get("00280100", {}).get("Value") or [16]
    return int(value[0]) if isinstance(value[0], int) else 16


def must_decode(instance: Instance) -> bool:
    """Whether the frames leave decoded even to a client that takes them as stored (`pixels.must_decode`)."""
    syntax = instance.transfer_syntax_uid
    head = b""
    if syntax in pixels.JPEG_2000:
        try:
            offset, length = archive_queries.frame_extents(instance, 1)[0]
        except (LookupError, NotAnImage):
            return True
        with archive_queries.open_instance(instance) as file:
            file.seek(offset)
            head = file.read(min(length, CODESTREAM_HEAD_BYTES))
    return pixels.must_decode(
        transfer_syntax=syntax,
        photometric_interpretation=instance.photometric_interpretation,
        signed=is_signed(instance),
        head=head,
    )


def choose_form(instance: Instance, choices: list[Choice]) -> Form:
    """The best form the client takes that this instance can have. Raises `NotAcceptable`."""
    stored = instance.transfer_syntax_uid
    decodable = stored in pixels.DECODABLE
    only_decoded = decodable and must_decode(instance)
    stored_media_type = FRAME_MEDIA_TYPES.get(stored, OCTET_STREAM)
    for choice in choices:
        wanted = choice.transfer_syntax
        if choice.media_type == OCTET_STREAM:
            if pixels.is_native(stored) or only_decoded:
                # Native little-endian frames have the same bytes in implicit and explicit VR.
                if wanted in (AS_STORED, EXPLICIT_VR_LITTLE_ENDIAN) or not choice.is_explicit:
                    return Form(only_decoded, OCTET_STREAM, EXPLICIT_VR_LITTLE_ENDIAN, choice.multipart)
            elif wanted in (AS_STORED, stored):
                return Form(False, OCTET_STREAM, stored, choice.multipart)
            elif wanted == EXPLICIT_VR_LITTLE_ENDIAN and decodable:
                return Form(True, OCTET_STREAM, EXPLICIT_VR_LITTLE_ENDIAN, choice.multipart)
            elif not choice.is_explicit:
                return Form(False, OCTET_STREAM, stored, choice.multipart)
        elif (
            not pixels.is_native(stored)
            and not only_decoded
            and choice.media_type in (stored_media_type, "image/*")
            and wanted in (AS_STORED, stored)
        ):
            return Form(False, stored_media_type, stored, choice.multipart)
    raise NotAcceptable


def pieces(instance: Instance, number: int, form: Form) -> list[Piece]:
    """Frame `number` (from 1) in the form chosen. Raises `NotFound`, `NotAcceptable` when it does not decode."""
    if not 1 <= number <= instance.number_of_frames:
        raise NotFound
    if instance.is_damaged and not _is_sound(instance, number):
        if _is_missing(instance, number):
            raise NotAcceptable(reasons.SENTENCES[Why.FRAME_MISSING], code="not-decodable")
        # A browser's decoder would allocate what the codestream asks for as well.
        raise NotAcceptable(reasons.DAMAGED, code="pixels-damaged")
    if not form.decoded:
        try:
            extents = archive_queries.frame_extents(instance, number)
        except LookupError:
            extents = None
        if extents is not None:
            return [FileSlice(instance.storage_key, offset, length) for offset, length in extents]
        if not pixels.is_native(instance.transfer_syntax_uid):
            return [_fragments_by_reading(instance, number)]
    return [decoded_bytes(instance, number)]


def _is_sound(instance: Instance, number: int) -> bool:
    """Whether a frame of an image that is marked as damaged is none of the damaged ones.

    The mark is the image's; one bad frame of many sets it. A frame whose place is known is looked at by itself, as it was
    on arrival. What lacks frames has no such places.
    """
    syntax = instance.transfer_syntax_uid
    family = codestreams.family_of(syntax)
    if family is codestreams.Family.VIDEO or _is_missing(instance, number):
        return False
    if family is None:
        # Of native frames only those that are there as a whole have a place.
        return bool(instance.frame_table)
    try:
        extents = archive_queries.frame_extents(instance, number)
        description = _size(instance)
        with archive_queries.open_instance(instance) as file:
            codestreams.check(codestreams.of_file(file, extents), transfer_syntax=syntax, description=description)
    except (LookupError, NotAnImage, DecodeError, codestreams.Damaged):
        return False
    return True


def _is_missing(instance: Instance, number: int) -> bool:
    """Whether others have a place in the file and this one has none: the header counts more frames than there are."""
    table = bytes(instance.frame_table)
    return bool(table) and number > frame_tables.count(table)


def decoded_bytes(instance: Instance, number: int) -> bytes:
    """Frame `number` (from 1) as native bytes. Raises `NotFound`, `NotAcceptable` when it does not decode."""
    try:
        # Once as the codec gives it, once in the order of bytes that leaves, once as the answer.
        with share(instance, number, more=2 * decoding.frame_bytes(_size(instance))):
            frame = decode(instance, number)
            return pixels.to_little_endian(frame, bits_allocated=bits_allocated(instance))
    except DecodeError as error:
        logger.warning("frame_not_decoded", instance=instance.pk, why=str(error))
        raise NotAcceptable(reasons.sentence(error), code="not-decodable") from error


@contextlib.contextmanager
def share(instance: Instance, number: int, *, more: int = 0) -> Iterator[None]:
    """The memory that decoding a frame can take and `more`, for as long as it is used. Raises `DecodeError`, `DecodersBusy`."""
    try:
        _offset, coded = archive_queries.frame_place(instance, number)
    except (LookupError, NotAnImage):
        coded = 0
    family = codestreams.family_of(instance.transfer_syntax_uid)
    try:
        with decoding.budget().share(decoding.to_decode(_size(instance), family=family, coded=coded) + more):
            yield
    except decoding.Busy as error:
        raise DecodersBusy from error


def drawing_bytes(instance: Instance, *, side: int) -> int:
    """What drawing a frame takes beside decoding it; `side` is the picture's, 0 for as it is. Raises `DecodeError`."""
    return decoding.to_draw(_size(instance), side=side)


def _size(instance: Instance) -> codestreams.Description:
    """How large a frame is, as the index has it. Raises `DecodeError`."""

    def indexed(tag: str, usual: Any = None) -> Any:
        return (instance.attributes.get(tag, {}).get("Value") or [usual])[0] or usual

    try:
        size = codestreams.Description(
            rows=int(instance.rows or 0),
            columns=int(instance.columns or 0),
            samples=int(indexed("00280002", 1)),
            bits_allocated=int(indexed("00280100")),
            photometric_interpretation=instance.photometric_interpretation or "MONOCHROME2",
        )
    except (TypeError, ValueError) as error:
        raise DecodeError(Why.NOT_DESCRIBED) from error
    if decoding.frame_bytes(size) > codestreams.MAXIMUM_FRAME_BYTES:
        raise DecodeError(Why.FRAME_TOO_LARGE)
    return size


def decode(instance: Instance, number: int, header: Dataset | None = None) -> Frame:
    """Decode frame `number` (from 1). Raises `DecodeError`, `DecodersBusy`, `NotFound`."""
    if not 1 <= number <= instance.number_of_frames:
        raise NotFound
    with share(instance, number):
        return _decode(instance, number, header)


def _decode(instance: Instance, number: int, header: Dataset | None) -> Frame:
    if instance.is_damaged and not _is_sound(instance, number):
        raise DecodeError(Why.FRAME_MISSING if _is_missing(instance, number) else Why.DAMAGED)
    syntax = instance.transfer_syntax_uid
    try:
        _offset, length = archive_queries.frame_place(instance, number)
    except LookupError:
        frame = _bits(instance, number) if syntax in pixels.LITTLE_ENDIAN else None
        return frame if frame is not None else _decode_in_file(instance, number)
    if length > decoding.MAXIMUM_FILE_BYTES:
        raise DecodeError(Why.FRAME_TOO_LARGE)
    header = header if header is not None else read_header(instance)
    if syntax == pixels.EXPLICIT_VR_BIG_ENDIAN:
        data = _turned(instance, number)
        if data is None:
            return _decode_in_file(instance, number)
        syntax = EXPLICIT_VR_LITTLE_ENDIAN
    else:
        data = archive_queries.read_frame(instance, number)
    return pixels.decode(
        header=header, frame=data, transfer_syntax=syntax, pixel_keyword=_pixel_keyword(instance, header)
    )


def _decode_in_file(instance: Instance, number: int) -> Frame:
    """A frame whose place is only known by unpacking or decoding: that is done elsewhere (`archive.decoding`)."""
    options = decoding.options_of(_description(instance))
    with archive_queries.open_instance(instance) as file:
        return decoding.decode_in_file(
            file=file, options=options, number=number, number_of_frames=instance.number_of_frames
        )


def _turned(instance: Instance, number: int) -> bytes | None:
    """A big-endian frame with its bytes turned; None where a word holds bytes of two frames (PS3.5 8.1.1)."""
    offset, length = archive_queries.frame_place(instance, number)
    start, _length = archive_queries.frame_place(instance, 1)
    with archive_queries.open_instance(instance) as file:
        file.seek(start - BIG_HEAD.size)
        group, element, vr, _size = BIG_HEAD.unpack(file.read(BIG_HEAD.size))
        cell = {b"OF": 4, b"OD": 8}.get(vr, max(1, bits_allocated(instance) // 8))
        width = max(cell, 2) if vr == b"OW" else cell
        is_place_known = group == PIXEL_DATA[0] and element in PIXEL_ELEMENTS and vr in (b"OB", b"OW", b"OF", b"OD")
        if not is_place_known or length % width or (offset - start) % width:
            return None
        file.seek(offset)
        return swapped(file.read(length), width)


def _bits(instance: Instance, number: int) -> Frame | None:
    """A frame of single bits that need not begin with a byte (PS3.5 8.1.1); None for anything else."""
    options = decoding.options_of(_description(instance))
    if options["bits_allocated"] != 1 or options["samples_per_pixel"] != 1:
        return None
    count = options["rows"] * options["columns"]
    first, skipped = divmod((number - 1) * count, 8)
    needed = -(-(skipped + count) // 8)
    head = IMPLICIT_HEAD if instance.transfer_syntax_uid == pixels.IMPLICIT_VR_LITTLE_ENDIAN else EXPLICIT_HEAD
    try:
        with archive_queries.open_instance(instance) as file:
            dcmread(file, stop_before_pixels=True, specific_tags=[])
            group, element, *_vr, length = head.unpack(file.read(head.size))
            if (group, element) != PIXEL_DATA:
                return None
            if first + needed > length:
                raise DecodeError(Why.DAMAGED, "fewer bits than the header says")
            file.seek(first, io.SEEK_CUR)
            data = file.read(needed)
    except (FileNotFoundError, DecodeError):
        raise
    # pydicom raises many kinds for a damaged header.
    except Exception as error:
        raise DecodeError(Why.HEADER_UNREADABLE) from error
    if len(data) < needed:
        raise DecodeError(Why.DAMAGED, "the file ends before its pixels")
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[skipped : skipped + count]
    return Frame(
        pixels=bits.reshape(options["rows"], options["columns"]),
        photometric_interpretation=options["photometric_interpretation"],
    )


def _description(instance: Instance) -> Dataset:
    """The image pixel description as the index has it: what a deflated header says is behind its compression."""
    description = Dataset()
    description.Rows, description.Columns = instance.rows, instance.columns
    for tag in pixels.INDEXED_TAGS:
        value = instance.attributes.get(tag, {}).get("Value") or [None]
        if value[0] is not None:
            description.add(DataElement(int(tag, 16), instance.attributes[tag]["vr"], value[0]))
    return description


def _pixel_keyword(instance: Instance, header: Dataset) -> str:
    """Float pixel data has no Bits Stored, and 32 or 64 bits allocated (PS3.3 C.7.6.24, C.7.6.25)."""
    if "BitsStored" in header or int(header.get("BitsAllocated") or 16) < 32:
        return "PixelData"
    return "FloatPixelData" if int(header.BitsAllocated) == 32 else "DoubleFloatPixelData"


def read_header(instance: Instance, *, everything: bool = False) -> Dataset:
    """The data set before the pixels; only their description unless `everything`. Raises `DecodeError`."""
    tags: Any = None if everything else list(pixels.HEADER_TAGS)
    try:
        with archive_queries.open_instance(instance) as file:
            if instance.transfer_syntax_uid in pixels.REWRITTEN:
                return dcmread(io.BytesIO(as_explicit_little(file, with_pixels=False)), specific_tags=tags)
            return dcmread(file, stop_before_pixels=True, specific_tags=tags)
    except FileNotFoundError:
        raise
    # pydicom raises many kinds for a damaged header.
    except Exception as error:
        raise DecodeError(Why.HEADER_UNREADABLE) from error


def _fragments_by_reading(instance: Instance, number: int) -> bytes:
    """A compressed frame whose offsets the index could not know, read fragment by fragment."""
    if instance.size_bytes > decoding.MAXIMUM_FILE_BYTES:
        # Nobody knows yet how much of it the frame is.
        raise NotAcceptable(reasons.SENTENCES[Why.OBJECT_TOO_LARGE], code="not-decodable")
    try:
        with archive_queries.open_instance(instance) as file:
            dataset = dcmread(file, stop_before_pixels=True, specific_tags=list(pixels.HEADER_TAGS))
            if EXPLICIT_HEAD.unpack(file.read(EXPLICIT_HEAD.size))[:2] != PIXEL_DATA:
                raise DecodeError(Why.FRAMES_UNCLEAR)
            frame = bytes(get_frame(file, number - 1, number_of_frames=instance.number_of_frames))
        # On arrival nobody could say which fragments make a frame, so nobody looked at it.
        codestreams.check(
            codestreams.of_bytes(frame),
            transfer_syntax=instance.transfer_syntax_uid,
            description=decoding.description_of(decoding.options_of(dataset)),
        )
        return frame
    except FileNotFoundError:
        raise
    except codestreams.Damaged as error:
        logger.info("frame_is_damaged", instance=instance.pk, why=error.reason)
        raise NotAcceptable(reasons.DAMAGED, code="pixels-damaged") from error
    except DecodeError as error:
        raise NotAcceptable(reasons.sentence(error), code="not-decodable") from error
    except Exception as error:
        logger.warning("frame_not_found_in_fragments", instance=instance.pk, kind=type(error).__name__)
        raise NotAcceptable(reasons.SENTENCES[Why.FRAMES_UNCLEAR], code="not-decodable") from error


def all_numbers(instance: Instance) -> list[int]:
    """The numbers of all frames. Raises `NotAcceptable` where the header counts more than can be told apart."""
    if instance.is_damaged:
        raise NotAcceptable(reasons.DAMAGED, code="pixels-damaged")
    if instance.number_of_frames > MAXIMUM_FRAMES:
        raise NotAcceptable(_("The header counts more frames than are given at once; ask for some by their numbers."))
    return list(range(1, instance.number_of_frames + 1))


def parse_numbers(text: str) -> list[int]:
    """`3,1` as frame numbers in that order, each once (PS3.18 10.4.1.1.6). Raises `HeaderError`."""
    parts = text.split(",")
    if len(parts) > 10_000 or not all(part.isascii() and part.isdecimal() and len(part) <= 9 for part in parts):
        raise media.HeaderError("Frames are a list of numbers, as in frames/3,1.")
    numbers = [int(part) for part in parts]
    if min(numbers) < 1:
        raise media.HeaderError("Frames are counted from 1.")
    if len(set(numbers)) < len(numbers):
        raise media.HeaderError("A list of frames names each frame once.")
    return numbers
