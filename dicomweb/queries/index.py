"""Which attributes the index keeps of each level, and which of them have a column of their own."""

from __future__ import annotations

from archive.domain import header
from dicomweb.domain import levels
from dicomweb.domain.levels import Level
from dicomweb.domain.query import Key, Query

# What the index keeps of each level; a key beyond it cannot be matched.
INDEXED = {
    Level.STUDY: frozenset(f"{tag:08X}" for tag in (*header.STUDY_TAGS, *header.PATIENT_TAGS))
    | {
        levels.MODALITIES_IN_STUDY,
        levels.SOP_CLASSES_IN_STUDY,
        levels.NUMBER_OF_STUDY_RELATED_SERIES,
        levels.NUMBER_OF_STUDY_RELATED_INSTANCES,
    },
    Level.SERIES: frozenset(f"{tag:08X}" for tag in header.SERIES_TAGS) | {levels.NUMBER_OF_SERIES_RELATED_INSTANCES},
    Level.INSTANCE: frozenset(f"{tag:08X}" for tag in header.INSTANCE_TAGS),
}
COLUMNS = {
    Level.STUDY: {
        levels.STUDY_INSTANCE_UID: "study_instance_uid",
        levels.STUDY_DATE: "study_date",
        levels.STUDY_TIME: "study_time",
        levels.ACCESSION_NUMBER: "accession_number",
        "00200010": "study_id",
        "00081030": "description",
        levels.PATIENT_ID: "patient__patient_id",
        "00100021": "patient__issuer_of_patient_id",
        "00100030": "birth_date",
        "00100040": "sex",
        levels.NUMBER_OF_STUDY_RELATED_SERIES: "series_count",
        levels.NUMBER_OF_STUDY_RELATED_INSTANCES: "instance_count",
    },
    Level.SERIES: {
        levels.SERIES_INSTANCE_UID: "series_instance_uid",
        levels.SERIES_NUMBER: "series_number",
        levels.MODALITY: "modality",
        "0008103E": "description",
        "00180015": "body_part",
        "00200060": "laterality",
        "00200052": "frame_of_reference_uid",
        levels.NUMBER_OF_SERIES_RELATED_INSTANCES: "instance_count",
    },
    Level.INSTANCE: {
        levels.SOP_INSTANCE_UID: "sop_instance_uid",
        levels.SOP_CLASS_UID: "sop_class_uid",
        levels.INSTANCE_NUMBER: "instance_number",
        "00280010": "rows",
        "00280011": "columns",
    },
}
# Columns with a trigram index over upper case: a wildcard first narrows down by it.
UPPER_INDEXED = frozenset({"patient__patient_id", "description"})


def unsupported(query: Query) -> list[Key]:
    """Keys of attributes that the index does not keep: they cannot narrow the answer down."""
    return [key for key in query.keys if key.tag not in INDEXED[levels.level_of(key.tag)] and not _is_indexed(key.tag)]


def _is_indexed(tag: str) -> bool:
    return any(tag in tags for tags in INDEXED.values())


def level_of(tag: str) -> Level:
    """The level under which the index keeps an attribute."""
    for level, tags in INDEXED.items():
        if tag in tags:
            return level
    return levels.level_of(tag)
