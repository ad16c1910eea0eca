"""Designators of coding schemes: a private one (99…) can spell a name, a hospital or a birth date."""

from __future__ import annotations

import io

import pytest
from pydicom.dataset import Dataset

from deid.domain import arrival, codes
from deid.domain.profile import DEFAULT_OPTIONS
from deid.domain.uids import UidMapper
from tests.deid.builders import clean, make_dataset, process, read, to_bytes
from tests.deid.planting import code
from tests.deid.test_arrivals import CLEAN_HEADER

SPELLING = [
    "99MUELLER_ANNA", "99HOLMGREN", "99540312", "99STMARYSHOSP", "99KAROLINSKA", "99DRHOLMGREN", "99JWIECZOREK",
]  # fmt: skip
KNOWN = ["SCT", "DCM", "99PMP", "99_OFFIS_DCMTK", "99GEMS"]


def with_scheme(scheme: str, **header: str) -> Dataset:
    return make_dataset(
        **header,
        AnatomicRegionSequence=[code("K1", scheme, "Knee")],
        CodingSchemeIdentificationSequence=[code("", scheme, "")],
    )


@pytest.mark.parametrize("scheme", SPELLING)
def test_an_unknown_scheme_gets_the_same_dummy_in_items_and_in_the_list_of_schemes(scheme: str) -> None:
    outcome, content = process(with_scheme(scheme))
    assert outcome.digest
    written = read(content)
    item, listed = written.AnatomicRegionSequence[0], written.CodingSchemeIdentificationSequence[0]
    assert item.CodingSchemeDesignator == listed.CodingSchemeDesignator
    assert codes.is_scheme(item.CodingSchemeDesignator)
    assert scheme[2:].encode() not in content


def test_two_unknown_schemes_stay_apart_and_other_domains_use_other_dummies() -> None:
    one, other = UidMapper(key=bytes(32)), UidMapper(key=bytes(31) + b"x")
    found = {one.new_scheme(scheme) for scheme in SPELLING} | {other.new_scheme(scheme) for scheme in SPELLING}
    assert len(found) == 2 * len(SPELLING)
    assert all(len(dummy) <= 16 and codes.is_scheme(dummy) for dummy in found)


@pytest.mark.parametrize("scheme", KNOWN)
def test_a_known_scheme_stays(scheme: str) -> None:
    dataset = with_scheme(scheme)
    clean(dataset, options=DEFAULT_OPTIONS)
    assert dataset.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == scheme


@pytest.mark.parametrize("scheme", SPELLING)
def test_an_unknown_scheme_is_a_finding_on_arrival(scheme: str) -> None:
    found = arrival.examine(io.BytesIO(to_bytes(with_scheme(scheme, **CLEAN_HEADER))))
    paths = {path for one in found for path in one.paths}
    assert "CodingSchemeIdentificationSequence[1].CodingSchemeDesignator" in paths
    assert "AnatomicRegionSequence[1].CodingSchemeDesignator" in paths


@pytest.mark.parametrize("scheme", [*KNOWN, UidMapper(key=bytes(32)).new_scheme("99HOLMGREN")])
def test_a_known_scheme_or_a_dummy_is_none(scheme: str) -> None:
    found = arrival.examine(io.BytesIO(to_bytes(with_scheme(scheme, **CLEAN_HEADER))))
    assert not [path for one in found for path in one.paths if path.endswith("CodingSchemeDesignator")]


@pytest.mark.parametrize("version", ["1954.03.12", "12.03.1954"])
def test_a_version_is_no_birth_date(version: str) -> None:
    item = code("K1", "99PMP", "Knee")
    item.CodingSchemeVersion = version
    dataset = make_dataset(AnatomicRegionSequence=[item])
    clean(dataset, options=DEFAULT_OPTIONS)
    assert dataset.AnatomicRegionSequence[0].CodingSchemeVersion == "REMOVED"
