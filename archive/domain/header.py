"""What the index keeps of a data set: identity, the columns of each level, and their DICOM JSON (PS3.18 F)."""

from __future__ import annotations

import datetime as dt
import re
import struct
from dataclasses import dataclass, replace
from typing import Any

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_VR

from archive.domain import codestreams, frames, json_values, pixel_notes, text
from archive.domain.part10 import PIXEL_DATA, Layout, Unreadable, is_encapsulated, wanted

UID_PATTERN = re.compile(r"^[0-9]+(?:\.[0-9]+)+$")
_OLD_DATE = re.compile(r"[0-9]{4}\.[0-9]{2}\.[0-9]{2}\Z")
_OLD_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?\Z")
MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"
MAX_INTEGER = 2**63 - 1

PATIENT_TAGS = (0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100032, 0x00100040)
STUDY_TAGS = (
    0x00080020, 0x00080030, 0x00080050, 0x00080090, 0x00080201, 0x00081030, 0x00081032, 0x00081060, 0x00101010,
    0x00101020, 0x00101030, 0x0020000D, 0x00200010, 0x00321032, 0x00321060,
)  # fmt: skip
SERIES_TAGS = (
    0x00080021, 0x00080031, 0x00080060, 0x00080068, 0x00080070, 0x00080080, 0x00081010, 0x00081040, 0x0008103E,
    0x00081050, 0x00081070, 0x00081090, 0x00180015, 0x00181000, 0x00181020, 0x00181030, 0x00185100, 0x0020000E,
    0x00200011, 0x00200052, 0x00200060, 0x00201040, 0x00400244, 0x00400245, 0x00400253, 0x00400254, 0x00400275,
)  # fmt: skip
INSTANCE_TAGS = (
    0x00080008, 0x00080012, 0x00080013, 0x00080016, 0x00080018, 0x00080022, 0x00080023, 0x0008002A, 0x00080032,
    0x00080033, 0x00082144, 0x00180050, 0x00180088, 0x00181063, 0x00186011, 0x00200012, 0x00200013, 0x00200032,
    0x00200037, 0x00200100, 0x00201041, 0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280009, 0x00280010,
    0x00280011, 0x00280030, 0x00280034, 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00280301, 0x00281050,
    0x00281051, 0x00281052, 0x00281053, 0x00281054, 0x00282110, 0x00420010, 0x00420012, 0x0040A043, 0x0040A491,
    0x0040A493, 0x00700080, 0x00700081,
)  # fmt: skip
CHARACTER_SET = 0x00080005
PIXEL_PROVIDER_URL = 0x00287FE0
ALL_TAGS = frozenset((CHARACTER_SET, PIXEL_PROVIDER_URL, *PATIENT_TAGS, *STUDY_TAGS, *SERIES_TAGS, *INSTANCE_TAGS))

# What decides whether an instance can be stored at all.
REQUIRED_TAGS = frozenset(
    {0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00280002, 0x00280010, 0x00280011, 0x00280100, PIXEL_PROVIDER_URL}
)
# More than this the index keeps of no sequence and no value: the file itself has all.
MOST_DEPTH = 4
MOST_VALUES = 256
_VR_BY_TAG = {tag: dictionary_VR(tag) for tag in ALL_TAGS}
_LATE_NESTED: dict[int, str] = {}

# Storage SOP classes of images: without pixel data the file was cut, or is no image.
IMAGE_CLASSES = frozenset(
    uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and entry[0].endswith("Image Storage")
) | frozenset({"1.2.840.10008.5.1.4.1.1.481.2", "1.2.840.10008.5.1.4.1.1.66.4"})


