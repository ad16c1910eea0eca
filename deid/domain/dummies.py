"""Dummy values: valid for their VR (PS3.5 6.2), the same for everybody, and plainly no data of a patient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from deid.domain.dates import DUMMY_DATE
from deid.domain.words import words

REMOVED: Final = "REMOVED"

BY_VR: Final[Mapping[str, Any]] = {
    "AE": REMOVED,
    "AS": "000D",
    "AT": Tag(0x00000000),
    "CS": REMOVED,
    "DA": DUMMY_DATE,
    "DS": "0",
    "DT": DUMMY_DATE + "000000",
    "FD": 0.0,
    "FL": 0.0,
    "IS": "0",
    "LO": REMOVED,
    "LT": REMOVED,
    "OB": b"\0\0",
    "OD": bytes(8),
    "OF": bytes(4),
    "OL": bytes(4),
    "OV": bytes(8),
    "OW": b"\0\0",
    "PN": REMOVED,
    "SH": REMOVED,
    "SL": 0,
    "SS": 0,
    "ST": REMOVED,
    "SV": 0,
    "TM": "000000",
    "UC": REMOVED,
    "UL": 0,
    "UN": b"\0\0",
    "UR": "urn:removed",
    "US": 0,
    "UT": REMOVED,
    "UV": 0,
}

# Where a VR's dummy would break an enumeration of PS3.3.
BY_KEYWORD: Final[Mapping[str, Any]] = {"ReasonForTheAttributeModification": "COERCE"}
# Numbers that others are divided by or multiplied with: an image with zero there cannot be drawn.
_ONES: Final = words(
    """
    PixelSpacing ImagerPixelSpacing NominalScannedPixelSpacing SliceThickness SpacingBetweenSlices WindowWidth RescaleSlope
    RealWorldValueSlope DoseGridScaling PixelAspectRatio
    """
)


def number_for(*, keyword: str, vr: str) -> Any:
    """A dummy for one value of a numeric element."""
    return type(BY_VR[vr])(1) if keyword in _ONES else BY_VR[vr]


CODE_SCHEME: Final = "99PACSWEB"


def code_item(*, value: str = REMOVED, meaning: str = "Removed", scheme: str = CODE_SCHEME) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def _content() -> Dataset:
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = "TEXT"
    item.ConceptNameCodeSequence = [code_item(value="121106", meaning="Comment", scheme="DCM")]
    item.TextValue = REMOVED
    return item


def _graphic_annotation() -> Dataset:
    point = Dataset()
    point.GraphicAnnotationUnits = "PIXEL"
    point.GraphicDimensions = 2
    point.NumberOfGraphicPoints = 1
    point.GraphicData = [0.0, 0.0]
    point.GraphicType = "POINT"
    point.GraphicFilled = "N"
    item = Dataset()
    item.GraphicLayer = REMOVED
    item.GraphicObjectSequence = [point]
    return item


def _person() -> Dataset:
    item = Dataset()
    item.PersonIdentificationCodeSequence = [code_item()]
    item.InstitutionName = REMOVED
    return item


def _verifying_observer() -> Dataset:
    item = Dataset()
    item.VerifyingOrganization = REMOVED
    item.VerificationDateTime = BY_VR["DT"]
    item.VerifyingObserverName = REMOVED
    item.VerifyingObserverIdentificationCodeSequence = []
    return item


def _waveform_annotation() -> Dataset:
    item = Dataset()
    item.UnformattedTextValue = REMOVED
    item.ReferencedWaveformChannels = [1, 0]
    return item


def _flow_identifier() -> Dataset:
    item = Dataset()
    item.FlowIdentifier = BY_VR["OB"]
    return item


_ITEMS: Final[Mapping[str, Callable[[], Dataset]]] = {
    "ContentSequence": _content,
    "FlowIdentifierSequence": _flow_identifier,
    "GraphicAnnotationSequence": _graphic_annotation,
    "OperatorIdentificationSequence": _person,
    "VerifyingObserverSequence": _verifying_observer,
    "WaveformAnnotationSequence": _waveform_annotation,
}


def value_for(*, keyword: str, vr: str) -> Any:
    """A dummy for an attribute. A sequence gets one item that is valid and says nothing."""
    if keyword in BY_KEYWORD:
        return BY_KEYWORD[keyword]
    if vr == "SQ":
        return Sequence([_ITEMS.get(keyword, code_item)()])
    return BY_VR[vr.partition(" ")[0]]
