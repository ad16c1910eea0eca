"""Objects that tell or show a person otherwise than by attributes and pixels: sound, surfaces, drawings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pydicom.dataset import Dataset

from deid.domain import uids
from deid.domain.findings import Finding, Reason, Severity

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
# Waveforms of the heart, of vessels and of breath (PS3.4 Table B.5-1); the others hold speech, or anything.
_DIAGNOSTIC_WAVEFORMS: Final = frozenset(
    _STORAGE + "9." + end
    for end in ("1.1", "1.2", "1.3", "1.4", "2.1", "3.1", "5.1", "6.1", "6.2", "7.1", "7.2", "7.3", "7.4")
)
# Speech needs some thousand samples a second; an electrocardiogram has up to a thousand, an electrogram two.
_MOST_SAMPLES_A_SECOND: Final = 2500.0
_SURFACES: Final = frozenset(
    (
        _STORAGE + "66.5",
        _STORAGE + "66.6",
        _STORAGE + "68.1",
        _STORAGE + "68.2",
        "1.2.840.10008.5.1.4.43.1",
        "1.2.840.10008.5.1.4.44.1",
        "1.2.840.10008.5.1.4.45.1",
    )
)
_ANNOTATIONS: Final = frozenset((_STORAGE + "91.1",))
_PRESENTATION_STATE: Final = _STORAGE + "11."


def screen(dataset: Dataset) -> list[Finding]:
    """Findings of what an object holds beside attributes and pixels, all nested sequences included."""
    sop_class = uids.clean(str(dataset.get("SOPClassUID", "") or ""))
    held = []
    if _has_sound(dataset, sop_class=sop_class):
        held.append(Reason.SOUND)
    if sop_class in _SURFACES or _any(dataset, "SurfaceSequence", "TrackSetSequence", "HPGLDocumentSequence"):
        held.append(Reason.SURFACE)
    if _has_drawing(dataset, sop_class=sop_class):
        held.append(Reason.DRAWING)
    found = [Finding(reason=reason, severity=Severity.HOLD_BACK) for reason in held]
    if _any(dataset, "ROIContourSequence"):
        found.append(Finding(reason=Reason.CONTOURS, severity=Severity.WARNING))
    return found


def _has_sound(dataset: Dataset, *, sop_class: str) -> bool:
    if sop_class.startswith(_STORAGE + "9.4") or str(dataset.get("Modality", "") or "").strip().upper() == "AU":
        return True
    groups = list(_items(dataset, "WaveformSequence"))
    if groups and sop_class not in _DIAGNOSTIC_WAVEFORMS:
        return True
    return any(_could_be_speech(group) for group in groups)


def _could_be_speech(group: Dataset) -> bool:
    # MB and AB are the codings of telephony (PS3.3 C.10.9.1.5).
    if str(group.get("WaveformSampleInterpretation", "") or "").strip() in ("MB", "AB"):
        return True
    try:
        return float(group.get("SamplingFrequency") or 0) > _MOST_SAMPLES_A_SECOND
    except (TypeError, ValueError):
        return True


def _has_drawing(dataset: Dataset, *, sop_class: str) -> bool:
    if sop_class in _ANNOTATIONS or _any(dataset, "AnnotationGroupSequence"):
        return True
    for annotation in _items(dataset, "GraphicAnnotationSequence"):
        if any(_any(annotation, keyword) for keyword in ("GraphicObjectSequence", "CompoundGraphicSequence")):
            return True
    # Overlays and curves of an image are removed whole; a presentation state would say nothing without its bitmaps.
    return sop_class.startswith(_PRESENTATION_STATE) and any(key >> 24 == 0x60 for key in dataset.keys())  # noqa: SIM118


def _any(dataset: Dataset, *keywords: str) -> bool:
    return any(True for keyword in keywords for _item in _items(dataset, keyword))


def _items(dataset: Dataset, keyword: str) -> Iterator[Dataset]:
    if keyword not in dataset:
        return
    try:
        value = dataset[keyword].value
    except Exception:  # noqa: BLE001 -- what cannot be read is removed
        return
    if isinstance(value, str | bytes) or not hasattr(value, "__iter__"):
        return
    yield from (item for item in value if isinstance(item, Dataset))
