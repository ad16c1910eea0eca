"""Content negotiation of PS3.18 8.7: what a client accepts, and which of our forms fits it best."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

MAXIMUM_HEADER_LENGTH: Final = 8192

DICOM: Final = "application/dicom"
DICOM_JSON: Final = "application/dicom+json"
DICOM_XML: Final = "application/dicom+xml"
JSON: Final = "application/json"
OCTET_STREAM: Final = "application/octet-stream"
MULTIPART_RELATED: Final = "multipart/related"
JPEG: Final = "image/jpeg"
PNG: Final = "image/png"

EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
AS_STORED: Final = "*"

# PS3.18 8.7.3.3: the media type of one compressed frame, by the transfer syntax it was encoded with.
FRAME_MEDIA_TYPES: Final = MappingProxyType(
    {
        "1.2.840.10008.1.2.4.50": JPEG,
        "1.2.840.10008.1.2.4.51": JPEG,
        "1.2.840.10008.1.2.4.57": JPEG,
        "1.2.840.10008.1.2.4.70": JPEG,
        "1.2.840.10008.1.2.4.80": "image/jls",
        "1.2.840.10008.1.2.4.81": "image/jls",
        "1.2.840.10008.1.2.4.90": "image/jp2",
        "1.2.840.10008.1.2.4.91": "image/jp2",
        "1.2.840.10008.1.2.4.92": "image/jpx",
        "1.2.840.10008.1.2.4.93": "image/jpx",
        "1.2.840.10008.1.2.4.110": "image/jxl",
        "1.2.840.10008.1.2.4.111": "image/jxl",
        "1.2.840.10008.1.2.4.112": "image/jxl",
        "1.2.840.10008.1.2.4.201": "image/jphc",
        "1.2.840.10008.1.2.4.202": "image/jphc",
        "1.2.840.10008.1.2.4.203": "image/jphc",
        "1.2.840.10008.1.2.5": "image/dicom-rle",
    }
)

_TOKEN = re.compile(r"[^\s;,=\"]+")
_UID = re.compile(r"[0-9.]{1,64}\Z")


class HeaderError(ValueError):
    """A header that does not follow its grammar; the text is a sentence for the client."""


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media range of an Accept header, or the type of a payload. Names and parameter names are lower case."""

    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    quality: float = 1.0

    @property
    def part_type(self) -> str:
        """What the parts of a multipart are, or the type itself: `multipart/related; type="x"` → `x`."""
        if self.name.startswith("multipart/"):
            return self.parameters.get("type", "").lower()
        return self.name

    @property
    def is_multipart(self) -> bool:
        return self.name.startswith("multipart/")

    @property
    def transfer_syntax(self) -> str:
        return self.parameters.get("transfer-syntax", "")


def parse_media_type(text: str) -> MediaType:
    """Read one media type with its parameters, e.g. a Content-Type. Raises `HeaderError`."""
    found = parse_media_types(text)
    if len(found) != 1:
        raise HeaderError("There must be exactly one media type in the Content-Type header.")
    return found[0]


def parse_media_types(text: str) -> tuple[MediaType, ...]:
    """Read a list of media ranges in the order given. Raises `HeaderError`.

    Values may be quoted or not: many clients send `type=application/dicom` bare although RFC 2387 wants quotes, and
    both mean the same (PS3.18 8.7.4).
    """
    if len(text) > MAXIMUM_HEADER_LENGTH:
        raise HeaderError("The header is too long.")
    return tuple(_read_range(part) for part in _split(text, ",") if part.strip())


def _split(text: str, separator: str) -> list[str]:
    parts: list[str] = []
    start = 0
    quoted = False
    position = 0
    while position < len(text):
        character = text[position]
        if quoted and character == "\\":
            position += 1
        elif character == '"':
            quoted = not quoted
        elif character == separator and not quoted:
            parts.append(text[start:position])
            start = position + 1
        position += 1
    if quoted:
        raise HeaderError("A quotation mark in the media type is not closed.")
    parts.append(text[start:])
    return parts


def _read_range(text: str) -> MediaType:
    name, *rest = _split(text, ";")
    name = name.strip().lower()
    if name == "*":
        name = "*/*"
    if not re.fullmatch(r"[^\s/;,=\"]+/[^\s/;,=\"]+", name):
        raise HeaderError(f"“{name[:80]}” is not a media type.")
    parameters: dict[str, str] = {}
    quality = 1.0
    for part in rest:
        key, equals, value = part.partition("=")
        key = key.strip().lower()
        if not key and not equals:
            continue
        if not equals or not _TOKEN.fullmatch(key):
            raise HeaderError(f"“{part.strip()[:80]}” is not a parameter of a media type.")
        value = _unquote(value.strip())
        if key == "q":
            quality = _read_quality(value)
        else:
            parameters.setdefault(key, value)
    return MediaType(name=name, parameters=parameters, quality=quality)


