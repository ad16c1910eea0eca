"""Code sequence items: the meaning beside a code is free text to many senders, and so is the scheme's name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.sr import _concepts_dict, _snomed_dict

from deid.domain import lexicon, moments, texts, units
from deid.domain.identifiers import Identifiers
from deid.domain.uids import UidMapper
from deid.domain.words import words

# PS3.16 Table 8-1, the schemes met in images. Outside these nothing is known of what stands beside the code.
KNOWN_SCHEMES: Final = words(
    """
    ACR ATC BARI BI CD8 CVX C4 C5 DC DCM FMA GO HPC HGNC I10 I10P I9 I9C I11 ICDO3 IBSI ISO3166_1 ISO639_1 ISO639_2
    ITIS_TSN LN MA MDC MDNS MGI mmHg MSH NCIt NDC NEU PATHLEX POS PUBCHEM_CID RADELEMENT RADLEX RFC3066 RFC5646 RO
    RXNORM SCPECG SCT SDM SNM3 SRT UBERON UCUM UMLS UNII UNS
    """
)

# What a code of a scheme looks like; a value of another form is free text in the place of a code.
_FORMS: Final = {
    "ATC": re.compile(r"[A-Z]\d{2}[A-Z]{0,2}\d{0,2}"),
    "DCM": re.compile(r"1[0-3]\d{4}"),
    "FMA": re.compile(r"\d{2,6}"),
    "I10": re.compile(r"[A-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?"),
    "I10P": re.compile(r"[0-9A-Z]{7}"),
    "I9C": re.compile(r"[EV]?\d{2,3}(?:\.\d{1,2})?"),
    "ICDO3": re.compile(r"C?\d{2,4}(?:\.\d)?(?:/\d)?"),
    "ISO3166_1": re.compile(r"[A-Z]{2,3}|\d{3}"),
    "ISO639_1": re.compile(r"[a-z]{2}"),
    "ISO639_2": re.compile(r"[a-z]{3}"),
    "LN": re.compile(r"(?:LP|LA)?\d{1,5}-\d"),
    "NCIt": re.compile(r"C\d{3,6}"),
    "RADLEX": re.compile(r"RID\d{1,5}"),
    "RFC3066": re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?"),
    "RFC5646": re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?"),
    "RXNORM": re.compile(r"\d{1,7}"),
    "SCPECG": re.compile(r"\d{1,2}(?:\.\d{1,2}){1,3}(?:-\d{1,3}){0,2}"),
    "SNM3": re.compile(r"[A-Z]-[0-9A-Z]{3,6}"),
    "SRT": re.compile(r"[A-Z]\d?-[0-9A-Z]{3,6}"),
    "UMLS": re.compile(r"C\d{7}"),
}
#: Dummies for schemes that are not known (`UidMapper.new_scheme`). Figures and consonants take turns, so that one spells
#: neither a name nor a number.
_OWN_SCHEME: Final = re.compile(r"99LOCAL(?:[0-9][BCDFGHJKLMNPQRSTVWXZ]){3}")
# Of a scheme whose form is not known: some letters and figures. A word alone could be a name.
_CODE: Final = re.compile(r"[A-Za-z]{0,4}[-_.:]?[A-Z]{0,2}\d{1,6}(?:[-_.:/]\d{1,4}){0,2}[A-Za-z]?")
# A run of digits or a caret in a meaning is a number or a name, not a term.
_NOT_A_TERM: Final = re.compile(r"\d{5,}|\^|@|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")

_TERM: Final = re.compile(r"\w+|[^\w\s(),;-]")
MEANING_REMOVED: Final = "Removed"


@lru_cache(maxsize=1)
def _meanings() -> dict[tuple[str, str], str]:
    """(scheme, code) → the standard's meaning, of the context groups of PS3.16."""
    found: dict[tuple[str, str], str] = {}
    concepts: Any = _concepts_dict.concepts
    for scheme, keywords in concepts.items():
        for codes in keywords.values():
            for code, (meaning, _groups) in codes.items():
                found[scheme, str(code)] = str(meaning)
    return found


def standard_meaning(*, scheme: str, code: str) -> str | None:
    if scheme in ("SRT", "SNM3"):
        mapped = _snomed_dict.mapping["SRT"].get(code)
        return _meanings().get(("SCT", mapped)) if mapped else None
    return _meanings().get((scheme, code))


def is_scheme(designator: str) -> bool:
    """Whether a coding scheme is known: one of PS3.16 Table 8-1, of a maker, or a dummy of ours.

    That a designator has the form of a private one (99…, PS3.16 8.2) says nothing: 99SMITH and 99540312 have it too.
    """
    known = designator in KNOWN_SCHEMES or designator in lexicon.PRIVATE_SCHEMES
    return known or _OWN_SCHEME.fullmatch(designator) is not None


