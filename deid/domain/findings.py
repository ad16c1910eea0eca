"""What screening says of an instance: reasons, how heavy they are, and the verdict of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


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
    DAMAGED_PIXELS = "pixels-damaged"
    NOT_CHECKED = "pixels-not-checked"
    ULTRASOUND_REGIONS = "ultrasound-regions"
    COLOUR = "colour-where-grey-is-the-rule"
    SECONDARY_IMAGE = "secondary-image"
    RT_IMAGE = "rt-image"
    SEGMENTATION = "segmentation"
    SLIDE_UNSTATED = "slide-not-stated"
    UNUSUAL_IMAGE = "image-of-an-unusual-kind"
    UNREADABLE = "unreadable"
    NOT_PROCESSED = "not-processed"
    RESIDUE = "identifier-left"
    NOT_STORED = "not-stored"
    FACE = "face-could-be-reconstructed"
    BURNED_IN_UNSTATED = "burned-in-annotation-not-stated"
    CONTOURS = "drawn-contours"
    NOT_ACQUIRED = "acquisition-not-shown"


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


# What a person who looks at the picture can decide. What the picture does not show (documents, bytes beside the image,
# overlays in unused bits, a face in a volume) stays held back.
RELEASABLE: Final = frozenset(
    {
        Reason.BURNED_IN,
        Reason.BURNED_IN_LIKELY,
        Reason.ULTRASOUND,
        Reason.ULTRASOUND_REGIONS,
        Reason.SECONDARY_CAPTURE,
        Reason.SCREEN_SAVE,
        Reason.DIGITIZED_FILM,
        Reason.PHOTOGRAPH,
        Reason.SLIDE_LABEL,
        Reason.SLIDE_UNSTATED,
        Reason.RT_IMAGE,
        Reason.SEGMENTATION,
        Reason.COLOUR,
        Reason.SECONDARY_IMAGE,
        Reason.UNUSUAL_IMAGE,
        Reason.NOT_ACQUIRED,
        Reason.NOT_CHECKED,
    }
)
