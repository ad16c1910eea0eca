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

from pydicom._dicom_dict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from deid.domain import engine, files, screening
from deid.domain.descriptors import VOCABULARY
from deid.domain.identifiers import DEFINED_TERMS, PLACEHOLDERS, Identifiers, fold, squeeze, strings_of
from deid.domain.plan import Plan
from deid.domain.profile import BASIC_PROFILE_CODE, OPTION_CODES, Option, Profile, load_table
from deid.domain.pseudonyms import Subject
from deid.domain.screening import Reason, Severity
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
#: What the engine writes about its own work.
_STATEMENT: Final = frozenset(
    [
        "PatientIdentityRemoved",
        "DeidentificationMethod",
        "DeidentificationMethodCodeSequence",
        "LongitudinalTemporalInformationModified",
    ]
)
#: What the machine calls itself and its processing: names of makers and products are no vocabulary. A data set that has
#: only such words names a machine; PN separators, addresses and long numbers are findings there too.
_EQUIPMENT: Final = frozenset(("Manufacturer", "ManufacturerModelName", "SoftwareVersions", "ProcessingFunction"))
_NOT_A_PRODUCT: Final = re.compile(r"[@^]|\d{6,}")
#: Codes and meanings of CID 7050, with which others state theirs (PS3.3 C.7.1.1).
_METHODS: Final = frozenset(term for code in (BASIC_PROFILE_CODE, *OPTION_CODES.values()) for term in code)
_SUBJECT_IDS: Final = ("PatientID", "ClinicalTrialSubjectID", "ClinicalTrialSubjectReadingID")
_TRIAL_WORDS: Final = words(
    """
    arm baseline blinded cohort crf cycle day days enrolment enrollment eot follow followup group month months phantom
    phase progression protocol quality randomisation randomization randomized reader recist response screening session
    site step subject target time timepoint treatment trial unscheduled up visit visits week weeks year years body
    radiograph radiographs radiography tomography computed tomogram magnetic resonance fluoroscopy scintigraphy
    positron emission iodinated agent iomeron omnipaque ultravist imeron iopamiro isovue visipaque xenetix optiray
    iohexol iopamidol iopromide iomeprol iodixanol iobitridol ioversol gadovist gadavist dotarem clariscan prohance
    multihance primovist eovist gadobutrol gadoterate gadoteric gadoteridol gadobenate gadoxetate barium sulfate
    gastrografin saline meglumine postero antero posteroanterior anteroposterior latero cranio caudal craniocaudal
    mediolateral lateromedial projection projections
    """
)
_MEASURE: Final = re.compile(
    r"\d+(?:[.,]\d+)?(?:mm|cm|ms|msec|s|sec|t|hz|khz|kv|kvp|mas|kev|deg|°|%|ml|hu|x)?", re.IGNORECASE
)
_BREAKS: Final = re.compile(r"[\s_/+&,;:()\[\]*=|\\<>#\"'-]+")
_LONGEST_NUMBER: Final = 4
_LONGEST_CODE: Final = 8
_LONGEST_CODE_LETTERS: Final = 5
_LONGEST_CODE_DIGITS: Final = 3


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
    found = [Found(reason.value) for reason in _held(opened)]
    if str(opened.dataset.get("PatientIdentityRemoved", "")).strip().upper() != "YES":
        found.append(Found(UNDECLARED, ("PatientIdentityRemoved",)))
    return found + _in_header(opened.dataset)


def _held(opened: files.Source) -> list[Reason]:
    findings = screening.screen(opened.dataset, transfer_syntax=opened.transfer_syntax)
    findings += screening.screen_pixels(opened)
    return list(dict.fromkeys(one.reason for one in findings if one.severity is Severity.HOLD_BACK))


# -- the header --------------------------------------------------------------------------------------------------------