def clean_item(item: Dataset, *, identifiers: Identifiers, uids: UidMapper) -> dict[str, str]:
    """New values, by keyword, for those parts of a code item that are not what they should be.

    A scheme that is not known gets a dummy, the same one wherever `uids` meets it, so that codes stay apart.

    A code that the standard knows gets the standard's meaning. Of another code of a known scheme the meaning stays when
    it is made of the lexicon's words; of a private (99…) or unknown scheme it is removed. A code stays only in the form
    that its scheme gives to codes.
    """
    changes: dict[str, str] = {}
    scheme = _text(item, "CodingSchemeDesignator")
    if scheme and scheme not in KNOWN_SCHEMES and (not is_scheme(scheme) or identifiers.find(scheme)):
        changes["CodingSchemeDesignator"] = uids.new_scheme(scheme)
    code = ""
    is_kept = True
    for keyword in ("CodeValue", "LongCodeValue", "URNCodeValue"):
        value = _text(item, keyword)
        if not value:
            continue
        code = code or value
        if not is_code(value, scheme=scheme, identifiers=identifiers):
            is_kept = False
            changes[keyword] = URN_REMOVED if keyword == "URNCodeValue" else MEANING_REMOVED.upper()
    meaning = _text(item, "CodeMeaning")
    if meaning:
        said = meaning_of(scheme=scheme, code=code if is_kept else "", meaning=meaning, identifiers=identifiers)
        if said != meaning:
            changes["CodeMeaning"] = said
    for keyword in ("CodingSchemeVersion", "ContextIdentifier", "MappingResource", "MappingResourceName"):
        text = _text(item, keyword)
        if text and not _is_version(text, identifiers=identifiers):
            changes[keyword] = MEANING_REMOVED.upper()[:16]
    return changes


def is_code(value: str, *, scheme: str, identifiers: Identifiers) -> bool:
    """Whether a code is one that the standard lists, or has at least the form of its scheme and names nobody."""
    if standard_meaning(scheme=scheme, code=value) is not None:
        return True
    if identifiers.find(value) is not None:
        return False
    if scheme == "UCUM":
        return units.is_unit(value)
    if scheme == "SCT":
        return value.isascii() and value.isdigit() and 6 <= len(value) <= 18 and _has_check_digit(value)
    form = _FORMS.get(scheme)
    if form is not None:
        return form.fullmatch(value) is not None
    if re.search(r"\s", value) or moments.tells(value):
        return False
    return _CODE.fullmatch(value) is not None or texts.is_technical(value, has_codes=True)


def meaning_of(*, scheme: str, code: str, meaning: str, identifiers: Identifiers) -> str:
    """The meaning to write beside a code: the standard's own, else the sender's if it can only be a term."""
    standard = standard_meaning(scheme=scheme, code=code)
    if standard is not None:
        # "Head" for "Head structure (body structure)": what a sender shortens says nothing else, and units have names.
        is_short = meaning == code or _terms(meaning) <= _terms(standard)
        is_named = (
            scheme == "UCUM" and texts.is_technical(meaning, has_codes=False) and identifiers.find(meaning) is None
        )
        if is_short or is_named:
            return meaning
        # The character set of the object may lack what the standard's meaning is written in.
        return (standard if standard.isascii() else code)[:64]
    if scheme == "UCUM" and units.is_unit(code):
        is_named = meaning == code or (
            texts.is_technical(meaning, has_codes=False) and identifiers.find(meaning) is None
        )
        return meaning if is_named else code[:64]
    if (
        scheme in KNOWN_SCHEMES
        and texts.is_technical(meaning, has_codes=False)
        and identifiers.find(meaning) is None
        and not _NOT_A_TERM.search(meaning)
    ):
        return meaning
    return MEANING_REMOVED


def _terms(text: str) -> frozenset[str]:
    return frozenset(_TERM.findall(text.casefold()))


def is_standard_item(item: Dataset) -> bool:
    """Whether a code item says what the standard says, so that a patient's name in it is only the same word."""
    scheme, code = _text(item, "CodingSchemeDesignator"), _text(item, "CodeValue")
    standard = standard_meaning(scheme=scheme, code=code)
    return standard is not None and (
        _text(item, "CodeMeaning") == code or _terms(_text(item, "CodeMeaning")) <= _terms(standard)
    )


def _is_version(text: str, *, identifiers: Identifiers) -> bool:
    if identifiers.find(text) is not None:
        return False
    if moments.tells(text) and not _RELEASE.fullmatch(text):
        return False
    return _VERSION.fullmatch(text) is not None or texts.is_technical(text, has_codes=True)


# Verhoeff's check digit, the last one of every SNOMED CT identifier.
_D: Final = ("0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
             "5987604321", "6598710432", "7659821043", "8765932104", "9876543210")  # fmt: skip
_P: Final = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)


def _has_check_digit(digits: str) -> bool:
    check = 0
    for position, digit in enumerate(reversed(digits)):
        check = int(_D[check][int(_P[position % 8][int(digit)])])
    return check == 0


URN_REMOVED: Final = "urn:removed"
_VERSION: Final = re.compile(
    r"20[0-9]{2}(?:[01][0-9][0-3][0-9])?|[0-9]{1,4}(?:\.[0-9]{1,4}){0,3}|20[0-9]{2}-[0-9]{2}-[0-9]{2}"
)
# Terminologies are released on a day: 20240131, 2024-01-31.
_RELEASE: Final = re.compile(r"20[0-9]{2}(-?)[01][0-9]\1[0-3][0-9]")


def _text(item: Dataset, keyword: str) -> str:
    try:
        value = item.get(keyword)
    except Exception:  # noqa: BLE001 -- a value that cannot be decoded is no known code
        return "\ufffd"
    return str(value).strip() if value is not None else ""
