"""No text and no bytes break what reads them: whoever sends the file chose both."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deid.domain import binaries, codes, descriptors, moments, names, texts, units
from deid.domain.identifiers import Identifiers
from deid.domain.uids import UidMapper
from tests.deid.planting import code

KEYWORDS = st.sampled_from(
    ["Manufacturer", "ConvolutionKernel", "ImageType", "PatientSex", "ImageComments", "ItineraryID"]
)
# Digits of many scripts, signs that look like them, and what people join words with.
WRITTEN = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("0123456789.-/:^=\\ 年月日²①٣१𐩀ßİıﬁ")), max_size=60
)

UIDS = UidMapper(key=bytes(32))


def sought() -> Identifiers:
    found = Identifiers()
    found.add_name("Müller^Ann")
    found.add_number("0007654321", kind="patient-id")
    found.add_birth_date("19430217")
    return found


@given(WRITTEN, KEYWORDS, st.sampled_from(["LO", "CS", "UT"]))
def test_text_is_kept_or_not(text: str, keyword: str, vr: str) -> None:
    assert texts.is_kept(keyword=keyword, vr=vr, value=text, identifiers=sought()) in (True, False)
    cleaned = descriptors.clean_text(text, identifiers=sought())
    assert descriptors.clean_text(cleaned, identifiers=sought()) == cleaned, "what is clean stays"


@given(WRITTEN)
def test_dates_and_ages_are_read_or_not(text: str) -> None:
    for year, month, day in moments.of(text):
        assert year >= 0 and 1 <= month <= 12 and 1 <= day <= 31
    assert moments.tells(text) in (True, False)
    assert moments.variants(text) is not None


@given(WRITTEN)
def test_names_of_any_script_have_spellings(text: str) -> None:
    found = Identifiers()
    found.add_name(text)
    for spelling in names.spellings(text):
        assert names.sound(names.stem(spelling)) is not None
    found.add_number(text, kind="patient-id")
    assert found.find("nothing") in (None, "name", "patient-id")


@given(WRITTEN)
def test_a_name_is_found_as_it_stands(text: str) -> None:
    found = Identifiers()
    found.add_name(f"{text} Quixano")
    assert found.find("of QUIXANO's") is not None


@given(WRITTEN, st.sampled_from(["SCT", "UCUM", "DCM", "99ACME", "LN", "MDC", ""]), WRITTEN)
def test_a_code_has_its_form_or_goes(value: str, scheme: str, meaning: str) -> None:
    assert units.is_unit(value) in (True, False)
    for text in codes.clean_item(code(value, scheme, meaning), identifiers=sought(), uids=UIDS).values():
        assert text in ("REMOVED", "Removed", "urn:removed", value) or len(text) <= 64


@given(st.binary(max_size=400))
def test_bytes_are_text_or_not(content: bytes) -> None:
    assert binaries.tells(content, identifiers=sought()) in (True, False)
    assert binaries.clean_icc(content, identifiers=sought()) is None
    head = bytes(8) + b"\2" + bytes(3) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    binaries.clean_icc(head + content, identifiers=sought())
