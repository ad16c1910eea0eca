"""Code sequence items: the meaning beside a code is free text to many senders, and so is the scheme's name."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.sr import _concepts_dict, _snomed_dict

from deid.domain.identifiers import Identifiers
from deid.domain.words import words

# PS3.16 Table 8-1, the schemes met in images. Outside these nothing is known of what stands beside the code.
KNOWN_SCHEMES: Final = words(
    """
    ACR ATC BARI BI CD8 CVX C4 C5 DC DCM FMA GO HPC HGNC I10 I10P I9 I9C ICDO3 IBSI ISO3166_1 ISO639_1 ISO639_2
    ITIS_TSN LN MA MDC MDNS MGI mmHg NCIt NDC NEU PATHLEX POS PUBCHEM_CID RADELEMENT RADLEX RFC3066 RO RXNORM SCT
    SDM SNM3 SRT UBERON UCUM UMLS UNII
    """
)

_PRIVATE_SCHEME: Final = re.compile(r"99[A-Z0-9_]{1,14}")
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+%*/{}\[\]-]{0,31}")
# A run of digits or a caret in a meaning is a number or a name, not a term.
_NOT_A_TERM: Final = re.compile(r"\d{5,}|\^|@|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")

MEANING_REMOVED: Final = "Removed"
UNKNOWN_SCHEME: Final = "99REMOVED"


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


def clean_item(item: Dataset, *, identifiers: Identifiers) -> dict[str, str]:
    """New values, by keyword, for those parts of a code item that are not what they should be.

    A code of a known scheme keeps its code; its meaning stays when it is the standard's own or reads like a term. Of a
    private (99…) or unknown scheme the meaning is removed; its code and the scheme's name stay only if they have the
    form of one.
    """
    changes: dict[str, str] = {}
    scheme = _text(item, "CodingSchemeDesignator")
    code = _text(item, "CodeValue")
    meaning = _text(item, "CodeMeaning")
    if scheme and scheme not in KNOWN_SCHEMES and (not _PRIVATE_SCHEME.fullmatch(scheme) or identifiers.find(scheme)):
        changes["CodingSchemeDesignator"] = UNKNOWN_SCHEME
    if code and (not _CODE.fullmatch(code) or identifiers.find(code)):
        changes["CodeValue"] = MEANING_REMOVED.upper()
    if meaning:
        standard = standard_meaning(scheme=scheme, code=code)
        if standard is not None and standard.casefold() == meaning.casefold():
            return changes
        if standard is not None and (identifiers.find(meaning) or _NOT_A_TERM.search(meaning)):
            changes["CodeMeaning"] = standard[:64]
        elif standard is None and (
            scheme not in KNOWN_SCHEMES or identifiers.find(meaning) or _NOT_A_TERM.search(meaning)
        ):
            changes["CodeMeaning"] = MEANING_REMOVED
    for keyword in (
        "CodingSchemeVersion",
        "ContextIdentifier",
        "MappingResource",
        "MappingResourceName",
        "CodingSchemeName",
    ):
        text = _text(item, keyword)
        if (
            text
            and (identifiers.find(text) or _NOT_A_TERM.search(text.replace(".", "")))
            and not _VERSION.fullmatch(text)
        ):
            changes[keyword] = MEANING_REMOVED.upper()[:16]
    return changes


_VERSION: Final = re.compile(r"[0-9]{4}(?:[0-9]{4})?|[0-9]+(?:\.[0-9]+)*|[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _text(item: Dataset, keyword: str) -> str:
    try:
        value = item.get(keyword)
    except Exception:  # noqa: BLE001 -- a value that cannot be decoded is no known code
        return "\ufffd"
    return str(value).strip() if value is not None else ""
