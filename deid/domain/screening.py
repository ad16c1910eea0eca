"""What must be held back: images and objects that may show or tell the patient where the profile does not reach.

Pixels are not cleaned yet, so whatever may carry burned-in text, a face or a document stays out, each with its reason.
A header that says “no” (BurnedInAnnotation) proves nothing for the kinds that usually carry text: those wait for a person
who looks at the picture (`deid.domain.findings.RELEASABLE`).
A warning lets the object pass and is shown to the person who approves.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from pydicom.dataset import Dataset
from pydicom.uid import UID

from deid.domain import acquired, screens, uids
from deid.domain.elements import has_pixels, term_of, terms_of
from deid.domain.findings import Finding, Reason, Severity
from deid.domain.identifiers import fold
from deid.domain.words import words

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
ULTRASOUND_CLASSES: Final = frozenset(_STORAGE + end for end in ("3", "3.1", "6", "6.1", "6.2", "6.3"))
RAW_DATA_CLASSES: Final = frozenset((_STORAGE + "66",))
VIDEO_CLASSES: Final = frozenset(_STORAGE + end for end in ("77.1.1.1", "77.1.2.1", "77.1.4.1"))
VIDEO_SYNTAXES: Final = frozenset(f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109))
PRESENTATION_STATE: Final = _STORAGE + "11."
SLIDE_CLASSES: Final = frozenset((_STORAGE + "77.1.6",))

SEGMENTATION_CLASSES: Final = frozenset(_STORAGE + end for end in ("66.4", "66.7"))
ULTRASOUND_REGIONS: Final = 0x00186011
# Images that a scanner measures: CR, DX, MG, CT, MR, angiography, tomosynthesis, NM, PET, dose grids. What is not here is
# held back until somebody looked at it.
ACQUIRED_CLASSES: Final = frozenset(
    _STORAGE + end
    for end in words(
        """
        1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 4 4.1 4.4 12.1 12.1.1 12.2 12.2.1 13.1.1 13.1.2 13.1.3 13.1.4 13.1.5
        20 128 128.1 130 481.2
        """
    )
)
GREY_MODALITIES: Final = frozenset(
    ["CT", "MR", "PT", "CR", "DX", "MG", "XA", "RF", "IO", "PX", "RG", "NM", "RTDOSE", "RTIMAGE"]
)

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
    if not found and _unusual(dataset):
        found.append(Finding(reason=Reason.UNUSUAL_IMAGE, severity=Severity.HOLD_BACK))
    if not found and _not_acquired(dataset):
        found.append(Finding(reason=Reason.NOT_ACQUIRED, severity=Severity.HOLD_BACK))
    for reason, applies in _WARN:
        if applies(dataset, transfer_syntax):
            found.append(Finding(reason=reason, severity=Severity.WARNING))
    return found


def _sop_class(dataset: Dataset) -> str:
    return uids.clean(term_of(dataset, "SOPClassUID"))


def _modality(dataset: Dataset) -> str:
    return term_of(dataset, "Modality")


def _burned_in(dataset: Dataset, syntax: str) -> bool:
    return term_of(dataset, "BurnedInAnnotation") not in ("", "NO")


def _ultrasound(dataset: Dataset, syntax: str) -> bool:
    return _sop_class(dataset) in ULTRASOUND_CLASSES or _modality(dataset) in ("US", "IVUS", "BDUS")


def _secondary_capture(dataset: Dataset, syntax: str) -> bool:
    sop_class = _sop_class(dataset)
    return (
        sop_class == _STORAGE + "7"
        or sop_class.startswith(_STORAGE + "7.")
        or (term_of(dataset, "ConversionType") not in ("", "DF", "DRW", "SYN") and has_pixels(dataset))
        or (has_pixels(dataset) and acquired.was_captured(dataset))
    )


def _screen_save(dataset: Dataset, syntax: str) -> bool:
    if screens.is_screen_type(terms_of(dataset, "ImageType")):
        return True
    if not has_pixels(dataset):
        return False
    # Dose sheets and protocol pages often say what they are in their series' name only.
    return any(screens.is_sheet_name(term_of(dataset, key)) for key in ("SeriesDescription", "ImageComments"))


def _digitized(dataset: Dataset, syntax: str) -> bool:
    return term_of(dataset, "ConversionType") in ("DF", "DRW") or _sop_class(dataset) == _STORAGE + "1.1.1.1"


def _photograph(dataset: Dataset, syntax: str) -> bool:
    return _modality(dataset) in PHOTOGRAPH_MODALITIES or _sop_class(dataset) in (
        _STORAGE + "77.1.1",
        _STORAGE + "77.1.4",
        _STORAGE + "77.1.7",
    )


def _video(dataset: Dataset, syntax: str) -> bool:
    return _sop_class(dataset) in VIDEO_CLASSES or syntax in VIDEO_SYNTAXES


def _slide_label(dataset: Dataset, syntax: str) -> bool:
    image_type = terms_of(dataset, "ImageType")
    if term_of(dataset, "SpecimenLabelInImage") == "YES":
        return True
    is_slide = _sop_class(dataset) in SLIDE_CLASSES or _modality(dataset) == "SM"
    return is_slide and bool({"LABEL", "OVERVIEW", "LOCALIZER", "THUMBNAIL"} & set(image_type))


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
    return term_of(dataset, "RecognizableVisualFeatures") not in ("", "NO")


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


def _ultrasound_regions(dataset: Dataset, syntax: str) -> bool:
    """Calibrated regions (PS3.3 C.8.5.5) are made by ultrasound machines, whatever modality the header names."""
    return _holds(dataset, ULTRASOUND_REGIONS)


def _holds(dataset: Dataset, tag: int) -> bool:
    if tag in dataset:
        return True
    for key in dataset.keys():  # noqa: SIM118 -- iterating a data set decodes every value
        try:
            element = dataset[key]
            if element.VR == "SQ" and any(_holds(item, tag) for item in element.value or ()):
                return True
        except Exception:  # noqa: BLE001, S112 -- the engine removes a value that cannot be read
            continue
    return False


def _colour(dataset: Dataset, syntax: str) -> bool:
    """Scanners measure grey values: colour is a picture that somebody rendered, with what was on the screen."""
    if _modality(dataset) not in GREY_MODALITIES or not has_pixels(dataset):
        return False
    photometric = term_of(dataset, "PhotometricInterpretation")
    return not photometric.startswith("MONOCHROME") or term_of(dataset, "SamplesPerPixel") not in ("", "1")


def _secondary_image(dataset: Dataset, syntax: str) -> bool:
    """PS3.3 C.7.6.1.1.2: value 2 SECONDARY, made after the examination, from whatever was there."""
    return has_pixels(dataset) and "SECONDARY" in terms_of(dataset, "ImageType")[:2]


def _rt_image(dataset: Dataset, syntax: str) -> bool:
    return _modality(dataset) == "RTIMAGE" or _sop_class(dataset) == _STORAGE + "481.1"


def _segmentation(dataset: Dataset, syntax: str) -> bool:
    """Binary frames can draw letters as well as organs, and nothing in the header tells which."""
    return _modality(dataset) == "SEG" or _sop_class(dataset) in SEGMENTATION_CLASSES


def _slide_unstated(dataset: Dataset, syntax: str) -> bool:
    """A slide that does not state both that its label and that no text is in the image (PS3.3 C.8.12.4)."""
    if _sop_class(dataset) not in SLIDE_CLASSES and _modality(dataset) != "SM":
        return False
    return term_of(dataset, "SpecimenLabelInImage") != "NO" or term_of(dataset, "BurnedInAnnotation") != "NO"


def _unusual(dataset: Dataset) -> bool:
    """Pixels in an object that is not known to be an image of an examination."""
    sop_class = _sop_class(dataset)
    if not has_pixels(dataset) or sop_class in ACQUIRED_CLASSES or sop_class in SLIDE_CLASSES:
        return False
    return not (sop_class.startswith(_STORAGE + "77.1.5.") and term_of(dataset, "BurnedInAnnotation") == "NO")


def _not_acquired(dataset: Dataset) -> bool:
    """Pixels in a scanner's class that do not show that the scanner made them."""
    if not has_pixels(dataset) or _sop_class(dataset) not in acquired.SCANNER_CLASSES:
        return False
    return not acquired.is_shown(dataset)


