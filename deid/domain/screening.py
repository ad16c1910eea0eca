"""What must be held back: images and objects that may show or tell the patient where the profile does not reach.

Pixels are not cleaned yet, so whatever may carry burned-in text, a face or a document stays out, each with its reason.
A warning lets the object pass and is shown to the person who approves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID

from deid.domain import files, uids
from deid.domain.identifiers import fold, strings_of
from deid.domain.words import words


class Reason(StrEnum):
    """Why an instance is held back, or what to look at. The sentences stand in `deid.reasons`."""

    BURNED_IN = "burned-in-annotation"
    BURNED_IN_LIKELY = "burned-in-annotation-likely"
    ULTRASOUND = "ultrasound"
    SECONDARY_CAPTURE = "secondary-capture"
    SCREEN_SAVE = "screen-save"
    DIGITIZED_FILM = "digitized-film"
    PHOTOGRAPH = "photograph"
    VIDEO = "video"
    SLIDE_LABEL = "slide-label"
    ENCAPSULATED_DOCUMENT = "encapsulated-document"
    STRUCTURED_REPORT = "structured-report"
    TEXT_ANNOTATION = "text-annotation"
    RECOGNIZABLE_FEATURES = "recognizable-visual-features"
    OVERLAY_IN_PIXELS = "overlay-in-pixels"
    RAW_DATA = "raw-data"
    SOUND = "sound"
    SURFACE = "surface-model"
    DRAWING = "drawing"
    TEXT_IN_BINARY = "text-in-binary-data"
    UNKNOWN_CLASS = "unknown-sop-class"
    PRIVATE_TRANSFER_SYNTAX = "private-transfer-syntax"
    PIXEL_LENGTH = "pixel-data-length"
    COMPRESSED_COMMENT = "comment-in-compressed-image"
    UNREADABLE = "unreadable"
    NOT_PROCESSED = "not-processed"
    RESIDUE = "identifier-left"
    NOT_STORED = "not-stored"
    FACE = "face-could-be-reconstructed"
    BURNED_IN_UNSTATED = "burned-in-annotation-not-stated"
    CONTOURS = "drawn-contours"


class Severity(StrEnum):
    HOLD_BACK = "hold-back"
    WARNING = "warning"


class Verdict(StrEnum):
    PASS = "pass"
    PASS_WITH_WARNING = "warning"
    HELD_BACK = "held-back"


@dataclass(frozen=True, slots=True)
class Finding:
    reason: Reason
    severity: Severity


def verdict_of(findings: list[Finding]) -> Verdict:
    if any(finding.severity is Severity.HOLD_BACK for finding in findings):
        return Verdict.HELD_BACK
    return Verdict.PASS_WITH_WARNING if findings else Verdict.PASS


_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
ULTRASOUND_CLASSES: Final = frozenset(_STORAGE + end for end in ("3", "3.1", "6", "6.1", "6.2", "6.3"))
RAW_DATA_CLASSES: Final = frozenset((_STORAGE + "66",))
VIDEO_CLASSES: Final = frozenset(_STORAGE + end for end in ("77.1.1.1", "77.1.2.1", "77.1.4.1"))
VIDEO_SYNTAXES: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
PRESENTATION_STATE: Final = _STORAGE + "11."
SLIDE_CLASSES: Final = frozenset((_STORAGE + "77.1.6",))

# PS3.3 C.7.3.1.1.1. Where burned-in text is the rule, silence about it is no "no".
USUALLY_BURNED_IN: Final = words(
    """
    US IVUS BDUS ES XC OT DOC SC GM SMR OP OPM OPT OPTENF OAM DMS DG ECG EPS HD TG BI DSS VF SRF IVOCT
    """
)
MAY_BE_BURNED_IN: Final = words(
    """
    CR DX RF XA MG IO PX RG LS AS CF DF NM
    """
)
PHOTOGRAPH_MODALITIES: Final = frozenset(["ES", "XC", "GM", "DMS", "SMR"])
FACE_MODALITIES: Final = frozenset(["CT", "MR", "PT"])

_SCREEN_WORDS: Final = re.compile(
    r"SCREEN ?SAVE|SCREEN ?SHOT|SCREEN|SECONDARY CAPTURE|REPORT|DOSE ?INFO|PROT|PASTED|GRAPH|TABLE|SUMMARY|FORM"
)
_HEAD: Final = words(
    """
    head brain skull cranium cranial face facial orbit orbits sinus sinuses maxilla mandible tmj iac sella pituitary
    neuro cerebral neck headneck cerebrum eye ear
    """
)
_WORDS: Final = re.compile(r"[a-z]+")


def screen(dataset: Dataset, *, transfer_syntax: str) -> list[Finding]:
    """All findings of a data set (without its pixel data), the ones that hold it back first."""
    found: list[Finding] = []
    for reason, applies in _HOLD_BACK:
        if applies(dataset, transfer_syntax):
            found.append(Finding(reason=reason, severity=Severity.HOLD_BACK))
    for reason, applies in _WARN:
        if applies(dataset, transfer_syntax):
            found.append(Finding(reason=reason, severity=Severity.WARNING))
    return found


def screen_pixels(source: files.Source) -> list[Finding]:
    """Findings that need the pixel data element: text beside the image inside it."""
    pixels = source.pixels
    if pixels is None:
        is_whole = not _has_pixels(source.dataset) or any(tag in source.dataset for tag in _IMAGE_VALUES)
        return [] if is_whole else [Finding(reason=Reason.PIXEL_LENGTH, severity=Severity.HOLD_BACK)]
    found = []
    if pixels.is_encapsulated:
        if _has_comment(source, pixels=pixels):
            found.append(Finding(reason=Reason.COMPRESSED_COMMENT, severity=Severity.HOLD_BACK))
    else:
        expected = _native_length(source.dataset)
        if expected is not None and not expected <= pixels.value_length <= expected + 1:
            found.append(Finding(reason=Reason.PIXEL_LENGTH, severity=Severity.HOLD_BACK))
    return found


def _text(dataset: Dataset, keyword: str) -> str:
    return "\\".join(_values(dataset, keyword))


def _values(dataset: Dataset, keyword: str) -> list[str]:
    if keyword not in dataset:
        return []
    try:
        return [value.strip(" \0").upper() for value in strings_of(dataset[keyword])]
    except Exception:  # noqa: BLE001 -- the engine removes a value that cannot be read
        return []


def _sop_class(dataset: Dataset) -> str:
    return uids.clean(_text(dataset, "SOPClassUID"))


def _modality(dataset: Dataset) -> str:
    return _text(dataset, "Modality")


def _has_pixels(dataset: Dataset) -> bool:
    return "Rows" in dataset and "Columns" in dataset


def _burned_in(dataset: Dataset, syntax: str) -> bool:
    return _text(dataset, "BurnedInAnnotation") not in ("", "NO")


def _ultrasound(dataset: Dataset, syntax: str) -> bool:
    return _sop_class(dataset) in ULTRASOUND_CLASSES or _modality(dataset) in ("US", "IVUS", "BDUS")


def _secondary_capture(dataset: Dataset, syntax: str) -> bool:
    sop_class = _sop_class(dataset)
    return (
        sop_class == _STORAGE + "7"
        or sop_class.startswith(_STORAGE + "7.")
        or (_text(dataset, "ConversionType") not in ("", "DF", "DRW", "SYN") and _has_pixels(dataset))
    )


def _screen_save(dataset: Dataset, syntax: str) -> bool:
    return any(_SCREEN_WORDS.search(value) for value in _values(dataset, "ImageType"))


def _digitized(dataset: Dataset, syntax: str) -> bool:
    return _text(dataset, "ConversionType") in ("DF", "DRW") or _sop_class(dataset) == _STORAGE + "1.1.1.1"


def _photograph(dataset: Dataset, syntax: str) -> bool:
    return _modality(dataset) in PHOTOGRAPH_MODALITIES or _sop_class(dataset) in (
        _STORAGE + "77.1.1",
        _STORAGE + "77.1.4",
        _STORAGE + "77.1.7",
    )


def _video(dataset: Dataset, syntax: str) -> bool:
    return _sop_class(dataset) in VIDEO_CLASSES or syntax in VIDEO_SYNTAXES


def _slide_label(dataset: Dataset, syntax: str) -> bool:
    image_type = _values(dataset, "ImageType")
    if _text(dataset, "SpecimenLabelInImage") == "YES":
        return True
    is_slide = _sop_class(dataset) in SLIDE_CLASSES or _modality(dataset) == "SM"
    return is_slide and bool({"LABEL", "OVERVIEW", "LOCALIZER"} & set(image_type))


def _encapsulated(dataset: Dataset, syntax: str) -> bool:
    return _sop_class(dataset).startswith(_STORAGE + "104.") or "EncapsulatedDocument" in dataset


def _report(dataset: Dataset, syntax: str) -> bool:
    return _sop_class(dataset).startswith(_STORAGE + "88.") or _modality(dataset) in ("SR", "DOC")


def _text_annotation(dataset: Dataset, syntax: str) -> bool:
    for annotation in dataset.get("GraphicAnnotationSequence") or ():
        if "TextObjectSequence" in annotation or "CompoundGraphicSequence" in annotation:
            return True
    return "TextObjectSequence" in dataset or (
        _sop_class(dataset).startswith(PRESENTATION_STATE)
        and any(key >> 24 == 0x60 and key & 0xFFFF == 0x3000 for key in dataset.keys())  # noqa: SIM118
    )


def _recognizable(dataset: Dataset, syntax: str) -> bool:
    return _text(dataset, "RecognizableVisualFeatures") not in ("", "NO")


def _overlay_in_pixels(dataset: Dataset, syntax: str) -> bool:
    """Overlay planes in unused bits of the pixels (retired in PS3.3-2004, still sent): position is not bit 0."""
    for group in range(0x6000, 0x6020, 2):
        base = group << 16
        if base | 0x0010 in dataset and base | 0x3000 not in dataset:
            return True
        if base | 0x0102 in dataset and str(dataset[base | 0x0102].value) not in ("0", "None", ""):
            return True
    return False


def _raw_data(dataset: Dataset, syntax: str) -> bool:
    return _sop_class(dataset) in RAW_DATA_CLASSES


def _unknown_class(dataset: Dataset, syntax: str) -> bool:
    # A UID that the registry of PS3.6 does not hold has no name but itself.
    sop_class = _sop_class(dataset)
    return not sop_class or UID(sop_class).name == sop_class


def _private_syntax(dataset: Dataset, syntax: str) -> bool:
    return not uids.is_registered(syntax)


def _likely(dataset: Dataset, syntax: str) -> bool:
    if _text(dataset, "BurnedInAnnotation") == "NO" or not _has_pixels(dataset):
        return False
    return _modality(dataset) in USUALLY_BURNED_IN or _modality(dataset) == ""


def _face(dataset: Dataset, syntax: str) -> bool:
    if _modality(dataset) not in FACE_MODALITIES or not _has_pixels(dataset):
        return False
    body_part = _WORDS.findall(fold(_text(dataset, "BodyPartExamined")))
    if body_part:
        return bool(_HEAD & set(body_part))
    told = " ".join(_text(dataset, key) for key in ("StudyDescription", "SeriesDescription", "ProtocolName"))
    return bool(_HEAD & set(_WORDS.findall(fold(told))))


def _unstated(dataset: Dataset, syntax: str) -> bool:
    return _modality(dataset) in MAY_BE_BURNED_IN and _has_pixels(dataset) and not _text(dataset, "BurnedInAnnotation")


# Pixel data (here of deflated files only) and spectroscopy data.
_IMAGE_VALUES: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010, 0x56000020)

_Predicate = Callable[[Dataset, str], bool]

_HOLD_BACK: Final[tuple[tuple[Reason, _Predicate], ...]] = (
    (Reason.UNKNOWN_CLASS, _unknown_class),
    (Reason.PRIVATE_TRANSFER_SYNTAX, _private_syntax),
    (Reason.BURNED_IN, _burned_in),
    (Reason.ULTRASOUND, _ultrasound),
    (Reason.ENCAPSULATED_DOCUMENT, _encapsulated),
    (Reason.STRUCTURED_REPORT, _report),
    (Reason.VIDEO, _video),
    (Reason.SECONDARY_CAPTURE, _secondary_capture),
    (Reason.SCREEN_SAVE, _screen_save),
    (Reason.DIGITIZED_FILM, _digitized),
    (Reason.PHOTOGRAPH, _photograph),
    (Reason.SLIDE_LABEL, _slide_label),
    (Reason.TEXT_ANNOTATION, _text_annotation),
    (Reason.RECOGNIZABLE_FEATURES, _recognizable),
    (Reason.OVERLAY_IN_PIXELS, _overlay_in_pixels),
    (Reason.RAW_DATA, _raw_data),
    (Reason.BURNED_IN_LIKELY, _likely),
)

_WARN: Final[tuple[tuple[Reason, _Predicate], ...]] = (
    (Reason.FACE, _face),
    (Reason.BURNED_IN_UNSTATED, _unstated),
)


# -- inside the pixel data element -------------------------------------------------------------------------------------


def _native_length(dataset: Dataset) -> int | None:
    """Bytes that the image description calls for; None when it does not say."""
    try:
        rows, columns = int(dataset["Rows"].value), int(dataset["Columns"].value)
        samples = int(dataset["SamplesPerPixel"].value) if "SamplesPerPixel" in dataset else 1
        frames = int(dataset["NumberOfFrames"].value or 1) if "NumberOfFrames" in dataset else 1
        bits = int(dataset["BitsAllocated"].value)
    except (KeyError, TypeError, ValueError):
        return None
    pixels = rows * columns * frames
    if "PhotometricInterpretation" in dataset and _text(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        return pixels * 2 * bits // 8
    return (pixels * samples * bits + 7) // 8


# Comments that encoders write about themselves.
_ENCODERS: Final = re.compile(
    rb"(?:creat|kakadu|kdu|openjpeg|jasper|charls|leadtools|lead technologies|ijg|libjpeg|jpeg|intel|pegasus|accusoft|"
    rb"merge|pvrg|dcmtk|htj2k|openjph|openhtj2k|aware|gdcm|imageio|grok)[\x20-\x7e\0\r\n]*",
    re.IGNORECASE,
)
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_HEAD_LIMIT: Final = 1 << 16


def _has_comment(source: files.Source, *, pixels: files.PixelElement) -> bool:
    for offset, length in pixels.fragments:
        source.stream.seek(offset)
        if _tells(source.stream.read(min(length, _HEAD_LIMIT))):
            return True
    return False


def _tells(head: bytes) -> bool:
    """Whether the marker segments before the entropy-coded data of a JPEG, JPEG-LS or JPEG 2000 image hold text."""
    if head[:2] == b"\xff\xd8":
        comment, end = 0xFE, 0xDA
    elif head[:2] == b"\xff\x4f":
        comment, end = 0x64, 0x90
    else:
        # A box of a JP2 file does not belong into a DICOM fragment (PS3.5 8.2.4); RLE and continued fragments have no markers.
        return head[4:8] == b"jP  "
    position = 2
    while position + 4 <= len(head) and head[position] == 0xFF:
        marker = head[position + 1]
        if marker == end:
            return False
        if marker in _STANDALONE or marker == 0xFF:
            position += 1 if marker == 0xFF else 2
            continue
        size = int.from_bytes(head[position + 2 : position + 4], "big")
        content = head[position + 4 : position + 2 + size]
        if marker == comment:
            text = content[2:] if comment == 0x64 else content
            if text.strip(b"\0 \r\n") and not _ENCODERS.match(text.lstrip(b"\0 \r\n")):
                return True
        elif comment == 0xFE and marker in (0xE1, 0xED) and content:
            # Exif, XMP and IPTC come with names, places and times.
            return True
        position += 2 + size
    return False
