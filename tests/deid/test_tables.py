"""Short text in look-up tables, their descriptors and explanations: "Zofia" fits where nobody expects a word."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from deid.domain import arrival_file
from deid.domain.findings import Reason, Verdict
from tests.deid.builders import clean, make_dataset, process, read, to_bytes
from tests.deid.test_arrivals import CLEAN_HEADER

BYTES = b"Zofia N\0"


@pytest.fixture(autouse=True)
def _unchecked_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom.config.settings, "writing_validation_mode", pydicom.config.IGNORE)
    monkeypatch.setattr(pydicom.config.settings, "reading_validation_mode", pydicom.config.IGNORE)


def words(text: bytes) -> list[int]:
    text += bytes(len(text) % 2)
    return [text[at] | text[at + 1] << 8 for at in range(0, len(text), 2)]


def voi(*, data: Any, descriptor: list[int] | None = None, vr: str = "US", **more: Any) -> dict[str, Any]:
    item = Dataset()
    entries = len(data) // 2 if isinstance(data, bytes) else len(data)
    item.add_new(0x00283002, "US", descriptor or [entries, 0, 16])
    item.add_new(0x00283006, vr, data)
    for keyword, value in more.items():
        setattr(item, keyword, value)
    return {"VOILUTSequence": [item]}


def palette(*, data: bytes, descriptor: list[int]) -> dict[str, Any]:
    return {"RedPaletteColorLookupTableDescriptor": descriptor, "RedPaletteColorLookupTableData": data}


SPELLING: dict[str, dict[str, Any]] = {
    "a stranger in entries of 16 bits": voi(data=words(BYTES)),
    "a stranger in bytes": voi(data=BYTES, vr="OW"),
    "one letter an entry": voi(data=[ord(letter) for letter in "Zofia"]),
    "three letters": voi(data=words(b"Lee ")),
    "a number": voi(data=words(b"120463")),
    "text in the descriptor": voi(data=[0, 1, 2, 3], descriptor=words(b"Zofia ")),
    "a birth date in the descriptor": voi(data=[0, 1, 2, 3], descriptor=[1954, 3, 12]),
    "more entries than stated": voi(data=[0, 1, 2, 3, 4], descriptor=[4, 0, 16]),
    "a palette": palette(data=BYTES, descriptor=[4, 0, 16]),
    "a palette's descriptor": palette(data=bytes(512), descriptor=words(b"Zofia ")),
    "a packed palette": palette(data=b"Zofia\0", descriptor=[6, 0, 8]),
    "few numbers elsewhere": {"FrameNumbersOfInterest": words(b"Zofia ")},
}
FINE: dict[str, dict[str, Any]] = {
    "a ramp of 256": voi(data=list(range(256))),
    "a steep ramp of 16": voi(data=[17 * 257 * step for step in range(16)]),
    "an inverse ramp": voi(data=list(range(4095, -1, -1))),
    "a ramp of bytes": voi(data=bytes(range(256)), descriptor=[256, 0, 8], vr="OW"),
    "a palette of 256 colours": palette(data=bytes((7 * at) % 256 for at in range(512)), descriptor=[256, 0, 16]),
    "a packed palette of 256": palette(data=bytes((11 * at) % 256 for at in range(256)), descriptor=[256, 0, 8]),
    "a table of two": voi(data=[0, 65535]),
    "a table of eight": voi(data=[0, 36, 72, 108, 144, 180, 216, 252]),
    "numbers of frames": {"FrameNumbersOfInterest": [1, 16705, 300]},
}


@pytest.mark.parametrize("name", SPELLING)
def test_a_table_that_spells_or_is_not_what_it_states_is_held(name: str) -> None:
    outcome, _content = process(make_dataset(**SPELLING[name]))
    assert outcome.verdict is Verdict.HELD_BACK and Reason.TEXT_IN_BINARY in outcome.reasons
    found = arrival_file.examine(io.BytesIO(to_bytes(make_dataset(**{**CLEAN_HEADER, **SPELLING[name]}))))
    assert Reason.TEXT_IN_BINARY.value in {one.kind for one in found}


@pytest.mark.parametrize("name", FINE)
def test_tables_of_images_pass_as_they_are(name: str) -> None:
    dataset = make_dataset(PatientName="Quixano^Alonso", PatientBirthDate="19540312", **FINE[name])
    outcome, content = process(dataset)
    assert outcome.verdict is not Verdict.HELD_BACK, outcome.residue_paths
    found = read(content)
    for keyword in FINE[name]:
        assert found[keyword].value == read(to_bytes(dataset))[keyword].value
    assert arrival_file.examine(io.BytesIO(to_bytes(make_dataset(**{**CLEAN_HEADER, **FINE[name]})))) == []


def test_a_descriptor_whose_numbers_are_a_day_of_birth_stays_where_the_table_bears_it_out() -> None:
    dataset = make_dataset(PatientBirthDate="19540312", **voi(data=list(range(1954)), descriptor=[1954, 3, 12]))
    _outcome, content = process(dataset)
    assert list(read(content).VOILUTSequence[0].LUTDescriptor) == [1954, 3, 12]


@pytest.mark.parametrize("text", ["Lee", "Zofia N", "55F", "120354", "Zofia"])
@pytest.mark.parametrize("keyword", ["LUTExplanation", "ModalityLUTType"])
def test_an_explanation_of_a_table_keeps_no_name(text: str, keyword: str) -> None:
    dataset = make_dataset(**voi(data=list(range(256)), **{keyword: text}))
    clean(dataset)
    kept = dataset.VOILUTSequence[0].get(keyword)
    assert kept == ("55F" if (text, keyword) == ("55F", "ModalityLUTType") else "REMOVED")


def test_an_explanation_of_technique_stays() -> None:
    dataset = make_dataset(**voi(data=list(range(256)), LUTExplanation="SHARP BONE"))
    clean(dataset)
    assert dataset.VOILUTSequence[0].LUTExplanation == "SHARP BONE"