def _private_syntax(dataset: Dataset, syntax: str) -> bool:
    return not uids.is_registered(syntax)


def _likely(dataset: Dataset, syntax: str) -> bool:
    if term_of(dataset, "BurnedInAnnotation") == "NO" or not has_pixels(dataset):
        return False
    return _modality(dataset) in USUALLY_BURNED_IN or _modality(dataset) == ""


def _face(dataset: Dataset, syntax: str) -> bool:
    if _modality(dataset) not in FACE_MODALITIES or not has_pixels(dataset):
        return False
    body_part = _WORDS.findall(fold(term_of(dataset, "BodyPartExamined")))
    if body_part:
        return bool(_HEAD & set(body_part))
    told = " ".join(term_of(dataset, key) for key in ("StudyDescription", "SeriesDescription", "ProtocolName"))
    return bool(_HEAD & set(_WORDS.findall(fold(told))))


def _unstated(dataset: Dataset, syntax: str) -> bool:
    return _modality(dataset) in MAY_BE_BURNED_IN and has_pixels(dataset) and not term_of(dataset, "BurnedInAnnotation")


_Predicate = Callable[[Dataset, str], bool]

_HOLD_BACK: Final[tuple[tuple[Reason, _Predicate], ...]] = (
    (Reason.UNKNOWN_CLASS, _unknown_class),
    (Reason.PRIVATE_TRANSFER_SYNTAX, _private_syntax),
    (Reason.BURNED_IN, _burned_in),
    (Reason.ULTRASOUND, _ultrasound),
    (Reason.ULTRASOUND_REGIONS, _ultrasound_regions),
    (Reason.ENCAPSULATED_DOCUMENT, _encapsulated),
    (Reason.STRUCTURED_REPORT, _report),
    (Reason.VIDEO, _video),
    (Reason.SECONDARY_CAPTURE, _secondary_capture),
    (Reason.SCREEN_SAVE, _screen_save),
    (Reason.DIGITIZED_FILM, _digitized),
    (Reason.PHOTOGRAPH, _photograph),
    (Reason.SLIDE_LABEL, _slide_label),
    (Reason.SLIDE_UNSTATED, _slide_unstated),
    (Reason.RT_IMAGE, _rt_image),
    (Reason.SEGMENTATION, _segmentation),
    (Reason.COLOUR, _colour),
    (Reason.SECONDARY_IMAGE, _secondary_image),
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