@dataclass(slots=True)
class Header:
    """One instance as the index sees it. Texts are clean; `number`s fit a bigint or are None."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    birth_date: str
    sex: str
    study_date: str
    study_date_parsed: dt.date | None
    study_time: str
    accession_number: str
    study_id: str
    study_description: str
    referring_physician_name: str
    series_number: int | None
    modality: str
    series_description: str
    body_part: str
    laterality: str
    frame_of_reference_uid: str
    instance_number: int | None
    rows: int | None
    columns: int | None
    number_of_frames: int
    photometric_interpretation: str
    study_attributes: dict[str, Any]
    series_attributes: dict[str, Any]
    instance_attributes: dict[str, Any]
    frame_table: bytes
    meta_sop_instance_uid: str
    # Codes of `archive.domain.pixel_notes`: what is wrong with the pixels of a file that is stored all the same.
    notes: tuple[str, ...] = ()


def read_header(layout: Layout) -> Header:
    """Decode what the index keeps. Raises `Unreadable` when the identity is missing or not valid.

    UIDs are never invented (PS3.4 B.4.1): an instance that does not name its study, series and itself is refused.
    """
    raw = wanted(layout, ALL_TAGS)
    values = _Values(layout=layout, raw=raw)
    identity = _identity(layout, values=values)
    rows, columns = values.unsigned(0x00280010), values.unsigned(0x00280011)
    description = _description(values)
    is_elsewhere = _require_pixels(layout, sop_class=identity[0x00080016], raw=raw, description=description)
    has_pixels = layout.pixel_element is not None
    number_of_frames = max(1, values.unsigned(0x00280008) or 1) if has_pixels else 0
    photometric = values.text(0x00280004, 32)
    frame_table = _frame_table(
        layout=layout, values=values, rows=rows, columns=columns, number_of_frames=number_of_frames
    )
    notes = pixel_notes.notes_of(
        layout, description=description, frame_table=frame_table, number_of_frames=number_of_frames
    )
    study_date = plain_date(values.text(0x00080020, 16))[:8]
    return Header(
        study_instance_uid=identity[0x0020000D],
        series_instance_uid=identity[0x0020000E],
        sop_instance_uid=identity[0x00080018],
        sop_class_uid=identity[0x00080016],
        transfer_syntax_uid=layout.transfer_syntax_uid[:64],
        patient_id=values.text(0x00100020, 64),
        issuer_of_patient_id=values.text(0x00100021, 64),
        patient_name=values.text(0x00100010, 324),
        birth_date=plain_date(values.text(0x00100030, 16))[:8],
        sex=values.text(0x00100040, 16),
        study_date=study_date,
        study_date_parsed=parse_date(study_date),
        study_time=plain_time(values.text(0x00080030, 16)),
        accession_number=values.text(0x00080050, 64),
        study_id=values.text(0x00200010, 64),
        study_description=values.text(0x00081030, 256),
        referring_physician_name=values.text(0x00080090, 324),
        series_number=values.integer(0x00200011),
        modality=values.text(0x00080060, 16),
        series_description=values.text(0x0008103E, 256),
        body_part=values.text(0x00180015, 64),
        laterality=values.text(0x00200060, 16),
        frame_of_reference_uid=values.uid(0x00200052)[:64],
        instance_number=values.integer(0x00200013),
        rows=rows,
        columns=columns,
        number_of_frames=min(number_of_frames, 2**31 - 1),
        photometric_interpretation=photometric,
        study_attributes=values.json((*STUDY_TAGS, *PATIENT_TAGS)),
        series_attributes=values.json(SERIES_TAGS),
        instance_attributes=values.json(INSTANCE_TAGS),
        frame_table=frame_table,
        meta_sop_instance_uid=_meta_uid(layout, 0x00020003),
        notes=(*notes, pixel_notes.PRIVATE) if is_elsewhere else notes,
    )


def require_storable(layout: Layout) -> None:
    """What `read_header` would refuse for, without the rest: for a door whose sender still waits. Raises `Unreadable`."""
    raw = wanted(layout, REQUIRED_TAGS)
    values = _Values(layout=layout, raw=raw)
    identity = _identity(layout, values=values)
    _require_pixels(layout, sop_class=identity[0x00080016], raw=raw, description=_description(values))


def _identity(layout: Layout, *, values: _Values) -> dict[int, str]:
    sop_class = values.uid(0x00080016)
    if sop_class == MEDIA_DIRECTORY or _meta_uid(layout, 0x00020002) == MEDIA_DIRECTORY:
        raise Unreadable(
            "dicomdir", "This is a DICOMDIR, the table of contents of a disc: its images are taken, not it."
        )
    identity = {}
    for tag, label in (
        (0x0020000D, "Study Instance UID"),
        (0x0020000E, "Series Instance UID"),
        (0x00080018, "SOP Instance UID"),
        (0x00080016, "SOP Class UID"),
    ):
        found = values.uid(tag)
        if not found:
            code = "sop-class-missing" if tag == 0x00080016 else "uid-missing"
            raise Unreadable(code, f"The {label} is missing; the archive never makes one up.")
        if len(found) > 64 or not UID_PATTERN.match(found):
            raise Unreadable("uid-invalid", f"The {label} is not a valid UID.")
        identity[tag] = found
    return identity


def _description(values: _Values) -> codestreams.Description:
    return codestreams.Description(
        rows=values.unsigned(0x00280010) or 0,
        columns=values.unsigned(0x00280011) or 0,
        samples=values.unsigned(0x00280002) or 1,
        bits_allocated=values.unsigned(0x00280100) or 0,
        photometric_interpretation=values.text(0x00280004, 32),
    )


def _require_pixels(
    layout: Layout, *, sop_class: str, raw: dict[int, tuple[bytes, bytes]], description: codestreams.Description
) -> bool:
    """Whether the image has its pixels in a private element. Raises `Unreadable` when it has none at all."""
    if layout.pixel_element is not None or sop_class not in IMAGE_CLASSES or PIXEL_PROVIDER_URL in raw:
        return False
    if pixel_notes.has_private_pixels(layout, description=description):
        return True
    raise Unreadable(
        "pixel-data-missing", "The instance says it is an image but has no pixel data; most likely it was cut off."
    )


def _frame_table(
    *, layout: Layout, values: _Values, rows: int | None, columns: int | None, number_of_frames: int
) -> bytes:
    element = layout.pixel_element
    if element is None or layout.is_deflated or number_of_frames > 1_000_000:
        return b""
    if is_encapsulated(layout):
        return frames.encapsulated_table(layout, number_of_frames=number_of_frames)
    bits = values.unsigned(0x00280100) or 0
    frame_bytes = frames.native_frame_bytes(
        rows=rows or 0,
        columns=columns or 0,
        samples=values.unsigned(0x00280002) or 1,
        bits_allocated={0x7FE00008: 32, 0x7FE00009: 64}.get(element.tag, bits),
        photometric_interpretation=values.text(0x00280004, 32) if element.tag == PIXEL_DATA else "",
        each=element.length // max(1, number_of_frames),
    )
    return frames.native_table(
        offset=element.offset, length=element.length, frame_bytes=frame_bytes, number_of_frames=number_of_frames
    )


def _meta_uid(layout: Layout, tag: int) -> str:
    return layout.meta.get(tag, b"").strip(b"\0 ").decode("ascii", "replace")


def plain_date(value: str) -> str:
    """A date of ACR-NEMA (2004.01.19) as DICOM writes it (PS3.5 6.2 note); anything else as it is."""
    return value.replace(".", "") if _OLD_DATE.match(value) else value


def plain_time(value: str) -> str:
    """A time of ACR-NEMA (12:30:10) as DICOM writes it; anything else as it is."""
    return value.replace(":", "") if _OLD_TIME.match(value) else value


def parse_date(value: str) -> dt.date | None:
    """A whole DA as a date; None for partial, odd and impossible ones. Takes the old form 2004.01.19 too."""
    digits = value.replace(".", "").replace("-", "")
    if len(digits) != 8 or not digits.isdecimal() or not digits.isascii():
        return None
    try:
        return dt.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


class _Values:
    """Decodes raw values by VR: the written one, else the dictionary's."""

    def __init__(self, *, layout: Layout, raw: dict[int, tuple[bytes, bytes]]) -> None:
        self._layout = layout
        self._raw = raw
        charset = raw.get(CHARACTER_SET)
        self._encodings = text.encodings_of(charset[1] if charset else None)
        self._place = _Place(implicit=layout.is_implicit, big=layout.is_big_endian, encodings=tuple(self._encodings))

    def uid(self, tag: int) -> str:
        found = self._raw.get(tag)
        return text.clean(found[1].strip(b"\0 ").decode("ascii", "replace")) if found else ""

    def text(self, tag: int, limit: int) -> str:
        """The first value as text, or the whole of a name; empty when absent."""
        found = self._raw.get(tag)
        if found is None:
            return ""
        is_name = _VR_BY_TAG[tag] == "PN"
        decoded = text.decode(found[1], self._encodings, is_name=is_name)
        return decoded.partition("\\")[0].strip(" \0")[:limit]

    def integer(self, tag: int) -> int | None:
        found = self._raw.get(tag)
        if found is None:
            return None
        written = found[1].split(b"\\")[0].strip(b" \0")[:32]
        try:
            number = int(written)
        except ValueError:
            try:
                number = int(float(written))
            except (ValueError, OverflowError):
                return None
        return number if -MAX_INTEGER <= number <= MAX_INTEGER else None

    def unsigned(self, tag: int) -> int | None:
        if _VR_BY_TAG[tag] == "IS":
            number = self.integer(tag)
        else:
            found = self._raw.get(tag)
            if found is None or len(found[1]) < 2:
                return None
            (number,) = struct.unpack_from(self._layout.endian + "H", found[1])
        return number if number is not None and 0 <= number < 2**31 else None

    def json(self, tags: tuple[int, ...]) -> dict[str, Any]:
        found = {}
        for tag in tags:
            raw = self._raw.get(tag)
            if raw is None:
                continue
            vr = _VR_BY_TAG[tag]
            value = self._values(vr=vr, raw=raw[1], written=raw[0], place=self._place)
            found[f"{tag:08X}"] = {"vr": vr, "Value": value} if value else {"vr": vr}
        return found

    def _values(self, *, vr: str, raw: bytes, written: bytes, place: _Place) -> list[Any]:
        if vr == "SQ":
            return self._items(raw=raw, place=place.inside(is_unknown=written == b"UN"))
        return json_values.decode(vr=vr, raw=raw, encodings=place.encodings, big=place.big, most=MOST_VALUES)

    def _items(self, *, raw: bytes, place: _Place) -> list[dict[str, Any]]:
        """A short sequence as DICOM JSON. What is damaged or too deep inside is left out: the file itself is kept."""
        try:
            return _read_items(decoder=self, raw=raw, place=place)
        except (Unreadable, struct.error, IndexError):
            return []