def _unquote(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    if '"' in value:
        raise HeaderError("A quotation mark stands in the middle of a value.")
    return value


def _read_quality(value: str) -> float:
    if not re.fullmatch(r"(?:0(?:\.\d*)?|1(?:\.0*)?|\.\d+)", value):
        raise HeaderError(f"“{value[:20]}” is not a quality from 0 to 1.")
    return float(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """What to send: `media_type` of the payload or of its parts, in a multipart or alone, in which transfer syntax.

    `transfer_syntax` is a UID, `AS_STORED`, or empty where the media type has none. `is_explicit` tells a wish from a
    default: only a wish that cannot be met is refused.
    """

    media_type: str
    multipart: bool
    transfer_syntax: str = ""
    is_explicit: bool = False


def by_preference(ranges: Sequence[MediaType]) -> list[MediaType]:
    """Acceptable ranges, best first: by q, then as listed; those with q=0 fall out."""
    return sorted((r for r in ranges if r.quality > 0), key=lambda r: -r.quality)


def choose_text(
    ranges: Sequence[MediaType], *, default: str = DICOM_JSON, offered: Iterable[str] = (DICOM_JSON, JSON)
) -> Choice | None:
    """The form of a QIDO answer or metadata: JSON alone or XML in a multipart (PS3.18 8.7.3.2). None: nothing fits."""
    forms = tuple(offered)
    if not ranges:
        return Choice(media_type=default, multipart=default == DICOM_XML)
    for wish in by_preference(ranges):
        if wish.name in ("*/*", "application/*"):
            return Choice(media_type=default, multipart=False)
        if wish.name in forms and wish.name != DICOM_XML:
            return Choice(media_type=wish.name, multipart=False, is_explicit=True)
        # A multipart without a type, or of any type, is met by the one multipart there is (RFC 9110 12.5.1).
        is_related = wish.name in (MULTIPART_RELATED, "multipart/*")
        if DICOM_XML in forms and is_related and wish.part_type in ("", "*/*", "application/*", DICOM_XML):
            return Choice(media_type=DICOM_XML, multipart=True, is_explicit=True)
    return None


def choose_instances(ranges: Sequence[MediaType], *, may_be_alone: bool) -> list[Choice]:
    """The forms of whole instances a client takes, best first (PS3.18 8.7.3.3.1). Empty: nothing fits.

    `may_be_alone`: one instance may also travel as a bare `application/dicom`.
    """
    if not ranges:
        return [Choice(media_type=DICOM, multipart=True, transfer_syntax=EXPLICIT_VR_LITTLE_ENDIAN)]
    choices = []
    for wish in by_preference(ranges):
        if wish.name == "*/*" or (wish.is_multipart and wish.part_type in ("", "*/*", "application/*")):
            choices.append(Choice(media_type=DICOM, multipart=True, transfer_syntax=_syntax(wish)))
        elif wish.is_multipart and wish.name in (MULTIPART_RELATED, "multipart/*") and wish.part_type == DICOM:
            choices.append(Choice(media_type=DICOM, multipart=True, transfer_syntax=_syntax(wish), is_explicit=True))
        elif may_be_alone and wish.name in (DICOM, "application/*"):
            choices.append(Choice(media_type=DICOM, multipart=False, transfer_syntax=_syntax(wish), is_explicit=True))
    return [choice for choice in choices if is_syntax(choice.transfer_syntax)]


def _syntax(wish: MediaType) -> str:
    return wish.transfer_syntax or EXPLICIT_VR_LITTLE_ENDIAN


def is_syntax(value: str) -> bool:
    return value == AS_STORED or bool(_UID.match(value))


def choose_frames(ranges: Sequence[MediaType], *, may_be_alone: bool) -> list[Choice]:
    """The forms of frames a client takes, best first (PS3.18 8.7.3.3.2 and .3). Empty: nothing fits."""
    if not ranges:
        return [Choice(media_type=OCTET_STREAM, multipart=True, transfer_syntax=EXPLICIT_VR_LITTLE_ENDIAN)]
    choices = []
    known = {OCTET_STREAM, *FRAME_MEDIA_TYPES.values()}
    for wish in by_preference(ranges):
        if wish.name == "*/*" or (wish.is_multipart and wish.part_type in ("", "*/*", "application/*")):
            choices.append(Choice(media_type=OCTET_STREAM, multipart=True, transfer_syntax=_syntax(wish)))
            continue
        if wish.is_multipart and wish.name not in (MULTIPART_RELATED, "multipart/*"):
            continue
        if not wish.is_multipart and not may_be_alone:
            continue
        kind = wish.part_type
        if kind in ("application/*", OCTET_STREAM):
            choices.append(
                Choice(
                    media_type=OCTET_STREAM,
                    multipart=wish.is_multipart,
                    transfer_syntax=_syntax(wish),
                    is_explicit=kind == OCTET_STREAM,
                )
            )
        elif kind == "image/*" or kind in known:
            choices.append(
                Choice(
                    media_type=kind,
                    multipart=wish.is_multipart,
                    transfer_syntax=wish.transfer_syntax or AS_STORED,
                    is_explicit=True,
                )
            )
    return [choice for choice in choices if is_syntax(choice.transfer_syntax)]


def choose_bulk_data(ranges: Sequence[MediaType]) -> Choice | None:
    """Bulk data other than pixels: octets, in a multipart unless asked for alone."""
    if not ranges:
        return Choice(media_type=OCTET_STREAM, multipart=False)
    for wish in by_preference(ranges):
        if wish.name == "*/*":
            return Choice(media_type=OCTET_STREAM, multipart=False)
        if wish.name in ("application/*", OCTET_STREAM):
            return Choice(media_type=OCTET_STREAM, multipart=False, is_explicit=True)
        if wish.is_multipart and wish.part_type in ("", "*/*", "application/*", OCTET_STREAM):
            return Choice(media_type=OCTET_STREAM, multipart=True, is_explicit=True)
    return None


def choose_image(ranges: Sequence[MediaType]) -> Literal["image/jpeg", "image/png"] | None:
    """The form of a rendered image (PS3.18 8.7.3.4): JPEG unless PNG is preferred. None: nothing fits."""
    if not ranges:
        return "image/jpeg"
    for wish in by_preference(ranges):
        if wish.name in ("*/*", "image/*", JPEG):
            return "image/jpeg"
        if wish.name == PNG:
            return "image/png"
    return None