def _in_header(dataset: Dataset) -> list[Found]:
    own = _own_ids(dataset)
    before = {path: (element.tag, str(element.VR), _values(element)) for path, element in _elements(dataset)}
    name, number = _one(dataset, "PatientName"), _one(dataset, "PatientID")
    subject = Subject(
        patient_id=number if _is_code(number) else "",
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
    if not values or values == after or vr in ("UI", "SQ") or keyword in _STATEMENT:
        return None
    if path.startswith("DeidentificationMethodCodeSequence[") and _METHODS.issuperset(values):
        return None
    if Tag(tag).is_private:
        return PRIVATE if not Tag(tag).is_private_creator else None
    if keyword in _EQUIPMENT and not any(_NOT_A_PRODUCT.search(value) for value in values):
        return None
    if vr == "PN":
        return None if all(_is_placeholder(value) for value in values) else IDENTITY
    if keyword.startswith("ClinicalTrial") or keyword in _SUBJECT_IDS:
        # Of the trial and of the subject's pseudonym, as long as they read like codes.
        is_id = keyword.endswith("ID")
        sound = all(_is_code(value) if is_id else _is_plain(value, own=own) for value in values)
        return None if sound else IDENTITY
    if after is not None or _is_descriptor(tag):
        return None if all(_is_plain(value, own=own) for value in values) else TEXT
    return None if all(_is_placeholder(value) for value in values) else IDENTITY


def _is_descriptor(tag: int) -> bool:
    rule = _profile().rule_for(Tag(tag))
    return rule is not None and rule.option is Option.CLEAN_DESCRIPTORS


@lru_cache(maxsize=1)
def _profile() -> Profile:
    return Profile(table=load_table(), options=OPTIONS)


def _own_ids(dataset: Dataset) -> frozenset[str]:
    """The pseudonym's own codes, squeezed: text may repeat them."""
    keywords = (*_SUBJECT_IDS, "ClinicalTrialProtocolID", "ClinicalTrialSiteID", "ClinicalTrialTimePointID")
    return frozenset(squeeze(value) for keyword in keywords if _is_code(value := _one(dataset, keyword))) - {""}


def _is_pseudonym(name: str, *, own: frozenset[str]) -> bool:
    """Empty, a placeholder, or the code that the patient goes by."""
    return not name.strip() or squeeze(name) in own or _is_placeholder(name)


def _is_placeholder(value: str) -> bool:
    """Words that name nobody, counters and initials of one letter."""
    tokens = [token for token in _BREAKS.split(fold(value).replace("^", " ")) if token.strip(". ")]
    return all(
        token.strip(".") in PLACEHOLDERS
        or len(token.strip(".")) < 2
        or (token.isdigit() and len(token) <= _LONGEST_NUMBER)
        for token in tokens
    )


def _is_code(value: str) -> bool:
    """Reads like a code, not like a name: has a digit in its last part and no long word in small letters."""
    value = value.strip(" \0")
    if not value or _is_placeholder(value):
        return True
    if "^" in value or "@" in value or "," in value:
        return False
    return any(character.isdigit() for character in value) and not re.search(r"[^\W\d_]{3,}\s+[^\W\d_]{3,}", value)


def _is_plain(text: str, *, own: frozenset[str]) -> bool:
    """Only words of technique, anatomy and trials, measures, short numbers and short codes."""
    if "^" in text or "@" in text:
        return False
    if squeeze(text) in own:
        return True
    for identifier in own:
        if len(identifier) >= _LONGEST_NUMBER:
            text = re.sub("[^0-9A-Za-z]*".join(map(re.escape, identifier)), " ", text, flags=re.IGNORECASE)
    numbers = 0
    for raw in _BREAKS.split(text):
        token = raw.strip(".,!? \0")
        if not token or fold(token) in _vocabulary():
            continue
        if token.replace(".", "").isdigit():
            # Three numbers in a row make a date.
            numbers += 1
            if numbers > 2 or len(token.replace(".", "")) > _LONGEST_NUMBER:
                return False
        elif not (_MEASURE.fullmatch(token) or _is_short_code(token)):
            return False
    return True


def _is_short_code(token: str) -> bool:
    """A letter, two capitals, or letters with digits as kernels and coils have them ("B60f"); never a word."""
    if not token.isascii() or len(token) > _LONGEST_CODE:
        return False
    letters = sum(map(str.isalpha, token))
    if letters == len(token):
        return letters == 1 or (letters == 2 and token.isupper())
    return letters <= _LONGEST_CODE_LETTERS and len(token) - letters <= _LONGEST_CODE_DIGITS


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    """Descriptor words, and those of the names of all elements of PS3.6: no surname is among the terms of technique."""
    terms = {word for entry in DicomDictionary.values() for word in re.findall(r"[a-z]{3,}", fold(entry[2]))}
    return frozenset(VOCABULARY | DEFINED_TERMS | PLACEHOLDERS | _TRIAL_WORDS | terms)


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
