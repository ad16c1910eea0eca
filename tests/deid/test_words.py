"""Free text: descriptors, codes, identifiers."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from deid.domain import codes, engine, texts
from deid.domain import profile as profiles
from deid.domain.descriptors import clean_text
from deid.domain.identifiers import Identifiers
from deid.domain.profile import DEFAULT_OPTIONS, Option
from deid.domain.uids import UidMapper
from tests.deid.builders import clean, make_dataset


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("CT head without contrast", "CT head without contrast"),
        ("Axial 1.5 mm", "Axial 1.5 mm"),
        ("t2_tse_sag 3mm", "t2 tse sag 3mm"),
        ("MR Knie links, Fr. Quixano 31.01.2024", ""),
        ("Dr. Cervantes wants L4/L5", "L4 L5"),
        ("Quixano", ""),
        ("12/05/24", ""),
        ("head 12 05 24", "head"),
        ("head 12", "head 12"),
        ("head 93", "head"),
        ("head Lipowa 12", "head"),
        ("555-1234 chest", "chest"),
        ("", ""),
        ("   ", ""),
        ("AX T1 POST +C", "AX T1 POST +C"),
    ],
)
def test_only_words_of_technique_and_anatomy_stay(text: str, expected: str) -> None:
    assert clean_text(text, identifiers=Identifiers()) == expected


def test_a_patient_called_hand_takes_the_descriptor_along() -> None:
    names = Identifiers()
    names.add_name("Hand^Ann")
    assert clean_text("X-ray left hand", identifiers=names) == ""


def test_descriptors_stay_under_the_option_only() -> None:
    for options, expected in (
        (DEFAULT_OPTIONS, None),
        (DEFAULT_OPTIONS | {Option.CLEAN_DESCRIPTORS}, "PD TSE sagittal"),
    ):
        dataset = make_dataset(SeriesDescription="PD TSE sagittal Quixano")
        clean(dataset, options=options)
        assert dataset.get("SeriesDescription") == expected


UIDS = UidMapper(key=bytes(32))
NOT_KNOWN = UIDS.new_scheme("ACME PACS")


def item(value: str, scheme: str, meaning: str) -> Dataset:
    found = Dataset()
    found.CodeValue, found.CodingSchemeDesignator, found.CodeMeaning = value, scheme, meaning
    return found


@pytest.mark.parametrize(
    ("value", "scheme", "meaning", "expected"),
    [
        ("121106", "DCM", "Comment", {}),
        ("T-D1100", "SRT", "Head", {}),
        ("121106", "DCM", "Quixano^Alonso", {"CodeMeaning": "Comment"}),
        ("X1", "99ACME", "Knee of Mr Smith", {"CodeMeaning": "Removed"}),
        (
            "MR Knee",
            "ACME PACS",
            "Knee",
            {"CodingSchemeDesignator": NOT_KNOWN, "CodeValue": "REMOVED", "CodeMeaning": "Removed"},
        ),
        ("123-8", "LN", "Patient 1234567", {"CodeMeaning": "Removed"}),
        ("RID58", "RADLEX", "liver", {}),
    ],
)
def test_code_items(value: str, scheme: str, meaning: str, expected: dict[str, str]) -> None:
    assert codes.clean_item(item(value, scheme, meaning), identifiers=Identifiers(), uids=UIDS) == expected


class TestIdentifiers:
    @pytest.mark.parametrize(
        "text",
        ["Quixano", "QUIXANO_ALONSO", "quixano123", "x/Alonso/y", "AlonsoQuixano", "Quíxano", "of Quixano's"],
    )
    def test_a_name_is_found_however_it_is_written(self, text: str) -> None:
        names = Identifiers()
        names.add_name("Quixano^Alonso")
        assert names.find(text) == "name"

    @pytest.mark.parametrize("text", ["Kim 3T", "kim", "for KIM_A"])
    def test_a_short_name_is_found_as_a_word(self, text: str) -> None:
        names = Identifiers()
        names.add_name("Kim^Li")
        assert names.find(text) == "name"

    @pytest.mark.parametrize("text", ["Kimberley", "line", "alkim"])
    def test_and_not_inside_another_word(self, text: str) -> None:
        names = Identifiers()
        names.add_name("Kim^Li")
        assert names.find(text) is None

    @pytest.mark.parametrize("text", ["12-34-56", "MRN 123456", "a123456b", "12 34 56"])
    def test_a_number_is_found_with_other_separators(self, text: str) -> None:
        numbers = Identifiers()
        numbers.add_number("123456", kind="patient-id")
        assert numbers.find(text) == "patient-id"

    @pytest.mark.parametrize("value", ["Anonymous", "Patient^Test", "UNKNOWN", "0000", "1", "x"])
    def test_placeholders_identify_nobody(self, value: str) -> None:
        found = Identifiers()
        found.add_name(value)
        found.add_number(value, kind="number")
        assert found.find("an anonymous test patient 1 of unknown name 0000 x") is None

    def test_a_birth_date_is_found_in_any_order(self) -> None:
        found = Identifiers()
        found.add_birth_date("19470926")
        assert all(found.find(text) == "birth-date" for text in ("born 26.09.1947", "1947-09-26", "09/26/1947"))

    def test_a_patient_called_head_leaves_code_strings_alone(self) -> None:
        dataset = make_dataset(
            PatientName="Head^Axial", BodyPartExamined="HEAD", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"]
        )
        clean(dataset)
        assert dataset.BodyPartExamined == "HEAD" and dataset.ImageType[2] == "AXIAL"


class TestSafePrivate:
    OPTIONS = DEFAULT_OPTIONS | {Option.RETAIN_SAFE_PRIVATE}

    def build(
        self, *, creator: str = "ELSCINT1", vr: str = "DS", value: object = "12.5", element: int = 0x21
    ) -> Dataset:
        dataset = make_dataset()
        block = dataset.private_block(0x00E1, creator, create=True)
        block.add_new(element, vr, value)
        return dataset

    def test_is_kept_on_creator_element_and_vr(self) -> None:
        dataset = self.build()
        clean(dataset, options=self.OPTIONS)
        assert dataset.private_block(0x00E1, "ELSCINT1")[0x21].value == 12.5

    @pytest.mark.parametrize(
        "changes",
        [{"creator": "ELSCINT2"}, {"vr": "LO", "value": "Quixano"}, {"element": 0x22}, {"value": None, "vr": "UN"}],
    )
    def test_anything_else_goes_with_its_creator(self, changes: dict[str, object]) -> None:
        if changes.get("vr") == "UN":
            changes = {"vr": "UN", "value": b"12.5"}
        dataset = self.build(**changes)  # type: ignore[arg-type]
        clean(dataset, options=self.OPTIONS)
        assert not any(element.tag.is_private for element in dataset)

    @pytest.mark.parametrize(("vr", "value"), [("LO", "Zofia Nowakowa"), ("CS", "ZOFIA"), ("UT", "tel 555-0177")])
    def test_free_text_in_it_goes(self, vr: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """The table says what a maker means an element for, not what somebody wrote into it."""
        row = profiles.SafePrivate(group=0xE1, element=0x21, creator="ELSCINT1", vrs=frozenset([vr]))
        monkeypatch.setattr(engine, "load_safe_private", lambda: {("ELSCINT1", 0xE1, 0x21): row})
        dataset = self.build(vr=vr, value=value)
        clean(dataset, options=self.OPTIONS)
        assert not any(element.tag.is_private for element in dataset)

    def test_not_without_the_option(self) -> None:
        dataset = self.build()
        clean(dataset)
        assert not any(element.tag.is_private for element in dataset)


def test_great_age_is_given_as_ninety() -> None:
    for age, expected in (
        ("076Y", "076Y"),
        ("090Y", "090Y"),
        ("094Y", "090Y"),
        ("018M", "018M"),
        (["050Y", "094Y"], ["050Y", "090Y"]),
        (["095Y", "095Y"], ["090Y", "090Y"]),
    ):
        dataset = make_dataset(PatientAge=age)
        clean(dataset, options=DEFAULT_OPTIONS | {Option.RETAIN_PATIENT_CHARACTERISTICS})
        assert dataset.PatientAge == expected


@pytest.mark.parametrize("has_codes", [False, True])
@pytest.mark.parametrize(
    "text", ["0171 5551 phase", "171 555 12 34 phase", "0203 61", "phase 1024 1024", "phase 1961s"]
)
def test_numbers_in_groups_may_be_a_telephone_number_or_a_date(text: str, has_codes: bool) -> None:
    assert not texts.is_technical(text, has_codes=has_codes)


@pytest.mark.parametrize("text", ["phase 2 1.25 mm", "TR 2000ms TE 30", "matrix 512 512", "phase 1024", "2.5 mm axial"])
def test_few_short_numbers_beside_words_of_technique_stay(text: str) -> None:
    assert texts.is_technical(text, has_codes=False)


def test_without_codes_figures_with_points_are_a_date_and_with_them_a_version() -> None:
    assert not texts.is_technical("phase 2.3.61", has_codes=False)
    assert texts.is_technical("version 2.3.61", has_codes=True)
