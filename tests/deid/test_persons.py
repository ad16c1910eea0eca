"""Age and sex in text: what describes a person goes, what describes an examination stays."""

from __future__ import annotations

import io

import pytest

from deid.domain import arrival
from deid.domain.profile import DEFAULT_OPTIONS, Option
from tests.deid import planting
from tests.deid.builders import clean, make_dataset, to_bytes
from tests.deid.test_arrivals import CLEAN_HEADER

DESCRIPTORS = DEFAULT_OPTIONS | {Option.CLEAN_DESCRIPTORS}
CHARACTERISTICS = DESCRIPTORS | {Option.RETAIN_PATIENT_CHARACTERISTICS}
FIELDS = (
    "SeriesDescription",
    "StudyDescription",
    "ProtocolName",
    "ImageComments",
    "TextValue",
    "ReconstructionDescription",
)

#: (as written, what may be left of it)
DESCRIPTIONS = [
    ("patient 61 y female", ""),
    ("CT chest patient 61 y, female", "CT chest"),
    ("CT chest 61yo male", "CT chest"),
    ("61-year-old woman knee", "knee"),
    ("aged 61 chest male", "chest"),
    ("CT chest female 61", "CT chest"),
    ("male 61 head", "head"),
    ("CT chest abdomen pelvis 55F", "CT chest abdomen pelvis"),
    ("CT chest F/55", "CT chest"),
    ("head 47 M", "head"),
    ("chest J.61", "chest"),
    ("61 J. female chest", "chest"),
    ("Thorax weiblich 61", "Thorax"),
    ("boy 7 head", "head"),
    ("8 months old child head", "head"),
    ("3-week-old head", "head"),
    ("newborn 5 d female head", "head"),
    ("7yo head", "head"),
    ("male 7 years head", "head"),
    ("patient 61 head", "head"),
]


@pytest.mark.parametrize("options", [DESCRIPTORS, CHARACTERISTICS], ids=["descriptors", "characteristics"])
@pytest.mark.parametrize(("text", "left"), DESCRIPTIONS)
def test_text_that_tells_age_and_sex_of_the_patient_loses_both(
    text: str, left: str, options: frozenset[Option]
) -> None:
    """PS3.15 E.3.6 cleans "55F" out of a description; Retain Patient Characteristics keeps attributes, not such text."""
    dataset = make_dataset()
    for keyword in FIELDS:
        planting.put(dataset, keyword, text)
    clean(dataset, options=options)
    assert {str(dataset.get(keyword) or "").replace("REMOVED", "") for keyword in FIELDS} == {left}


@pytest.mark.parametrize(("text", "left"), DESCRIPTIONS)
def test_on_arrival_it_is_a_finding(text: str, left: str) -> None:
    found = arrival.examine(io.BytesIO(to_bytes(make_dataset(**{**CLEAN_HEADER, "StudyDescription": text}))))
    assert {one.kind for one in found} == {arrival.TEXT}


@pytest.mark.parametrize("keyword", FIELDS)
def test_a_sex_stays_in_text_only_with_the_characteristics_of_the_patient(keyword: str) -> None:
    for options, expected in ((DESCRIPTORS, "pelvis 3mm"), (CHARACTERISTICS, "female pelvis 3mm")):
        dataset = make_dataset()
        planting.put(dataset, keyword, "female pelvis 3mm")
        clean(dataset, options=options)
        assert dataset.get(keyword) == expected


@pytest.mark.parametrize(
    "text",
    [
        "PET FDG F18 whole body", "18F FDG PET", "follow up M12", "visit M24", "24M follow up", "week 8", "Week 12 chest",
        "2 years follow up", "female pelvis 3D", "female pelvis 3 mm", "male pelvis 20 cm", "Pediatric head T2", "T2 infant head",
        "infant head 3 mm", "child abdomen 3D", "12 weeks", "L5 S1", "Lung 1.0 B60f", "female pelvis T2 FSE",
    ],
)  # fmt: skip
def test_visits_isotopes_kernels_and_measures_are_no_ages(text: str) -> None:
    found = arrival.examine(io.BytesIO(to_bytes(make_dataset(**{**CLEAN_HEADER, "ImageComments": text}))))
    assert found == []


@pytest.mark.parametrize("text", ["J30s 3", "F30", "M47", "FC51", "T20f"])
def test_codes_of_kernels_are_no_ages(text: str) -> None:
    dataset = make_dataset(ConvolutionKernel=text)
    clean(dataset, options=DESCRIPTORS)
    assert dataset.ConvolutionKernel == text
