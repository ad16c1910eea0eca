"""Every row of PS3.15 Table E.1-1 is performed, at the top and nested; the tables are the reviewed ones."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

import deid
from deid.domain import profile as profiles
from deid.domain.profile import Action, Option, Profile, Row, load_safe_private, load_table, resolve
from deid.domain.statement import PATIENT_ID, PATIENT_NAME
from tests.deid.builders import clean, make_dataset

DATA = Path(deid.__file__).parent / "data"
ROWS = load_table().rows
CT = "1.2.840.10008.5.1.4.1.1.2"
UNKNOWN_CLASS = "1.2.840.10008.5.1.4.1.1.9999"

# Values of a patient, one for each VR; what is left of one after de-identification is a leak.
VALUES: dict[str, Any] = {
    "AE": "ST_ELSEWHERE",
    "AS": "047Y",
    "CS": "ELSEWHERE",
    "DA": "20240131",
    "DS": "47.11",
    "DT": "20240131101500.123456+0100",
    "FD": 47.11,
    "IS": "4711",
    "LO": "Elsewhere 4711",
    "LT": "Elsewhere 4711",
    "OB": b"Elsewhere 47",
    "OW": b"Elsewhere 47",
    "PN": "Elsewhere^Erika",
    "SH": "Elsewhere 4711",
    "ST": "Elsewhere 4711",
    "TM": "101500.123",
    "UC": "Elsewhere 4711",
    "UI": "1.3.6.1.4.1.4711.99",
    "UL": 4711,
    "UN": b"Elsewhere 47",
    "UR": "https://elsewhere.example/4711",
    "US": 4711,
    "UT": "Elsewhere 4711",
}


TIMEZONE_OFFSET = 0x00080201


def concrete(row: Row) -> int:
    """A tag that the row matches."""
    if row.mask == 0xFFFFFFFF:
        return row.tag
    if row.tag_text.startswith("(gggg"):
        return 0x00091010
    if row.tag >> 24 == 0x50:
        return 0x50023000
    return row.tag | 0x00040000


def element_for(row: Row) -> DataElement:
    vr = row.vr.split(" ")[0]
    if row.tag_text.startswith("(50xx"):
        vr = "OW"
    if vr == "SQ":
        item = Dataset()
        item.PatientName = "Elsewhere^Erika"
        item.ReferencedSOPClassUID = CT
        item.ReferencedSOPInstanceUID = VALUES["UI"]
        item.StudyDate = VALUES["DA"]
        return DataElement(Tag(concrete(row)), "SQ", Sequence([item]))
    # An offset is kept as one; anything else under its name is not.
    value = "+0100" if concrete(row) == TIMEZONE_OFFSET else VALUES[vr]
    return DataElement(Tag(concrete(row)), vr, value)


def carrying(row: Row, *, sop_class_uid: str, is_nested: bool) -> tuple[Dataset, Dataset]:
    """(the data set, the part of it that holds the attribute): at the top, or in an item of a sequence that is kept."""
    dataset = make_dataset(SOPClassUID=sop_class_uid, PixelData=None)
    holder = dataset
    if is_nested:
        holder = Dataset()
        dataset.ReferencedSeriesSequence = [holder]
    if row.tag_text.startswith("(gggg"):
        holder.private_block(0x0009, "ELSEWHERE 1.0", create=True)
    holder[concrete(row)] = element_for(row)
    return dataset, holder


def is_empty(element: DataElement) -> bool:
    return (
        element.value is None or len(element.value) == 0 if hasattr(element.value, "__len__") else element.value is None
    )


def leaks(element: DataElement) -> bool:
    """Whether anything of `VALUES` is in the element, sequence items included."""
    if element.VR == "SQ":
        return any(leaks(inner) for item in element.value for inner in item)
    original = VALUES.get(element.VR)
    return str(element.value) == str(original) or "lsewhere" in str(element.value)


# Rows that a data set of a file cannot carry: the command group and file meta information (PS3.5 7.2, PS3.10 7.1).
NEVER_IN_A_DATA_SET = {row.tag for row in ROWS if row.tag >> 16 in (0x0000, 0x0002)}


@pytest.mark.parametrize("is_nested", [False, True], ids=["top", "nested"])
@pytest.mark.parametrize("sop_class_uid", [CT, UNKNOWN_CLASS], ids=["ct", "unknown"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.tag_text.replace(" ", "_"))
def test_the_basic_action_of_every_row_is_performed(row: Row, sop_class_uid: str, is_nested: bool) -> None:
    dataset, holder = carrying(row, sop_class_uid=sop_class_uid, is_nested=is_nested)
    clean(dataset, options=())
    tag = concrete(row)
    if row.tag in NEVER_IN_A_DATA_SET:
        assert tag not in holder
        return
    allowed = {Action(letter) for letter in row.basic.replace("*", "").split("/")}
    if tag not in holder:
        assert Action.REMOVE in allowed
        return
    element = holder[tag]
    assert allowed != {Action.REMOVE}, "X is removed"
    assert not leaks(element)
    if is_empty(element):
        assert Action.EMPTY in allowed
        return
    if tag in (PATIENT_NAME, PATIENT_ID):
        assert str(element.value).startswith("P")
        return
    # A value is there: a dummy, a new UID or, of a reference, the same sequence with new UIDs.
    assert allowed & {Action.DUMMY, Action.UID}, "only D and U leave a value"
    if element.VR == "UI":
        assert str(element.value).startswith("2.25.")


OPTION_CASES = [(row, option, action) for row in ROWS for option, action in row.options.items()]


@pytest.mark.parametrize(
    ("row", "option", "action"), OPTION_CASES, ids=[f"{r.tag_text.replace(' ', '_')}-{o}" for r, o, _a in OPTION_CASES]
)
def test_every_option_of_every_row_is_performed(row: Row, option: Option, action: Action) -> None:
    if row.tag in NEVER_IN_A_DATA_SET:
        return
    dataset, holder = carrying(row, sop_class_uid=UNKNOWN_CLASS, is_nested=False)
    before = element_for(row)
    clean(dataset, options=[option])
    tag = concrete(row)
    element = holder.get_item(tag) if tag in holder else None
    if action is Action.KEEP:
        assert element is not None, "K keeps"
        if before.VR == "SQ":
            assert not leaks(holder[tag]) or option is Option.RETAIN_UIDS or option is Option.RETAIN_FULL_DATES
        else:
            assert str(holder[tag].value) == str(before.value)
    elif option is Option.RETAIN_MODIFIED_DATES and before.VR in ("DA", "DT"):
        assert element is not None
        moved = str(holder[tag].value)
        assert moved != str(before.value) and moved[8:] == str(before.value)[8:], "the date moves, the time stays"
    elif option is Option.RETAIN_MODIFIED_DATES and before.VR == "TM":
        assert element is not None and str(holder[tag].value) == VALUES["TM"], "whole days: the time of day stays"
    elif tag in holder:
        assert not leaks(holder[tag]), "C never lets a value through that nobody checked"


def test_dates_are_never_brought_back_by_another_option() -> None:
    dataset = make_dataset(DateOfLastDetectorCalibration="20240131")
    clean(dataset, options=[Option.RETAIN_DEVICE_IDENTITY, Option.RETAIN_MODIFIED_DATES])
    assert dataset.DateOfLastDetectorCalibration not in ("20240131", "")


def test_full_and_modified_dates_are_alternatives() -> None:
    with pytest.raises(ValueError, match="not both"):
        Profile(table=load_table(), options=[Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES])


class TestTheChoiceOfTheTable:
    @pytest.mark.parametrize(
        ("actions", "kind", "expected"),
        [
            ("X/Z", "3", "X"), ("X/Z", "2", "Z"), ("X/Z", "1", "Z"), ("X/Z", None, "Z"),
            ("X/D", "3", "X"), ("X/D", "2", "D"), ("X/D", "1", "D"), ("X/D", None, "D"),
            ("X/Z/D", "3", "X"), ("X/Z/D", "2", "Z"), ("X/Z/D", "1", "D"), ("X/Z/D", None, "D"),
            ("Z/D", "3", "Z"), ("Z/D", "2", "Z"), ("Z/D", "1", "D"), ("Z/D", None, "D"),
            ("X/Z/U*", "3", "U"), ("X/Z/U*", "1", "U"), ("X", "1", "X"), ("K", "3", "K"),
        ],
    )  # fmt: skip
    def test_follows_the_type_in_the_iod(self, actions: str, kind: str | None, expected: str) -> None:
        assert resolve(actions=actions, attribute_type=kind) == expected

    def test_content_date_is_type_1_in_enhanced_mr_and_type_2_in_ct(self) -> None:
        for sop_class, expected in ((CT, ""), ("1.2.840.10008.5.1.4.1.1.4.1", "19000101")):
            dataset = make_dataset(SOPClassUID=sop_class, ContentDate="20240131")
            clean(dataset, options=())
            assert dataset.ContentDate == expected

    def test_an_attribute_outside_the_iod_is_removed(self) -> None:
        dataset = make_dataset(SOPClassUID=CT, TreatmentDate="20240131")
        clean(dataset, options=())
        assert "TreatmentDate" not in dataset


class TestTheData:
    @pytest.mark.parametrize("name", sorted(profiles.SHA256))
    def test_is_the_reviewed_file(self, name: str) -> None:
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == profiles.SHA256[name]

    def test_another_file_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(profiles, "SHA256", {**profiles.SHA256, profiles.TABLE_FILE: "0" * 64})
        with pytest.raises(profiles.TableError):
            profiles.load_table.__wrapped__()

    def test_has_every_row_and_option(self) -> None:
        assert len(ROWS) == 657
        assert load_table().edition == "2026d"
        assert {option for row in ROWS for option in row.options} == set(Option)
        assert len(load_safe_private()) == 130

    def test_every_row_is_found_by_a_tag_it_matches(self) -> None:
        for row in ROWS:
            assert load_table().row_for(concrete(row)) == row

    def test_keeps_nema_s_acknowledgement(self) -> None:
        assert "NEMA" in (DATA / "README.md").read_text()
        assert "NEMA" in (DATA / profiles.TABLE_FILE).read_text()
