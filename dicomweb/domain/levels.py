"""Which attribute belongs to which level, and what an answer holds unless more is asked for (PS3.18 10.6.3.3)."""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Level(IntEnum):
    STUDY = 1
    SERIES = 2
    INSTANCE = 3


STUDY_INSTANCE_UID: Final = "0020000D"
SERIES_INSTANCE_UID: Final = "0020000E"
SOP_INSTANCE_UID: Final = "00080018"
SOP_CLASS_UID: Final = "00080016"
MODALITIES_IN_STUDY: Final = "00080061"
SOP_CLASSES_IN_STUDY: Final = "00080062"
STUDY_DATE: Final = "00080020"
STUDY_TIME: Final = "00080030"
PATIENT_NAME: Final = "00100010"
PATIENT_ID: Final = "00100020"
MODALITY: Final = "00080060"
INSTANCE_NUMBER: Final = "00200013"
SERIES_NUMBER: Final = "00200011"
RETRIEVE_URL: Final = "00081190"
INSTANCE_AVAILABILITY: Final = "00080056"
SPECIFIC_CHARACTER_SET: Final = "00080005"
TIMEZONE_OFFSET: Final = "00080201"
NUMBER_OF_STUDY_RELATED_SERIES: Final = "00201206"
NUMBER_OF_STUDY_RELATED_INSTANCES: Final = "00201208"
NUMBER_OF_SERIES_RELATED_INSTANCES: Final = "00201209"
ACCESSION_NUMBER: Final = "00080050"

# Patient and study attributes beyond the patient group 0010.
_STUDY_TAGS: Final = frozenset(
    {
        STUDY_INSTANCE_UID,
        STUDY_DATE,
        STUDY_TIME,
        ACCESSION_NUMBER,
        "00080051",  # Issuer of Accession Number Sequence
        MODALITIES_IN_STUDY,
        SOP_CLASSES_IN_STUDY,
        "00080080",  # Institution Name is of the series' equipment, yet asked for with studies
        "00080090",  # Referring Physician's Name
        "00080096",
        "0008009C",
        "00081030",  # Study Description
        "00081032",  # Procedure Code Sequence
        "00081048",  # Physician(s) of Record
        "00081060",  # Name of Physician(s) Reading Study
        "00081080",  # Admitting Diagnoses Description
        "00081110",
        "00200010",  # Study ID
        "00321032",  # Requesting Physician
        "00321060",
        "00324000",
        "00380010",
        NUMBER_OF_STUDY_RELATED_SERIES,
        NUMBER_OF_STUDY_RELATED_INSTANCES,
    }
)
_SERIES_TAGS: Final = frozenset(
    {
        SERIES_INSTANCE_UID,
        MODALITY,
        SERIES_NUMBER,
        "00080021",  # Series Date
        "00080031",
        "00080070",  # Manufacturer
        "00081010",  # Station Name
        "0008103E",  # Series Description
        "0008103F",
        "00081040",
        "00081050",
        "00081052",
        "00081070",
        "00081090",
        "00081111",
        "00180015",  # Body Part Examined
        "00181000",
        "00181020",
        "00181030",  # Protocol Name
        "00185100",  # Patient Position
        "00200052",  # Frame of Reference UID
        "00200060",  # Laterality
        "00201040",
        "00400244",
        "00400245",
        "00400253",
        "00400254",
        "00400275",  # Request Attributes Sequence
        NUMBER_OF_SERIES_RELATED_INSTANCES,
    }
)
# Meaningless as matching keys (PS3.4 C.2.2.2, C.3.4): they describe the answer, not the object.
NEVER_MATCHED: Final = frozenset({SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET, RETRIEVE_URL, INSTANCE_AVAILABILITY})

DEFAULT_FIELDS: Final = {
    Level.STUDY: frozenset(
        {
            STUDY_DATE,
            STUDY_TIME,
            ACCESSION_NUMBER,
            INSTANCE_AVAILABILITY,
            MODALITIES_IN_STUDY,
            "00080090",
            "00081030",
            TIMEZONE_OFFSET,
            RETRIEVE_URL,
            PATIENT_NAME,
            PATIENT_ID,
            "00100021",
            "00100030",
            "00100040",
            STUDY_INSTANCE_UID,
            "00200010",
            NUMBER_OF_STUDY_RELATED_SERIES,
            NUMBER_OF_STUDY_RELATED_INSTANCES,
        }
    ),
    Level.SERIES: frozenset(
        {
            MODALITY,
            TIMEZONE_OFFSET,
            "0008103E",
            RETRIEVE_URL,
            SERIES_INSTANCE_UID,
            SERIES_NUMBER,
            NUMBER_OF_SERIES_RELATED_INSTANCES,
            "00400244",
            "00400245",
            "00400275",
        }
    ),
    Level.INSTANCE: frozenset(
        {
            SOP_CLASS_UID,
            SOP_INSTANCE_UID,
            INSTANCE_AVAILABILITY,
            TIMEZONE_OFFSET,
            RETRIEVE_URL,
            INSTANCE_NUMBER,
            "00280008",
            "00280010",
            "00280011",
            "00280100",
        }
    ),
}


def level_of(tag: str) -> Level:
    """The level whose entity holds the attribute."""
    if tag in _STUDY_TAGS or tag.startswith("0010"):
        return Level.STUDY
    if tag in _SERIES_TAGS:
        return Level.SERIES
    return Level.INSTANCE
