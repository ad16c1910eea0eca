"""Times of day that are none, and times whose figures are those of the patient."""

from __future__ import annotations

import io
from typing import Any

import pytest
from pydicom.dataset import Dataset

from deid.domain import arrival, dates, times, verify
from deid.domain.identifiers import Identifiers
from deid.domain.profile import Option
from tests.deid.builders import clean, make_dataset, make_plan, process, read, to_bytes
from tests.deid.test_arrivals import CLEAN_HEADER

PERSON = {"PatientBirthDate": "19540312", "PatientID": "007119312"}
OPTIONS = [frozenset({Option.RETAIN_FULL_DATES}), frozenset({Option.RETAIN_MODIFIED_DATES})]
NO_TIMES = ["540312", "54:03:12", "2460", "236000", "235961", "12:30:59:10", "1230591", "१२३०"]


@pytest.mark.parametrize("value", NO_TIMES)
def test_what_is_no_time_of_day_is_no_time(value: str) -> None:
    assert not dates.is_time(value)
    assert dates.shift_datetime(f"20240131{value}", days=1) is None


@pytest.mark.parametrize("value", ["00", "2359", "235960", "10:11:12", "101112.123456"])
def test_a_time_of_day_is_one(value: str) -> None:
    assert dates.is_time(value)


@pytest.mark.parametrize(
    ("zone", "is_zone"),
    [("+0000", True), ("-1200", True), ("+1400", True), ("+1401", False), ("-1201", False), ("+1954", False), ("+0560", False)],
)  # fmt: skip
def test_zones_are_those_of_the_earth(zone: str, is_zone: bool) -> None:
    assert dates.is_offset(zone) is is_zone
    assert (dates.shift_datetime(f"20240131101112{zone}", days=1) is not None) is is_zone


def timed(value: str) -> Dataset:
    isotope = Dataset()
    isotope.RadiopharmaceuticalStartTime = value
    return make_dataset(
        **PERSON, ContentTime=value, AcquisitionTime=value, RadiopharmaceuticalInformationSequence=[isotope]
    )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    "value", ["540312", "031254", "120354", "195403.12", "101112.540312", "101112.120354", "111112.071193"]
)
def test_a_birth_date_or_number_does_not_come_out_as_a_time(value: str, options: frozenset[Option]) -> None:
    patient = dict(PERSON, PatientBirthDate="19931107") if value.endswith("071193") else PERSON
    dataset = timed(value)
    dataset.update(make_dataset(**patient).group_dataset(0x0010))
    outcome, content = process(dataset, options=options)
    assert outcome.digest, outcome.residue_paths
    written = read(content)
    said = [written.get("ContentTime", ""), written.get("AcquisitionTime", "")]
    said += [item.get("RadiopharmaceuticalStartTime", "") for item in written.RadiopharmaceuticalInformationSequence]
    told = value.partition(".")[2] or value
    assert not [text for text in said if told in str(text) or str(text) == value]
    assert all(dates.is_time(str(text)) for text in said if text)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(
    "value",
    ["20240131540312", "20240131101112.540312", "20240131101112+1954", "20240131031254+0100", "20240131195403.12"],
)
def test_nor_in_the_time_fraction_or_zone_of_a_date_and_time(value: str, options: frozenset[Option]) -> None:
    outcome, content = process(make_dataset(**PERSON, AcquisitionDateTime=value), options=options)
    assert outcome.digest, outcome.residue_paths
    said = str(read(content).get("AcquisitionDateTime", ""))
    assert not [told for told in ("540312", "031254", "1954", "195403") if told in said[8:]]


@pytest.mark.parametrize("options", OPTIONS)
def test_other_times_stay_as_they_were(options: frozenset[Option]) -> None:
    dataset = timed("101112.123456")
    clean(dataset, options=options)
    assert dataset.ContentTime == dataset.AcquisitionTime == "101112.123456"
    assert dataset.RadiopharmaceuticalInformationSequence[0].RadiopharmaceuticalStartTime == "101112.123456"


def test_an_id_of_five_figures_is_found_with_zeros_around_it() -> None:
    known = Identifiers()
    known.add_number("12345", kind="patient-id")
    assert times.spared("012345", identifiers=known) is None
    assert times.spared("101112.123450", identifiers=known) == "101112.000000"
    assert times.spared("101112.123456", identifiers=known) == "101112.123456"


@pytest.mark.parametrize("element", [{"ContentTime": "120354"}, {"AcquisitionDateTime": "20240131101112.120354"}])
def test_the_residue_check_finds_what_was_left_in_a_time(element: dict[str, Any]) -> None:
    known = make_plan(dataset=make_dataset(**PERSON)).identifiers
    written = make_dataset(PatientIdentityRemoved="YES", PatientName="", PatientID="", PatientBirthDate="", **element)
    found = verify.residues(
        io.BytesIO(to_bytes(written)), identifiers=known, profile=make_plan().profile, source_dates={}
    )
    assert next(iter(element)) in {residue.path for residue in found if residue.kind == "number in a time"}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "element",
    [{"ContentTime": "540312"}, {"AcquisitionDateTime": "20240131540312"}, {"TimezoneOffsetFromUTC": "+1954"}],
)
def test_what_is_no_time_is_a_finding_on_arrival(element: dict[str, Any]) -> None:
    found = arrival.examine(io.BytesIO(to_bytes(make_dataset(**CLEAN_HEADER, **element))))
    assert next(iter(element)) in {path for one in found for path in one.paths}


@pytest.mark.parametrize("text", ["H O L M G R E N", "CT h.o.l.m", "A-N-N-A", "H O L M scan"])
def test_a_spelled_name_is_a_finding_on_arrival(text: str) -> None:
    found = arrival.examine(io.BytesIO(to_bytes(make_dataset(**CLEAN_HEADER, SeriesDescription=text))))
    assert "SeriesDescription" in {path for one in found for path in one.paths}


@pytest.mark.parametrize("text", ["T R A", "AX T 1 C", "L R A"])
def test_three_letters_are_directions(text: str) -> None:
    found = arrival.examine(io.BytesIO(to_bytes(make_dataset(**CLEAN_HEADER, ImageComments=text))))
    assert not [one for one in found if one.kind == arrival.IDENTITY]


@pytest.mark.parametrize(
    ("method", "passes"),
    [
        ("CTP 19540312", False), ("CTP 12.03.1954", False), ("Basic Profile 007119312", False),
        ("CTP 120354-1234", False), ("CTP id 19540312123412", False), ("CTP 12 03 54 71", False), ("CTP 195.403.12", False),
        ("CTP 71193", False), ("CTP 1.2.3", True), ("PS3.15 2026d Basic Profile", True), ("dcmtk 3.6.8", True),
        ("DICOM PS 3.15 Annex E Table E.1-1", True), ("113100", True),
    ],
)  # fmt: skip
def test_the_figures_of_a_method_are_versions(method: str, passes: bool) -> None:
    found = arrival.examine(io.BytesIO(to_bytes(make_dataset(**CLEAN_HEADER, DeidentificationMethod=method))))
    assert ("DeidentificationMethod" not in {path for one in found for path in one.paths}) is passes
