"""Numbers of the patient as values of numeric elements: gone whatever the form, and measured values stay."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from deid.domain import arrival
from deid.domain.changes import Record
from deid.domain.findings import Verdict
from deid.domain.rules import RULE_IDENTIFIER
from tests.deid.builders import clean, make_dataset, process, read, to_bytes
from tests.deid.test_arrivals import CLEAN_HEADER

CT = "1.2.840.10008.5.1.4.1.1.2"
WHO: dict[str, Any] = {
    "PatientName": "Tanaka^Hanako",
    "PatientID": "MRN00120463",
    "PatientBirthDate": "19540312",
    "AccessionNumber": "A-55512",
    "PatientTelephoneNumbers": "0171 5551234",
}


@pytest.fixture(autouse=True)
def _unchecked_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Identifiers are seldom valid for a numeric VR."""
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SeriesNumber", "120463"),
        ("SeriesNumber", "-120463"),
        ("SeriesNumber", "120354"),
        ("AcquisitionNumber", "540312"),
        ("AcquisitionNumber", "3121954"),
        ("AcquisitionNumber", "1954312"),
        ("InstanceNumber", "55512"),
        ("InstanceNumber", "1715551234"),
        ("TemporalPositionIdentifier", "55512"),
        ("SliceLocation", "120463.0"),
        ("SliceLocation", "1.20463E5"),
        ("TriggerTime", "19540312"),
        ("TriggerTime", "12031954"),
        ("TriggerTime", "03121954.0"),
        ("TriggerTime", "1954.0312"),
        ("TriggerTime", "12.031954"),
        ("TriggerTime", "91715551234"),
    ],
)
def test_no_numeric_element_keeps_a_number_of_the_patient(keyword: str, value: str) -> None:
    dataset = make_dataset(**WHO, **{keyword: value})
    outcome, content = process(dataset)
    assert outcome.verdict is not Verdict.HELD_BACK, outcome.residue_paths
    assert read(content).get(keyword) is None
    changes = clean(dataset, record=Record(keeps_changes=True)).changes
    assert [change.keyword for change in changes if change.rule == RULE_IDENTIFIER] == [keyword]


@pytest.mark.parametrize("values", [["1954", "3", "12"], ["12", "3", "1954"], ["1204", "63"], ["12", "04", "63"]])
def test_a_number_in_parts_goes_whole(values: list[str]) -> None:
    dataset = make_dataset(**WHO, ReferencedFrameNumber=values)
    _outcome, content = process(dataset)
    assert not read(content).ReferencedFrameNumber


def test_a_window_loses_both_halves_because_one_alone_is_none() -> None:
    dataset = make_dataset(**WHO, WindowCenter="19540312", WindowWidth="400", WindowCenterWidthExplanation="WINDOW1")
    _outcome, content = process(dataset)
    assert not {"WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"} & set(read(content).dir())


def test_a_value_that_the_object_needs_is_replaced_by_one_that_can_be_drawn() -> None:
    dataset = make_dataset(
        **WHO, PixelSpacing=["0.5", "120463"], RescaleSlope="120463", RescaleIntercept="120463", SOPClassUID=CT
    )
    _outcome, content = process(dataset)
    found = read(content)
    assert found.PixelSpacing == [0.5, 1] and found.RescaleSlope == 1 and found.RescaleIntercept == 0


def test_in_an_item_a_window_keeps_its_shape() -> None:
    window, groups = Dataset(), Dataset()
    window.WindowCenter, window.WindowWidth = "120463", "400"
    groups.FrameVOILUTSequence = [window]
    dataset = make_dataset(**WHO, SOPClassUID="1.2.840.10008.5.1.4.1.1.2.1", SharedFunctionalGroupsSequence=[groups])
    clean(dataset)
    found = dataset.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence[0]
    assert (found.WindowCenter, found.WindowWidth) == (0, 400)


def test_of_several_binary_numbers_only_those_of_the_patient_are_replaced() -> None:
    dataset = make_dataset(**{**WHO, "PatientID": "54321"})
    dataset.add_new("ReferencedWaveformChannels", "US", [7, 54321])
    clean(dataset)
    assert list(dataset.ReferencedWaveformChannels) == [7, 0]


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("SeriesNumber", "1001"),
        ("SeriesNumber", "1204"),
        ("AcquisitionNumber", "20463"),
        ("SeriesNumber", "1204630"),
        ("SliceLocation", "1204.63"),
        ("ImagePositionPatient", ["-120.463", "19.54", "31.2"]),
        ("PixelSpacing", ["1.20463", "1.20463"]),
        ("RepetitionTime", "5551"),
        ("WindowCenter", "1954"),
    ],
)
def test_measured_values_and_short_counters_stay(keyword: str, value: Any) -> None:
    """Fewer than five figures, or fewer than eight about a decimal point, are met by chance."""
    dataset = make_dataset(**{**WHO, "OtherPatientIDs": "1001"}, **{keyword: value})
    _outcome, content = process(dataset)
    kept = read(content).get(keyword)
    assert [float(one) for one in (kept if isinstance(value, list) else [kept])] == [
        float(one) for one in (value if isinstance(value, list) else [value])
    ]


def test_a_patient_whose_number_is_the_width_of_the_image_does_not_lose_the_image() -> None:
    dataset = make_dataset(Rows=1, Columns=10240, BitsAllocated=16, BitsStored=12, HighBit=11, PatientID="10240")
    dataset.PixelData = bytes(2 * 10240)
    outcome, content = process(dataset)
    assert outcome.verdict is not Verdict.HELD_BACK, outcome.residue_paths
    assert (read(content).Rows, read(content).Columns) == (1, 10240)


def test_beside_no_pixels_the_width_of_an_image_is_a_number_as_any_other() -> None:
    item = Dataset()
    item.Rows, item.Columns = 1, 10240
    dataset = make_dataset(PatientID="10240", ReferencedSeriesSequence=[item])
    clean(dataset)
    assert dataset.ReferencedSeriesSequence[0].Columns == 0


@pytest.mark.parametrize(
    ("keyword", "value", "passes"),
    [
        ("SeriesNumber", "73100001", True),
        ("SeriesNumber", "1715551234", False),
        ("InstanceNumber", "171555123", False),
        ("WindowCenter", "19540312", False),
        ("WindowCenter", "12031954.0", False),
        ("TriggerTime", "1203.1954", True),
    ],
)
def test_on_arrival_a_date_or_a_telephone_number_in_a_numeric_element_is_a_finding(
    keyword: str, value: str, passes: bool
) -> None:
    dataset = make_dataset(**CLEAN_HEADER, **{keyword: value})
    found = {one.kind for one in arrival.examine(io.BytesIO(to_bytes(dataset)))}
    assert (found == set()) is passes
