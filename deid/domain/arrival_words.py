"""What a value says by its words, for the check on arrival: technique, a code, a placeholder, equipment, or a person."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from pydicom._private_dict import private_dictionaries

from deid.domain import lexicon, moments, persons, texts
from deid.domain.identifiers import PLACEHOLDERS, Identifiers, fold, squeeze
from deid.domain.profile import BASIC_PROFILE_CODE, OPTION_CODES
from deid.domain.statement import METHOD_NAME
from deid.domain.words import words

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
GROUPS: Final = words(
    """
    white black asian african american hispanic latino latina caucasian european native pacific islander japanese
    chinese korean indian arab mixed other unknown not stated declined smoker never former current
    """
)
#: What the name of a company ends with, and no person's.
_COMPANIES: Final = words(
    """
    inc incorporated corp corporation co company gmbh ag kg kgaa ltd limited llc plc sa sas spa srl ab oy bv nv kk pty
    technologies healthineers healthcare
    """
)
_NOT_A_PRODUCT: Final = re.compile(r"[@^]|\d{6,}")
_NOT_A_NAME_OF_A_DEVICE: Final = re.compile(r"[@^,]")
_MOST_SHORT: Final = 3
#: Of a version: v1.2.3, 3.6.8, 2.1b; of an edition of the standard: 2026d.
_METHOD_VERSION: Final = re.compile(r"[vVrR]?\d{1,3}(?:\.\d{1,3}){0,3}[a-z]?")
_EDITION: Final = re.compile(r"20[0-4]\d[a-e]?")
_MOST_VERSION_DIGITS: Final = 5
#: PS3.15 and its places ("E.1-1"), the paragraph of HIPAA, and the attributes that say more (0012,0064).
_METHOD_REFERENCES: Final = re.compile(
    r"\bPS ?3\.15\b|\b(?:Table |Annex |Section )?E\.\d(?:\.\d)?(?:-\d)?(?:\.\d)?\b"
    r"|\b(?:45 CFR )?164\.514(?:\(b\)(?:\([12]\))?)?|\b0012,006[2-4]\b"
)
_METHOD_BREAKS: Final = re.compile(r"[\s,;:/()\[\]=+_-]+")
#: Four letters, each alone: a name that is spelled.
_SPELLED: Final = re.compile(r"(?<![^\W_])[^\W\d_](?:[\s._,;:/|*=+^-]+[^\W\d_](?![^\W_])){3,}")
#: Codes and meanings of CID 7050, with which others state theirs (PS3.3 C.7.1.1).
METHODS: Final = frozenset(term for code in (BASIC_PROFILE_CODE, *OPTION_CODES.values()) for term in code)
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
    keynote checkmate impower javelin empower monaleesa ascent cheetah flaura tailorx
    nlst lidc idri nsclc tcga cptac acrin ecog rtog eortc swog calgb alliance ispy upenn brats adni oasis abide
    camelyon midrc covid framingham copdgene spiromics hcc lgg gbm brca luad lusc kirc coad ovarian
    """
)
#: Beside the words for nobody, the sign for it.
_NOBODY: Final = PLACEHOLDERS | {"x"}
LETTERS: Final = re.compile(r"[A-Za-z]+")
_DIGITS: Final = re.compile(r"\d+")
_FULL_YEAR: Final = re.compile(r"(?<!\d)(?:18[89]\d|19\d\d|20[0-4]\d)(?!\d)")
_PAIR_OF_WORDS: Final = re.compile(r"[A-Za-z]{2,}[\s_]+[A-Za-z]{2,}")


def is_machine(value: str, *, own: frozenset[str]) -> bool:
    """The name or number of a device: no word that nobody knows, no date."""
    if is_plain(value, own=own) or is_equipment(value):
        return True
    if not value.isascii() or _NOT_A_NAME_OF_A_DEVICE.search(value) or tells_a_date(value):
        return False
    known = lexicon.product_words() | vocabulary()
    others = [word for word in LETTERS.findall(value) if fold(word) not in known]
    return all(len(word) <= _LONGEST_LETTERS for word in others) and _PAIR_OF_WORDS.search(value) is None


