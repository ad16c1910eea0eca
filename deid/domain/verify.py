"""The residue check: read what came out afresh and look for the patient in it.

It shares no code with the engine beyond the list of what to look for: every value of every element, every byte of the
header and the bytes of the pixel data. One hit and the instance is not stored.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from deid.domain import files, uids
from deid.domain.identifiers import BIRTH_DATE, DEFINED_TERMS, TEXT_VRS, Identifiers, strings_of
from deid.domain.profile import Option, Profile

_DATE_VRS: Final = frozenset(("DA", "DT"))
_NUMBER_VRS: Final = frozenset(("DS", "IS", "TM", "AS"))
_UID_LIKE: Final = re.compile(rb"[0-9]+(?:\.[0-9]+){4,}")
_NOT_ALNUM: Final = bytes(byte for byte in range(256) if not chr(byte).isascii() or not chr(byte).isalnum())
_META_ALLOWED: Final = frozenset((0x0000, 0x0001, 0x0002, 0x0003, 0x0010, 0x0012, 0x0013))
SHORTEST_IN_BYTES: Final = 6
SHORTEST_DIGITS_IN_BYTES: Final = 10


@dataclass(frozen=True, slots=True)
class Residue:
    """Where something was left, and of what kind; never the value."""

    path: str
    kind: str


def dates_of(dataset: Dataset) -> dict[str, frozenset[str]]:
    """Dates of a source by path, to see afterwards that none came through unmoved."""
    return {
        path: frozenset(text.strip(" \0") for text in strings_of(element) if len(text.strip(" \0")) >= 8)
        for path, element in _elements(dataset)
        if element.VR in _DATE_VRS
    }


def residues(
    target: BinaryIO, *, identifiers: Identifiers, profile: Profile, source_dates: dict[str, frozenset[str]]
) -> list[Residue]:
    """All that is left of the patient in a written file. Raises `files.Unreadable` when it cannot be read back."""
    if profile.has(Option.RETAIN_UIDS):
        identifiers = identifiers.without(("uid",))
    opened = files.open_source(target)
    target.seek(0)
    header = target.read(opened.header_end)
    found = list(_in_file(header=header, opened=opened))
    found += _in_elements(opened.dataset, identifiers=identifiers, profile=profile, source_dates=source_dates)
    found += _in_bytes(header, identifiers=identifiers)
    if opened.pixels is not None:
        found += _in_pixels(opened, identifiers=identifiers)
    return found


def _in_file(*, header: bytes, opened: files.Source) -> Iterator[Residue]:
    if any(header[:128]):
        yield Residue(path="preamble", kind="file")
    for element in opened.dataset.file_meta:
        if element.tag.element not in _META_ALLOWED:
            yield Residue(path=f"file meta {element.tag}", kind="file")
    if str(opened.dataset.get("PatientIdentityRemoved", "")) != "YES":
        yield Residue(path="PatientIdentityRemoved", kind="statement")


def _in_elements(
    dataset: Dataset, *, identifiers: Identifiers, profile: Profile, source_dates: dict[str, frozenset[str]]
) -> Iterator[Residue]:
    keeps_dates = profile.has(Option.RETAIN_FULL_DATES)
    keeps_private = profile.has(Option.RETAIN_SAFE_PRIVATE)
    for path, element in _elements(dataset):
        if element.tag.is_private and not keeps_private:
            yield Residue(path=path, kind="private")
        if element.tag.group >> 8 in (0x50, 0x60) and element.tag.group < 0x6100:
            yield Residue(path=path, kind="overlay or curve")
        if element.VR == "UI":
            for uid in strings_of(element):
                plain = uids.clean(uid)
                if plain in identifiers.uids:
                    yield Residue(path=path, kind="uid")
                elif not plain.startswith(uids.DERIVED_ROOT) and _component_hit(plain, identifiers=identifiers):
                    yield Residue(path=path, kind="number in a UID")
        elif element.VR in _DATE_VRS:
            dates = {text.strip(" \0") for text in strings_of(element)}
            if not keeps_dates and dates & source_dates.get(path, frozenset()):
                yield Residue(path=path, kind="date not moved")
        elif element.VR in TEXT_VRS:
            kind = identifiers.find_in_element(vr=str(element.VR), values=strings_of(element))
            if kind is not None:
                yield Residue(path=path, kind=kind)
        elif element.VR in _NUMBER_VRS:
            for text in strings_of(element):
                if any(run in text for run, kind in identifiers.runs.items() if len(run) >= 9 and kind != BIRTH_DATE):
                    yield Residue(path=path, kind="number")


def _component_hit(uid: str, *, identifiers: Identifiers) -> bool:
    components = set(uid.split("."))
    return any(run in components for run in identifiers.runs if len(run) >= SHORTEST_IN_BYTES)


def _in_bytes(header: bytes, *, identifiers: Identifiers) -> Iterator[Residue]:
    """Header bytes as they are, binary elements and padding included; case and separators put aside."""
    squeezed = header.translate(None, _NOT_ALNUM).lower()
    for needle, kind in _needles(identifiers):
        if needle in squeezed:
            yield Residue(path="header bytes", kind=kind)
    if identifiers.uids:
        for match in _UID_LIKE.findall(header):
            if match.decode("ascii") in identifiers.uids:
                yield Residue(path="header bytes", kind="uid")


def _needles(identifiers: Identifiers) -> list[tuple[bytes, str]]:
    found = []
    for run, kind in identifiers.runs.items():
        if not run.isascii() or kind == BIRTH_DATE or run in DEFINED_TERMS:
            # Other scripts and defined terms are found in the decoded text; eight digits stand in many a number by chance.
            continue
        if len(run) >= (SHORTEST_DIGITS_IN_BYTES if run.isdigit() else SHORTEST_IN_BYTES):
            found.append((run.encode("ascii"), kind))
    return found


def _in_pixels(opened: files.Source, *, identifiers: Identifiers) -> Iterator[Residue]:
    pixels = opened.pixels
    if pixels is None:
        return
    needles = [(needle, kind) for needle, kind in _needles(identifiers) if not needle.isdigit()]
    overlap = max((len(needle) for needle, _kind in needles), default=1) - 1
    tail = b""
    for chunk in files.read_range(opened.stream, start=pixels.value_start, end=pixels.end):
        window = (tail + chunk).lower()
        for needle, kind in needles:
            if needle in window:
                yield Residue(path="pixel data bytes", kind=kind)
                return
        tail = window[-overlap:] if overlap else b""


def _elements(dataset: Dataset, path: str = "") -> Iterator[tuple[str, DataElement]]:
    for element in dataset:
        name = path + (element.keyword or f"{int(element.tag):08X}")
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), start=1):
                yield from _elements(item, f"{name}[{number}].")
        else:
            yield name, element
