"""What is left of a description says what the whole of it said, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deid.domain import claims, descriptors
from deid.domain.descriptors import VOCABULARY, clean_text
from deid.domain.identifiers import Identifiers
from deid.domain.profile import DEFAULT_OPTIONS, Option
from tests.deid import planting
from tests.deid.builders import clean, make_dataset, process, read

OPTIONS = DEFAULT_OPTIONS | {Option.CLEAN_DESCRIPTORS}
CHARACTERISTICS = OPTIONS | {Option.RETAIN_PATIENT_CHARACTERISTICS}


@pytest.mark.parametrize(
    "text",
    [
        "CT CHEST W/O CONTRAST", "CT HEAD WO CONTRAST", "CT ABD W CONTRAST", "CT chest, not enhanced", "Not for diagnosis",
        "contrast refused", "contrast none", "CT head -C", "AX T1 POST +C", "T1+C", "contrast = 0", "MR brain W/WO contrast",
        "CT chest (no contrast)", "CT Thorax ohne KM", "thorax sans contrast", "knee pre-op", "KM- CT abdomen",
    ],
)  # fmt: skip
def test_a_phrase_of_known_words_stays_with_its_negations_and_signs(text: str) -> None:
    assert clean_text(text, identifiers=Identifiers()) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("left breast, s/p right mastectomy", "left breast"),
        ("contrast abjured", ""),
        ("no Meyer contrast", ""),
        ("Meyer left knee", ""),
        ("knee li Meyer", ""),
        ("chest -Meyer", ""),
        ("lesion abjured, T2 axial", "T2 axial"),
        ("contrast (abjured)", ""),
        ("contrast - abjured", ""),
        ("contrast: abjured", ""),
        ("left knee 5 7", ""),
        ("MR knee left without contrast, Dr. Okafor", "MR knee left without contrast"),
    ],
)
def test_a_phrase_with_a_negation_a_side_or_a_finding_goes_whole(text: str, left: str) -> None:
    assert clean_text(text, identifiers=Identifiers()) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("AX T2 FS Meyer", "AX T2 FS"),
        ("Meyer AX T2 FS", "AX T2 FS"),
        ("AX T2 Meyer FS", "AX T2"),
        ("chest and Meyer", "chest"),
        ("T1 axial for Dr. Hahn", "T1 axial"),
        ("Axial 1,5 mm", "Axial 1.5 mm"),
        ("head,Zofia,neck", "head, neck"),
    ],
)
def test_a_name_beside_plain_words_goes_alone_and_joins_nothing(text: str, left: str) -> None:
    assert clean_text(text, identifiers=Identifiers()) == left


PLAIN = sorted(VOCABULARY - claims.WORDS - {word for word in VOCABULARY if not word.isalpha()})
TELLING = sorted(word for word in claims.WORDS if word.isalpha())
WORD = st.one_of(
    st.sampled_from(PLAIN), st.sampled_from(TELLING), st.sampled_from(["Meyer", "Zofia", "abjured", "Knie", "17"])
)


@given(st.lists(st.lists(WORD, min_size=1, max_size=6), min_size=1, max_size=4))
def test_of_each_phrase_neighbours_stay_and_of_one_that_tells_all_or_none(phrases: list[list[str]]) -> None:
    cleaned = clean_text(", ".join(" ".join(phrase) for phrase in phrases), identifiers=Identifiers())
    left = iter(phrases)
    for part in cleaned.split(", ") if cleaned else []:
        row = part.split(" ")
        for phrase in left:
            rows = [phrase[first : first + len(row)] for first in range(len(phrase))]
            if row == phrase or (row in rows and not set(TELLING) & set(phrase)):
                break
        else:
            pytest.fail(f"{part!r} is not of {phrases}")


@given(st.lists(st.lists(WORD, min_size=1, max_size=6), min_size=1, max_size=4), st.integers(1, 64))
def test_what_is_too_long_loses_whole_phrases(phrases: list[list[str]], limit: int) -> None:
    cleaned = clean_text(", ".join(" ".join(phrase) for phrase in phrases), identifiers=Identifiers())
    short = descriptors.fitted(cleaned, limit=limit)
    assert len(short) <= limit
    assert short == "" or cleaned == short or cleaned.startswith(f"{short}, ")


def test_a_short_label_is_not_cut_before_its_negation() -> None:
    """SH holds sixteen characters; "head,neck,no CE" is longer once its commas are followed by blanks."""
    dataset = make_dataset(ScheduledProcedureStepDescription="chest", StructureSetLabel="head,neck,no CE")
    clean(dataset, options=OPTIONS)
    assert dataset.StructureSetLabel == "head, neck"


@pytest.mark.parametrize("options", [OPTIONS, CHARACTERISTICS], ids=["descriptors", "characteristics"])
@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("for Mrs", ""), ("Mr chest", "chest"), ("Ms knee", "knee"), ("Miss knee", "knee"), ("knee of MRS", "knee"),
        ("M. Dupont chest", "chest"), ("Mme knee", "knee"), ("Mlle knee", "knee"), ("Sr knee", "knee"), ("Sra knee", "knee"),
        ("Sig knee", "knee"), ("mrs. Dupont knee", "knee"), ("MRS QUIXANO knee", "knee"), ("Herr knee", "knee"),
    ],
)  # fmt: skip
def test_forms_of_address_go_whatever_the_option(text: str, left: str, options: frozenset[Option]) -> None:
    for keyword in ("SeriesDescription", "ImageComments", "TextValue", "AcquisitionProtocolName"):
        dataset = make_dataset()
        planting.put(dataset, keyword, text)
        clean(dataset, options=options)
        assert str(dataset.get(keyword) or "").replace("REMOVED", "") == left, keyword


@pytest.mark.parametrize("text", ["MR chest", "mr chest", "MRS brain", "CT 20 ms", "MR 3 T"])
def test_techniques_that_read_like_them_stay(text: str) -> None:
    dataset = make_dataset(ImageComments=text)
    clean(dataset, options=OPTIONS)
    assert str(dataset.ImageComments).replace("REMOVED", "") == text


@pytest.mark.parametrize("offset", ["+0100", "-0330", "+1400"])
def test_the_offset_of_dates_without_one_stays_with_those_that_have_one(offset: str) -> None:
    dataset = make_dataset(
        AcquisitionDateTime="20240131100000+0000", AcquisitionDate="20240131", TimezoneOffsetFromUTC=offset
    )
    _outcome, output = process(dataset, options=OPTIONS)
    after = read(output)
    assert after.AcquisitionDateTime == f"{after.AcquisitionDate}100000+0000"
    assert after.TimezoneOffsetFromUTC == offset


@pytest.mark.parametrize("offset", ["+01", "0100", "Zofia", "+2500", "+1401", "-1201"])
def test_an_offset_that_is_none_goes(offset: str) -> None:
    dataset = make_dataset(TimezoneOffsetFromUTC=offset)
    clean(dataset, options=OPTIONS)
    assert "TimezoneOffsetFromUTC" not in dataset


def test_the_offset_goes_with_the_dates() -> None:
    dataset = make_dataset(TimezoneOffsetFromUTC="+0100")
    clean(dataset, options=frozenset())
    assert "TimezoneOffsetFromUTC" not in dataset