def is_equipment(value: str) -> bool:
    """Names of makers and products and their versions. A name of its own passes only where it is a company's: "Zybio Inc."."""
    if texts.is_kept(keyword="Manufacturer", vr="LO", value=value, identifiers=Identifiers()):
        return True
    if not value.isascii() or _NOT_A_PRODUCT.search(value) or moments.tells(value):
        return False
    known = lexicon.product_words() | vocabulary()
    folded = [fold(word) for word in LETTERS.findall(value)]
    others = [word for word in folded if len(word) >= _LONGEST_LETTERS and word not in known]
    short = [word for word in folded if len(word) < _LONGEST_LETTERS]
    is_company = len(folded) > 1 and folded[-1] in _COMPANIES
    return len(others) <= (1 if is_company else 0) and len(short) <= _MOST_SHORT


def is_creator(value: str) -> bool:
    return value in private_dictionaries or texts.is_kept(
        keyword="Manufacturer", vr="LO", value=value, identifiers=Identifiers()
    )


def is_method(value: str, *, own: frozenset[str]) -> bool:
    """Says how identity was removed in words of the standard, and nothing else."""
    if _OWN_METHOD.fullmatch(value) or value in METHODS or squeeze(value) in own:
        return True
    if not value.isascii() or "^" in value or "@" in value or not _has_versions_only(value):
        return False
    if is_plain(value, own=own):
        return True
    known = vocabulary() | _METHOD_WORDS
    return all(len(word) == 1 or fold(word) in known for word in LETTERS.findall(value))


def _has_versions_only(method: str) -> bool:
    """Whether the figures in a method are versions, editions and codes of the standard: any others could be a number or date."""
    digits = 0
    for token in _METHOD_BREAKS.split(_METHOD_REFERENCES.sub(" ", method)):
        token = token.strip(".")
        if not any(map(str.isdigit, token)) or _EDITION.fullmatch(token) or token in METHODS:
            continue
        if not _METHOD_VERSION.fullmatch(token) or tells_a_date(token):
            return False
        digits += sum(map(str.isdigit, token))
    return digits <= _MOST_VERSION_DIGITS


def is_spelled(values: list[str]) -> bool:
    """Whether one of the values spells a word, letter by letter."""
    return any(_SPELLED.search(value) is not None for value in values)


def is_placeholder(value: str) -> bool:
    """Words that name nobody, and a counter. Initials are those of somebody."""
    tokens = [token for token in _BREAKS.split(fold(value).replace("^", " ")) if token.strip(". ")]
    if sum(len(token) for token in tokens if token.isdigit()) > _LONGEST_NUMBER:
        return False
    return all(token.strip(".") in _NOBODY or _is_counter(token) for token in tokens)


def _is_counter(token: str) -> bool:
    """A number of up to three figures, or filled up with zeros: four are a year or the number of a small hospital."""
    return token.isdecimal() and token.isascii() and (len(token) < _LONGEST_NUMBER or token.startswith("0"))


def is_code(value: str) -> bool:
    """Reads like a code: has a digit, and no word, date, age or long number."""
    value = value.strip(" \0")
    if not value or is_placeholder(value):
        return True
    if not value.isascii() or any(mark in value for mark in "^@,"):
        return False
    if not 1 <= sum(map(str.isdigit, value)) <= texts.MOST_DIGITS or tells_a_date(value):
        return False
    others = [word for word in LETTERS.findall(value) if fold(word) not in _CODE_WORDS]
    if any(len(word) > _LONGEST_LETTERS for word in others):
        return False
    if any(len(word) == _LONGEST_LETTERS for word in others) and _FULL_YEAR.search(value):
        return False
    return _PAIR_OF_WORDS.search(value) is None


def tells_a_date(code: str) -> bool:
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


def is_plain(text: str, *, own: frozenset[str]) -> bool:
    """Only words of technique, anatomy and trials, measures, few numbers and short codes; no date and no age."""
    if squeeze(text) in own:
        return True
    if "^" in text or "@" in text or moments.tells(text) or persons.tells(text) or persons.abbreviates(text):
        return False
    for identifier in sorted(own, key=len, reverse=True):
        if len(identifier) >= _LONGEST_NUMBER:
            text = re.sub("[^0-9A-Za-z]*".join(map(re.escape, identifier)), " ", text, flags=re.IGNORECASE)
    rest = "".join(part for part in _SPACES.split(text) if not _SHORT_CODE.fullmatch(part))
    return texts.is_technical(rest, has_codes=False, vocabulary=vocabulary())


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """Words of technique, anatomy and trials, and those that stand for a name; no surname is among them."""
    placeholders = frozenset(word for word in PLACEHOLDERS if len(word) > _LONGEST_LETTERS)
    return (lexicon.technical_words() | placeholders | _TRIAL_WORDS) - _EPONYMS