@dataclass(frozen=True, slots=True)
class _Place:
    """What holds where an element lies: its encoding and its character sets."""

    implicit: bool
    big: bool
    encodings: tuple[str, ...]
    depth: int = 0

    def inside(self, *, is_unknown: bool) -> _Place:
        """Within a sequence; one of VR UN is implicit little endian inside (PS3.5 6.2.2)."""
        return replace(
            self, implicit=self.implicit or is_unknown, big=self.big and not is_unknown, depth=self.depth + 1
        )


def _read_items(*, decoder: _Values, raw: bytes, place: _Place) -> list[dict[str, Any]]:
    from archive.domain import part10

    if place.depth > MOST_DEPTH:
        return []
    items: list[dict[str, Any]] = []
    implicit, big = place.implicit, place.big
    plain = struct.Struct((">" if big else "<") + "HHI").unpack_from
    read = part10.header_reader(implicit=implicit, big=big)
    position = 0
    size = len(raw)
    while size - position >= 8 and len(items) < 64:
        group, element, length = plain(raw, position)
        if group != 0xFFFE or element != 0xE000:
            break
        position += 8
        end = size if length == part10.UNDEFINED else min(size, position + length)
        item: dict[str, Any] = {}
        here = place
        while end - position >= 8:
            tag, vr, value_at, length = read(raw, position, size)
            if tag >> 16 == 0xFFFE:
                position = value_at
                break
            undefined = length == part10.UNDEFINED
            stop = (
                part10.skip_sequence(raw, value_at, size, implicit=implicit or vr == b"UN", big=big and vr != b"UN")
                if undefined
                else value_at + length
            )
            if tag == CHARACTER_SET and stop <= size:
                # An item's own character set holds for what follows in it (PS3.3 C.12.1.1.2).
                here = replace(place, encodings=tuple(text.encodings_of(raw[value_at:stop])) or place.encodings)
            name = _nested_vr(tag, vr)
            if name is not None and stop <= size and stop - value_at <= part10.MAX_VALUE_BYTES:
                value = decoder._values(vr=name, raw=raw[value_at:stop], written=vr, place=here)
                item[f"{tag:08X}"] = {"vr": name, "Value": value} if value else {"vr": name}
            position = stop
        else:
            position = end
        items.append(item)
    return items


def _nested_vr(tag: int, written: bytes) -> str | None:
    """The VR of an element inside a sequence; None for what is not shown (private, binary, unknown)."""
    if (tag >> 16) % 2 or tag & 0xFFFF == 0:
        return None
    known = _LATE_NESTED.get(tag)
    if known is None:
        try:
            known = dictionary_VR(tag)
        except KeyError:
            known = ""
        _LATE_NESTED[tag] = known
    if " or " in known:
        known = written.decode("ascii", "replace")
    return known if known == "SQ" or known in json_values.DECODED else None
