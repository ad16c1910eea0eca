"""Does a file that comes from outside tell who the patient is? Read only; nothing is changed or written.

A file is clean when de-identifying it would take nothing away: every element is held against the profile of PS3.15
with those options that a de-identified data set may use (UIDs, dates, device, patient characteristics, descriptors). What
the profile would remove, empty or replace, and what its descriptors say beyond the vocabulary of technique and anatomy, is
a finding. It must also state that identity was removed (PS3.15 E.1.1) and pass the screening of what pixels may show.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from deid.domain import arrival_words, codes, engine, files, screening, screening_pixels, texts
from deid.domain.edits import AGE, is_beyond_oldest
from deid.domain.findings import Reason, Severity
from deid.domain.identifiers import TEXT_VRS, Identifiers, fold, squeeze, strings_of
from deid.domain.plan import Plan
from deid.domain.profile import Option, Profile, load_table
from deid.domain.pseudonyms import Subject
from deid.domain.statement import METHOD_NAME
from deid.domain.uids import UidMapper
from deid.domain.words import words

#: What a de-identified data set may keep.
OPTIONS: Final = (
    Option.RETAIN_UIDS,
    Option.RETAIN_FULL_DATES,
    Option.RETAIN_DEVICE_IDENTITY,
    Option.RETAIN_PATIENT_CHARACTERISTICS,
    Option.RETAIN_SAFE_PRIVATE,
    Option.CLEAN_DESCRIPTORS,
)
#: What the engine and others write about their work (PS3.3 C.7.1.1, C.12.1).
_STATEMENT: Final = {
    "PatientIdentityRemoved": words("YES NO"),
    "LongitudinalTemporalInformationModified": words("UNMODIFIED MODIFIED REMOVED"),
}
_IS_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LONGEST_UID: Final = 64
#: What the machine calls itself and its processing: names of makers and products are no vocabulary, and a word that nobody
#: knows may be a surname.
_EQUIPMENT: Final = words("Manufacturer ManufacturerModelName SoftwareVersions ProcessingFunction")
_SUBJECT_IDS: Final = ("PatientID", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID")
#: Counters; the longest that machines write have eight figures (mammography), a telephone number has more.
_COUNTERS: Final = words("SeriesNumber AcquisitionNumber InstanceNumber")
_LONGEST_COUNTER: Final = 8
#: Pseudonyms as `deid.domain.pseudonyms` makes them; chance may write four letters in a row.
_OWN_PSEUDONYM: Final = re.compile(r"([A-Z][A-Z0-9]{0,7})-([0-9A-HJKMNP-TV-Z]{10})")


@dataclass(frozen=True, slots=True)
class Found:
    """What stands in the way, and where: paths of elements, never values."""

    kind: str
    paths: tuple[str, ...] = ()


IDENTITY: Final = "identity"
TEXT: Final = "text"
PRIVATE: Final = "private"
UNDECLARED: Final = "undeclared"
UNREADABLE: Final = "unreadable"
UNPROCESSED: Final = "unprocessed"


def examine(stream: BinaryIO) -> list[Found]:
    """All findings of a Part 10 file; an empty list: it may go into a de-identified archive."""
    try:
        opened = files.open_source(stream)
    except files.Unreadable:
        return [Found(UNREADABLE)]
    return judge(opened)


def judge(opened: files.Source) -> list[Found]:
    """The findings of what was opened; its data set is not to be used afterwards."""
    found = [Found(reason.value) for reason in _held(opened)]
    if str(opened.dataset.get("PatientIdentityRemoved", "")).strip().upper() != "YES":
        found.append(Found(UNDECLARED, ("PatientIdentityRemoved",)))
    return found + _in_header(opened.dataset)


def _held(opened: files.Source) -> list[Reason]:
    findings = screening.screen(opened.dataset, transfer_syntax=opened.transfer_syntax)
    findings += screening_pixels.screen(opened)
    return list(dict.fromkeys(one.reason for one in findings if one.severity is Severity.HOLD_BACK))


# -- the header --------------------------------------------------------------------------------------------------------


def _in_header(dataset: Dataset) -> list[Found]:
    own = _own_ids(dataset)
    before = {path: (element.tag, str(element.VR), _values(element)) for path, element in _elements(dataset)}
    name, number = _one(dataset, "PatientName"), _one(dataset, "PatientID")
    subject = Subject(
        patient_id=number if squeeze(number) in own else "",
        patient_name=name if _is_pseudonym(name, own=own) else "",
        shift_days=1,
    )
    plan = Plan(
        profile=Profile(table=load_table(), options=OPTIONS),
        subject=subject,
        uids=UidMapper(key=bytes(32)),
        identifiers=Identifiers(),
    )
    try:
        engine.deidentify(dataset, plan=plan)
    except (OSError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 -- a data set that cannot be walked cannot be called clean
        return [Found(UNPROCESSED)]
    after = {path: _values(element) for path, element in _elements(dataset)}
    hits: dict[str, list[str]] = {}
    for path, (tag, vr, values) in before.items():
        kind = _verdict(path=path, tag=int(tag), vr=vr, values=values, after=after.get(path), own=own)
        if kind is not None:
            hits.setdefault(kind, []).append(path)
    return [Found(kind, tuple(paths)) for kind, paths in hits.items()]


def _verdict(
    *, path: str, tag: int, vr: str, values: list[str], after: list[str] | None, own: frozenset[str]
) -> str | None:
    keyword = path.rsplit(".", 1)[-1]
    if vr == "AS":
        return IDENTITY if any(is_beyond_oldest(age) or not AGE.fullmatch(age.encode()) for age in values) else None
    if not values or vr == "SQ":
        return None
    if vr == "UI":
        sound = all(len(uid) <= _LONGEST_UID and _IS_UID.fullmatch(uid) for uid in values)
        return None if sound else IDENTITY
    if vr in TEXT_VRS and arrival_words.is_spelled(values if vr == "CS" else [" ".join(values)]):
        return IDENTITY
    if keyword in _STATEMENT:
        return None if _STATEMENT[keyword].issuperset(values) else IDENTITY
    if keyword == "CodingSchemeDesignator":
        return None if all(map(codes.is_scheme, values)) else IDENTITY
    if keyword == "DeidentificationMethod":
        return None if all(arrival_words.is_method(value, own=own) for value in values) else TEXT
    if Tag(tag).is_private_creator:
        return None if all(arrival_words.is_creator(value) for value in values) else PRIVATE
    if vr in TEXT_VRS and not _is_of_its_option(keyword, tag=tag, values=values, own=own):
        return IDENTITY
    if keyword in _COUNTERS and any(sum(map(str.isdigit, value)) > _LONGEST_COUNTER for value in values):
        return IDENTITY
    if values == after:
        return None
    if path.startswith("DeidentificationMethodCodeSequence[") and arrival_words.METHODS.issuperset(values):
        return None
    if Tag(tag).is_private:
        return PRIVATE
    if keyword in _EQUIPMENT and all(map(arrival_words.is_equipment, values)):
        return None
    if keyword in _SUBJECT_IDS:
        return (
            None if all(squeeze(value) in own or arrival_words.is_placeholder(value) for value in values) else IDENTITY
        )
    if keyword.startswith("ClinicalTrial"):
        # Of the trial, as long as they read like codes or say nothing but its words.
        is_id = keyword.endswith("ID")
        sound = all(
            squeeze(value) in own or (is_id and arrival_words.is_code(value)) or arrival_words.is_plain(value, own=own)
            for value in values
        )
        return None if sound else IDENTITY
    if vr in ("DA", "DT", "TM") or keyword == "TimezoneOffsetFromUTC":
        return IDENTITY
    if vr != "PN" and (after is not None or _is_descriptor(tag)):
        return None if all(arrival_words.is_plain(value, own=own) for value in values) else TEXT
    return None if all(arrival_words.is_placeholder(value) for value in values) else IDENTITY


def _is_of_its_option(keyword: str, *, tag: int, values: list[str], own: frozenset[str]) -> bool:
    """Whether what an option of the profile keeps as it is says what it should: of a machine, or of any patient."""
    if keyword in texts.CLOSED and _rule_option(tag) is not None:
        return all(texts.is_defined(keyword=keyword, value=value) for value in values)
    if _rule_option(tag) is Option.RETAIN_DEVICE_IDENTITY:
        return all(arrival_words.is_machine(value, own=own) for value in values)
    if _rule_option(tag) is Option.RETAIN_PATIENT_CHARACTERISTICS:
        return all(
            arrival_words.is_plain(value, own=own)
            or (arrival_words.GROUPS.issuperset(arrival_words.LETTERS.findall(fold(value))) and value.isascii())
            for value in values
        )
    return True


def _rule_option(tag: int) -> Option | None:
    rule = _profile().rule_for(Tag(tag))
    return rule.option if rule is not None else None


def _is_descriptor(tag: int) -> bool:
    rule = _profile().rule_for(Tag(tag))
    return rule is not None and rule.option is Option.CLEAN_DESCRIPTORS


@lru_cache(maxsize=1)
def _profile() -> Profile:
    return Profile(table=load_table(), options=OPTIONS)


def _own_ids(dataset: Dataset) -> frozenset[str]:
    """The codes of the trial and of the subject that are sound, squeezed: text may repeat them.

    Each is sound by itself: a word that the file uses twice is not better known for it.
    """
    codes = ("ClinicalTrialProtocolID", "ClinicalTrialSiteID", "ClinicalTrialTimePointID", *_SUBJECT_IDS)
    found = {code for keyword in codes if arrival_words.is_code(code := _one(dataset, keyword))}
    if _is_own_pseudonym(dataset):
        found.add(_one(dataset, "PatientID"))
    return frozenset(map(squeeze, found)) - {""}


def _is_own_pseudonym(dataset: Dataset) -> bool:
    """Whether the patient's name and number are one pseudonym of ours, in a data set that says who made it."""
    found = _OWN_PSEUDONYM.fullmatch(_one(dataset, "PatientID"))
    return (
        found is not None
        and _one(dataset, "PatientName") == f"{found[1]}^{found[2]}"
        and _one(dataset, "DeidentificationMethod").startswith(METHOD_NAME)
    )


def _is_pseudonym(name: str, *, own: frozenset[str]) -> bool:
    """Empty, a placeholder, or the code that the patient goes by."""
    return not name.strip() or squeeze(name) in own or arrival_words.is_placeholder(name)


def _one(dataset: Dataset, keyword: str) -> str:
    element = dataset.get(keyword)
    return "" if element is None else str(element).strip(" \0")


def _values(element: DataElement) -> list[str]:
    """What an element says: its values as text, the bytes of a binary one as they are."""
    if element.VR == "SQ":
        return []
    if isinstance(element.value, bytes):
        return [element.value.hex()] if element.value.strip(b"\0 ") else []
    return [text for value in strings_of(element) if (text := value.strip(" \0"))]


def _elements(dataset: Dataset, path: str = "") -> Iterator[tuple[str, DataElement]]:
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: BLE001 -- what cannot be read is removed by the engine, so it is a finding
            yield path + f"{int(tag):08X}", DataElement(tag, "OB", b"unreadable")
            continue
        name = path + (element.keyword or f"{int(element.tag):08X}")
        yield name, element
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), start=1):
                yield from _elements(item, f"{name}[{number}].")
