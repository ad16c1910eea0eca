"""The residue check: read what came out afresh and look for the patient in it.

It looks at every value of every element, every byte of the header and the bytes of the pixel data. One hit and the instance
is not stored. It uses none of the engine's rules, edits and mappings, and asks nothing of what the engine decided. What both
use is how files are read, the identifiers and how they are found, the profile, and the tables of the standard: meanings of
codes, defined terms, attributes that name products, registered UIDs. A mistake in these is a mistake of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from deid.domain import codes, files, texts, uids
from deid.domain import numbers as figures
from deid.domain.identifiers import BIRTH_DATE, DEFINED_TERMS, TEXT_VRS, Identifiers, strings_of
from deid.domain.profile import Option, Profile

_DATE_VRS: Final = frozenset(("DA", "DT"))
_NUMBER_VRS: Final = frozenset(("DS", "IS", "TM", "AS"))
_NUMERIC_VRS: Final = frozenset(("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
_CODE_KEYWORDS: Final = frozenset(("CodeMeaning", "CodeValue", "CodingSchemeDesignator", "LongCodeValue"))
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
        for path, element, _holder in _elements(dataset)
        if element.VR in _DATE_VRS
    }


def residues(
    target: BinaryIO,
    *,
    identifiers: Identifiers,
    profile: Profile,
    source_dates: dict[str, frozenset[str]],
    own: Mapping[str, tuple[str, ...]] | None = None,
    scratch: str | None = None,
) -> list[Residue]:
    """All that is left of the patient in a written file. Raises `files.Unreadable` when it cannot be read back.

    `own` is what de-identification itself wrote, by path.
    """
    if profile.has(Option.RETAIN_UIDS):
        identifiers = identifiers.without(("uid",))
    opened = files.open_source(target, scratch=scratch)
    opened.stream.seek(0)
    header = opened.stream.read(opened.header_end)
    found = list(_in_file(header=header, opened=opened))
    seen = [files.IMPLEMENTATION_VERSION_NAME]
    found += _in_elements(
        opened.dataset,
        identifiers=identifiers,
        profile=profile,
        source_dates=source_dates,
        own=own or {},
        seen=seen,
    )
    found += _in_bytes(header, identifiers=identifiers, seen=seen)
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
    dataset: Dataset,
    *,
    identifiers: Identifiers,
    profile: Profile,
    source_dates: dict[str, frozenset[str]],
    own: Mapping[str, tuple[str, ...]],
    seen: list[str],
) -> Iterator[Residue]:
    """What elements hold. Text that is accounted for is added to `seen`."""
    keeps_dates = profile.has(Option.RETAIN_FULL_DATES)
    keeps_private = profile.has(Option.RETAIN_SAFE_PRIVATE)
    looked_at: dict[tuple[str, str, str], str | None] = {}
    numbers = [run for run, kind in identifiers.runs.items() if len(run) >= 9 and kind != BIRTH_DATE]
    for path, element, holder in _elements(dataset):
        if element.tag.is_private and not keeps_private:
            yield Residue(path=path, kind="private")
        if element.tag.group >> 8 in (0x50, 0x60) and element.tag.group < 0x6100:
            yield Residue(path=path, kind="overlay or curve")
        if element.VR == "UI":
            for uid in strings_of(element):
                plain = uids.clean(uid)
                if plain in identifiers.uids:
                    yield Residue(path=path, kind="uid")
                elif not _is_expected(plain) and _component_hit(plain, identifiers=identifiers):
                    yield Residue(path=path, kind="number in a UID")
        elif element.VR in _DATE_VRS:
            dates = {text.strip(" \0") for text in strings_of(element)}
            if not keeps_dates and dates & source_dates.get(path, frozenset()):
                yield Residue(path=path, kind="date not moved")
            if element.VR == "DT" and any(_in_time(text[8:], identifiers=identifiers) for text in dates):
                yield Residue(path=path, kind="number in a time")
        elif element.VR in TEXT_VRS:
            # Frames say the same over and over; in a code item and in what is ours the place counts too.
            key = element.keyword, str(element.VR), "\\".join(strings_of(element))
            if path in own or element.keyword in _CODE_KEYWORDS or key not in looked_at:
                kind = _in_text(element, path=path, holder=holder, identifiers=identifiers, own=own)
                if path not in own:
                    looked_at[key] = kind
            else:
                kind = looked_at[key]
            if kind is not None:
                yield Residue(path=path, kind=kind)
            else:
                seen += strings_of(element)
        elif element.VR in _NUMBER_VRS or element.VR in _NUMERIC_VRS:
            if figures.is_of_the_image(holder, keyword=element.keyword, path=path.rpartition(".")[0]):
                continue
            values = strings_of(element)
            if element.VR == "TM" and any(_in_time(text, identifiers=identifiers) for text in values):
                yield Residue(path=path, kind="number in a time")
            is_number = element.VR not in ("TM", "AS") and any(figures.hits(values, identifiers=identifiers))
            if is_number or any(number in text for text in values for number in numbers):
                yield Residue(path=path, kind="number")


def _is_expected(uid: str) -> bool:
    return uid.startswith(uids.DERIVED_ROOT) or uids.is_registered(uid)


def _in_text(
    element: DataElement, *, path: str, holder: Dataset, identifiers: Identifiers, own: Mapping[str, tuple[str, ...]]
) -> str | None:
    """The kind of what a text element holds, unless it stands there for another reason than the patient.

    A patient may be called Basic, Clean, Head or Philips. The place tells: what de-identification wrote itself, terms
    that the standard defines, the standard's meaning of a code, and the name of a maker.
    """
    values = strings_of(element)
    if own.get(path) == tuple(values):
        return None
    if element.keyword in _CODE_KEYWORDS and codes.is_standard_item(holder):
        return None
    if element.keyword in texts.PRODUCTS:
        identifiers = identifiers.of_persons()
    if element.VR == "CS":
        values = [value for value in values if not texts.is_defined(keyword=element.keyword, value=value)]
    return identifiers.find_in_element(vr=str(element.VR), values=values)


def _in_time(value: str, *, identifiers: Identifiers) -> bool:
    """Whether a time of day (with what follows it in a DT), or its fraction, is a number or a birth date of the patient."""
    whole, _dot, fraction = re.split("[+-]", value.strip(" \0"))[0].replace(":", "").partition(".")
    runs = (whole, fraction, fraction.rstrip("0"))
    return any(figures.is_known(run, identifiers=identifiers) for run in runs) or figures.is_known_in_parts(
        whole + fraction, identifiers=identifiers
    )


def _component_hit(uid: str, *, identifiers: Identifiers) -> bool:
    components = set(uid.split("."))
    return any(run in components for run in identifiers.runs if len(run) >= SHORTEST_IN_BYTES)


def _in_bytes(header: bytes, *, identifiers: Identifiers, seen: list[str]) -> Iterator[Residue]:
    """Header bytes as they are, binary elements and padding included; case and separators put aside.

    What stands in elements that were looked at is counted off, so that only what no element shows is left.
    """
    squeezed = _squeezed(header)
    # Divided by what no needle holds, so that none is found across two values.
    known = b"\n".join(_squeezed(text.encode("ascii", "replace")) for text in seen)
    for needle, kind in _needles(identifiers):
        count = squeezed.count(needle)
        if count > known.count(needle):
            yield Residue(path="header bytes", kind=kind)
    if identifiers.uids:
        for match in _UID_LIKE.findall(header):
            if match.decode("ascii") in identifiers.uids:
                yield Residue(path="header bytes", kind="uid")


def _squeezed(content: bytes) -> bytes:
    return content.translate(None, _NOT_ALNUM).lower()


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


def _elements(dataset: Dataset, path: str = "") -> Iterator[tuple[str, DataElement, Dataset]]:
    """(path, element, the data set or item it stands in), sequences left out."""
    for element in dataset:
        name = path + (element.keyword or f"{int(element.tag):08X}")
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), start=1):
                yield from _elements(item, f"{name}[{number}].")
        else:
            yield name, element, dataset
