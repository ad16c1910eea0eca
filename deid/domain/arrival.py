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

from pydicom._private_dict import private_dictionaries
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from deid.domain import engine, files, lexicon, moments, screening, texts
from deid.domain.edits import AGE, is_beyond_oldest
from deid.domain.identifiers import PLACEHOLDERS, TEXT_VRS, Identifiers, fold, squeeze, strings_of
from deid.domain.plan import Plan
from deid.domain.profile import BASIC_PROFILE_CODE, OPTION_CODES, Option, Profile, load_table
from deid.domain.pseudonyms import Subject
from deid.domain.screening import Reason, Severity
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
_OWN_METHOD: Final = re.compile(METHOD_NAME + r", PS3\.15 20\d\d[a-e] Basic Profile")
_METHOD_WORDS: Final = words(
    """
    per annex annexe appendix ps in anonymized anonymised anonymization anonymizer anonymisation deidentified deidentification
    deidentify deidentifier identified identification pseudonymized pseudonymised pseudonymization confidentiality
    basic profile options clean retain remove removed ctp rsna pacsweb dicom dcmtk script standard details table
    phantom never a person simulated synthetic human image no
    application level hipaa safe harbor harbour gdpr tags
    """
)
#: Who a patient says to be, of whom there are too many to name anybody.
_GROUPS: Final = words(
    """
    white black asian african american hispanic latino latina caucasian european native pacific islander japanese
    chinese korean indian arab mixed other unknown not stated declined smoker never former current
    """
)
_IS_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_LONGEST_UID: Final = 64
#: What the machine calls itself and its processing: names of makers and products are no vocabulary. One word that nobody
#: knows names a machine where it is written (True); two could be a person. Separators of PN, addresses, dates and long
#: numbers are findings there too.
_EQUIPMENT: Final = {
    "Manufacturer": True,
    "ManufacturerModelName": True,
    "SoftwareVersions": False,
    "ProcessingFunction": False,
}
_NOT_A_PRODUCT: Final = re.compile(r"[@^]|\d{6,}")
_NOT_A_NAME_OF_A_DEVICE: Final = re.compile(r"[@^,]")
_MOST_SHORT: Final = 3
_MOST_METHOD_DIGITS: Final = 14
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
    mediolateral lateromedial projection projections abd gen
    """
)
#: Terms that are also the names of the people they were named after.
_EPONYMS: Final = words(
    """
    parker rogers rogan logan shepp metz wiener gauss hann hamming hanning parzen fermi tukey butterworth landolt ant
    pos has save spouse
    """
)
#: Kernels, vertebrae and b values: "B60f", "L4", "b1500".
_SHORT_CODE: Final = re.compile(r"[A-Za-z]\d{1,2}[a-z]?|[A-Z]?\d{1,2}[A-Z]|b\d{1,2}00")
_SPACES: Final = re.compile(r"([\s_/+&,;:()\[\]]+)")
_BREAKS: Final = re.compile(r"[\s_/+&,;:()\[\]*=|\\<>#\"'-]+")
_LONGEST_NUMBER: Final = 4
#: More letters in a row may be a name, also in a code.
_LONGEST_LETTERS: Final = 3
#: What codes of subjects begin with.
_CODE_WORDS: Final = frozenset(word for word in PLACEHOLDERS if len(word) > _LONGEST_LETTERS) | words(
    """
    demo example pilot pseudonym scan site study subj teach teaching trial
    abdomen bone brain breast cardiac cardio chest colon head heart kidney knee liver lung lungs neuro onco pancreas
    pelvis prostate rectum spine thorax thyroid
    """
)
_LETTERS: Final = re.compile(r"[A-Za-z]+")
_DIGITS: Final = re.compile(r"\d+")
_FULL_YEAR: Final = re.compile(r"(?<!\d)(?:18[89]\d|19\d\d|20[0-4]\d)(?!\d)")
_PAIR_OF_WORDS: Final = re.compile(r"[A-Za-z]{2,}[\s_]+[A-Za-z]{2,}")
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
    findings += screening.screen_pixels(opened)
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
    if keyword in _STATEMENT:
        return None if _STATEMENT[keyword].issuperset(values) else IDENTITY
    if keyword == "DeidentificationMethod":
        return None if all(_is_method(value, own=own) for value in values) else TEXT
    if Tag(tag).is_private_creator:
        return None if all(_is_creator(value) for value in values) else PRIVATE
    if vr in TEXT_VRS and not _is_of_its_option(keyword, tag=tag, values=values, own=own):
        return IDENTITY
    if values == after:
        return None
    if path.startswith("DeidentificationMethodCodeSequence[") and _METHODS.issuperset(values):
        return None
    if Tag(tag).is_private:
        return PRIVATE
    if keyword in _EQUIPMENT and all(_is_equipment(value, has_own_name=_EQUIPMENT[keyword]) for value in values):
        return None
    if keyword in _SUBJECT_IDS:
        return None if all(squeeze(value) in own or _is_placeholder(value) for value in values) else IDENTITY
    if keyword.startswith("ClinicalTrial"):
        # Of the trial, as long as they read like codes or say nothing but its words.
        is_id = keyword.endswith("ID")
        sound = all(
            squeeze(value) in own or (is_id and _is_code(value)) or _is_plain(value, own=own) for value in values
        )
        return None if sound else IDENTITY
    if vr in ("DA", "DT"):
        return IDENTITY
    if vr != "PN" and (after is not None or _is_descriptor(tag)):
        return None if all(_is_plain(value, own=own) for value in values) else TEXT
    return None if all(_is_placeholder(value) for value in values) else IDENTITY


def _is_of_its_option(keyword: str, *, tag: int, values: list[str], own: frozenset[str]) -> bool:
    """Whether what an option of the profile keeps as it is says what it should: of a machine, or of any patient."""
    if keyword in texts.CLOSED and _rule_option(tag) is not None:
        return all(texts.is_defined(keyword=keyword, value=value) for value in values)
    if _rule_option(tag) is Option.RETAIN_DEVICE_IDENTITY:
        return all(_is_machine(value, own=own) for value in values)
    if _rule_option(tag) is Option.RETAIN_PATIENT_CHARACTERISTICS:
        return all(
            _is_plain(value, own=own) or (_GROUPS.issuperset(_LETTERS.findall(fold(value))) and value.isascii())
            for value in values
        )
    return True


def _is_machine(value: str, *, own: frozenset[str]) -> bool:
    """The name or number of a device: no word that nobody knows, no date."""
    if _is_plain(value, own=own) or _is_equipment(value, has_own_name=False):
        return True
    if not value.isascii() or _NOT_A_NAME_OF_A_DEVICE.search(value) or _tells_a_date(value):
        return False
    known = lexicon.product_words() | _vocabulary()
    others = [word for word in _LETTERS.findall(value) if fold(word) not in known]
    return all(len(word) <= _LONGEST_LETTERS for word in others) and _PAIR_OF_WORDS.search(value) is None


def _is_equipment(value: str, *, has_own_name: bool) -> bool:
    """Names of makers and products and their versions, with one of its own where that is usual."""
    if texts.is_kept(keyword="Manufacturer", vr="LO", value=value, identifiers=Identifiers()):
        return True
    if not value.isascii() or _NOT_A_PRODUCT.search(value) or moments.tells(value):
        return False
    known = lexicon.product_words() | _vocabulary()
    others = [word for word in _LETTERS.findall(value) if len(word) >= _LONGEST_LETTERS and fold(word) not in known]
    short = [word for word in _LETTERS.findall(value) if len(word) < _LONGEST_LETTERS]
    return len(others) <= (1 if has_own_name else 0) and len(short) <= _MOST_SHORT


def _is_creator(value: str) -> bool:
    return value in private_dictionaries or texts.is_kept(
        keyword="Manufacturer", vr="LO", value=value, identifiers=Identifiers()
    )


def _is_method(value: str, *, own: frozenset[str]) -> bool:
    """Says how identity was removed in words of the standard, and nothing else."""
    if _OWN_METHOD.fullmatch(value) or value in _METHODS or _is_plain(value, own=own):
        return True
    if not value.isascii() or "^" in value or "@" in value or sum(map(str.isdigit, value)) > _MOST_METHOD_DIGITS:
        return False
    known = _vocabulary() | _METHOD_WORDS
    return all(len(word) == 1 or fold(word) in known for word in _LETTERS.findall(value))


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
    """The codes of the trial and of the subject that are sound, squeezed: text may repeat them."""
    protocol, site = _one(dataset, "ClinicalTrialProtocolID"), _one(dataset, "ClinicalTrialSiteID")
    # A protocol is called what its makers like ("KEYNOTE-189"); its subjects' codes may begin with that.
    known = frozenset(fold(word) for code in (protocol, site) for word in _LETTERS.findall(code))
    found = {code for code in (protocol,) if _is_code(code, known=known)}
    found |= {code for code in (site, _one(dataset, "ClinicalTrialTimePointID")) if _is_code(code)}
    known = frozenset(fold(word) for code in found for word in _LETTERS.findall(code))
    numbers = {_one(dataset, keyword) for keyword in _SUBJECT_IDS}
    found |= {number for number in numbers if _is_code(number, known=known)}
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
    return not name.strip() or squeeze(name) in own or _is_placeholder(name)


def _is_placeholder(value: str) -> bool:
    """Words that name nobody, a counter and initials of one Latin letter: in other scripts one sign is a name."""
    tokens = [token for token in _BREAKS.split(fold(value).replace("^", " ")) if token.strip(". ")]
    if sum(len(token) for token in tokens if token.isdigit()) > _LONGEST_NUMBER:
        return False
    return all(
        (bare := token.strip(".")) in PLACEHOLDERS or (token.isascii() and len(bare) < 2) or token.isdigit()
        for token in tokens
    )


def _is_code(value: str, *, known: frozenset[str] = frozenset()) -> bool:
    """Reads like a code: has a digit, and no word, date, age or long number.

    `known` are words that it may hold, folded, beside those that codes of subjects begin with.
    """
    value = value.strip(" \0")
    if not value or _is_placeholder(value):
        return True
    if not value.isascii() or any(mark in value for mark in "^@,"):
        return False
    if not 1 <= sum(map(str.isdigit, value)) <= texts.MOST_DIGITS or _tells_a_date(value):
        return False
    allowed = _CODE_WORDS | known
    others = [word for word in _LETTERS.findall(value) if fold(word) not in allowed]
    if any(len(word) > _LONGEST_LETTERS for word in others):
        return False
    if any(len(word) == _LONGEST_LETTERS for word in others) and _FULL_YEAR.search(value):
        return False
    return _PAIR_OF_WORDS.search(value) is None


def _tells_a_date(code: str) -> bool:
    """Whether a code holds a date or an age, also a packed one (120361, 19610203) or the beginning of a longer number."""
    if moments.tells(code) or any(year > 9 for token in code.split() for year, _month, _day in moments.written(token)):
        return True
    runs = _DIGITS.findall(code)
    # Counters are filled up with zeros.
    starts = [run[:length] for run in runs for length in (6, 8) if len(run) >= length and not run.startswith("00")]
    if any(True for start in starts for _moment in moments.written(start)):
        return True
    # Four and four figures side by side: "1961-0203".
    joined = [match[1] + match[2] for match in re.finditer(r"(?<!\d)(?=(\d{4})[\s._/-]*[\s._/-](\d{4})(?!\d))", code)]
    return any(moments.tells(digits) for digits in joined)


def _is_plain(text: str, *, own: frozenset[str]) -> bool:
    """Only words of technique, anatomy and trials, measures, few numbers and short codes; no date and no age."""
    if squeeze(text) in own:
        return True
    if "^" in text or "@" in text or moments.tells(text):
        return False
    for identifier in sorted(own, key=len, reverse=True):
        if len(identifier) >= _LONGEST_NUMBER:
            text = re.sub("[^0-9A-Za-z]*".join(map(re.escape, identifier)), " ", text, flags=re.IGNORECASE)
    rest = "".join(part for part in _SPACES.split(text) if not _SHORT_CODE.fullmatch(part))
    return texts.is_technical(rest, has_codes=False, vocabulary=_vocabulary())


@lru_cache(maxsize=1)
def _vocabulary() -> frozenset[str]:
    """Words of technique, anatomy and trials, and those that stand for a name; no surname is among them."""
    placeholders = frozenset(word for word in PLACEHOLDERS if len(word) > _LONGEST_LETTERS)
    return (lexicon.technical_words() | placeholders | _TRIAL_WORDS) - _EPONYMS


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
