"""Every kind of identity in every kind of place: it is gone, or the image is held back."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

import pydicom
import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from deid.domain import engine
from deid.domain.findings import Verdict
from deid.domain.identifiers import fold, strings_of
from deid.domain.profile import DEFAULT_OPTIONS, Option
from tests.deid import planting
from tests.deid.builders import clean, make_dataset, make_plan, process, read

OPTIONS = DEFAULT_OPTIONS | {Option.CLEAN_DESCRIPTORS}


@pytest.fixture(autouse=True)
def _unchecked_values(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is planted is seldom valid for its VR."""
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def texts_of(dataset: Dataset, path: str = "") -> Iterator[tuple[str, str]]:
    for element in dataset:
        name = path + (element.keyword or str(element.tag))
        if element.VR == "SQ":
            for item in element.value:
                yield from texts_of(item, f"{name}.")
        elif element.VR in planting.TEXT_VRS:
            yield from ((name, value) for value in strings_of(element))


@pytest.mark.parametrize("is_nested", [False, True], ids=["top", "nested"])
@pytest.mark.parametrize("options", [frozenset(), OPTIONS], ids=["basic", "default"])
@pytest.mark.parametrize("text", planting.STRANGER)
def test_no_attribute_keeps_what_is_said_of_a_stranger(text: str, options: frozenset[Option], is_nested: bool) -> None:
    dataset, holder = planting.every_attribute(text, is_nested=is_nested)
    assert len(holder) > 1000
    # Her name stands in fields of names too; the places are to be found without them.
    clean(dataset, options=options, known=make_dataset())
    left = [
        (path, value)
        for path, value in texts_of(holder)
        if any(mark in fold(value) for mark in planting.STRANGER_MARKS) and not value.startswith(("P-", "P^", "2.25."))
    ]
    assert left == []


@pytest.mark.parametrize("text", ["Zofia Nowakowa", "ZOFIA"])
def test_no_attribute_keeps_it_standing_alone(text: str) -> None:
    """Some attributes are looked at together with others; each is also met without them."""
    left = []
    plan = make_plan(options=OPTIONS, dataset=make_dataset())
    for tag, vr in planting.text_attributes():
        dataset, item = Dataset(), Dataset()
        dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
        dataset.ReferencedSeriesSequence = [item]
        for holder in (dataset, item):
            holder[tag] = DataElement(tag, vr, text[: planting.LIMITS.get(vr, 1000)])
        engine.deidentify(dataset, plan=plan)
        left += [(path, value) for path, value in texts_of(dataset) if "zofia" in fold(value)]
    assert left == []


@pytest.mark.parametrize("kind", planting.PERSONS)
def test_no_place_keeps_the_patient_however_written(kind: str) -> None:
    person = planting.PERSONS[kind]
    left = []
    for text in person.written:
        for place, elements in planting.places(text):
            dataset = planting.image(person)
            for keyword, value in elements.items():
                planting.put(dataset, keyword, value)
            clean(dataset, options=OPTIONS)
            marks = {word for word in fold(text).replace("_", " ").split() if len(word) > 1}
            for path, value in texts_of(dataset):
                if path in ("PatientName", "PatientID", "DeidentificationMethod"):
                    continue
                words = set(fold(value).replace("_", " ").replace("^", " ").split())
                if (len(text) > 3 and fold(text) in fold(value)) or (marks and marks <= words):
                    left.append((text, place, path, value))
    assert left == []


@pytest.mark.parametrize("kind", planting.PERSONS)
def test_what_is_cleaned_passes_the_check_of_what_is_left(kind: str) -> None:
    """A hold says that the profile lacks a rule: none of these places does."""
    person = planting.PERSONS[kind]
    for text in person.written[:4]:
        dataset = planting.image(person)
        for _place, elements in planting.places(text):
            for keyword, value in elements.items():
                planting.put(dataset, keyword, value)
        outcome, output = process(dataset, options=OPTIONS)
        assert outcome.verdict is not Verdict.HELD_BACK, (text, outcome.reasons, outcome.residue_paths)
        assert read(output).Rows == dataset.Rows
        if len(text) > 3:
            assert not any(text.encode(encoding) in output for encoding in ("utf-8", "utf-16-le", "utf-16-be")), text


@pytest.mark.parametrize("text", planting.STRANGER)
@pytest.mark.parametrize("form", ["CT chest {}", "{} T2 axial knee", "MR {} left knee 3 mm", "head,{},neck"])
def test_words_of_technique_around_it_save_nothing(form: str, text: str) -> None:
    """A descriptor that is cut to safe words keeps no figure of a date or an age beside them."""
    dataset = make_dataset(PatientName="Doe^Jane", PatientID="Q1")
    for keyword in (
        "SeriesDescription",
        "ImageComments",
        "SequenceName",
        "SegmentLabel",
        "WindowCenterWidthExplanation",
    ):
        planting.put(dataset, keyword, form.format(text))
    clean(dataset, options=OPTIONS)
    for keyword in (
        "SeriesDescription",
        "ImageComments",
        "SequenceName",
        "SegmentLabel",
        "WindowCenterWidthExplanation",
    ):
        value = fold(str(dataset.get(keyword, "")))
        assert not any(mark in value for mark in (*planting.STRANGER_MARKS, "12 ")), (keyword, value)


@pytest.mark.parametrize(
    "age",
    [
        f"{years}{unit}"
        for years in (90, 91, 99, 104)
        for unit in (
            " y/o",
            "yo",
            "Y",
            "-year-old",
            " years",
            " Jahre",
            "-jähriger",
            " ans",
            " años",
            " лет",
            " lat",
            "歳",
            " anni",
        )
    ],
)
def test_no_great_age_stays_in_text(age: str) -> None:
    dataset = make_dataset()
    for keyword in ("SeriesDescription", "ImageComments", "SequenceName", "SegmentLabel", "ProtocolName", "TextValue"):
        planting.put(dataset, keyword, f"chest {age} woman")
    clean(dataset, options=OPTIONS)
    figure = re.match(r"\d+", age)
    assert figure is not None and figure[0] not in "".join(
        value for _path, value in texts_of(dataset) if "P-" not in value
    )
