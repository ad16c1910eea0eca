"""Age and sex of a person as people write them into descriptions: "patient 61 y female", "CT abdomen 55F", "3-week-old"."""

from __future__ import annotations

import re
from typing import Final

from deid.domain import moments
from deid.domain.words import words

SEXES: Final = words(
    """
    female females male males woman women man men boy boys girl girls lady gentleman frau mann weiblich mannlich maennlich
    junge madchen maedchen homme femme garcon fille hombre mujer nino nina masculino femenino feminino uomo donna maschio
    femmina kobieta mezczyzna muz zena жен муж женщина мужчина
    """
)
#: Forms of address that are also terms (MR, MRS, ms, SR): as they are written before a name.
_TITLES: Final = words(
    "Mr Mrs Ms Miss Mister Mme Mmes Mlle Sr Sra Srta Sig Signor Signora Herr Hr Frau Fr M Dr Prof Madame Monsieur"
)
_MEANS_MORE: Final = words("mr mrs ms sr m")
_TO_WHOM: Final = words("for of by from patient pat name fur pour von")
_DOTTED: Final = re.compile(r"(?<![^\W_])(?:mrs?|ms|sra?|m|mme|mlle|sig)\.\s*(?=[^\W\d_]{2})", re.IGNORECASE)
_PATIENT: Final = words("patient patients pat pt person")
_YOUNG: Final = words("child kid infant newborn neonate baby toddler boy girl kind junge madchen maedchen enfant bebe")
_WORDS: Final = re.compile(r"[^\W\d_]+")
_TOKENS: Final = re.compile(r"[^\W_]+(?:[.,]\d+)*")
#: What makes a number beside a person's word a measure.
_UNITS: Final = words("mm cm m ms s sec t hz khz mhz kv kvp ma mas kev mev deg ml hu w d x st nd rd th channel ch")
_YOUNGEST, _OLDEST = 10, 120

_SPANS: Final = (
    r"(?:y|yo|yrs?|years?|mos?|mths?|months?|wks?|weeks?|days?|hours?|jahre?|monate?n?|wochen?|tage?n?|ans?|mois|semaines?|jours?"
    r"|anos?|meses|dias)"
)
#: "8 months old", "3-week-old", "7 y/o", "5yo".
_OLD: Final = re.compile(
    rf"(?<!\d)\d{{1,3}}[\s_-]*(?:(?:{_SPANS}|[dmwy])[\s_./-]{{0,2}}(?:olds?|o|alt)(?![^\W_])|yo(?![^\W_])|jahrig|jaehrig|wochig|woechig|monatig)"
)
_SPAN: Final = re.compile(rf"(?<![\d.])\d{{1,3}}[\s_-]*{_SPANS}(?![^\W_])")
#: With a word for a child a letter is enough, but 3D is no age.
_SHORT_SPAN: Final = re.compile(r"(?<![\d.])(?![234][\s_-]?d)\d{1,3}[\s_-]*[dmwy](?![^\W_])")
#: "F61", "61/F", "55 f", "M 47". Twelve months are M12, and eighteen F is an isotope.
_LETTER: Final = re.compile(
    r"(?<![^\W_])(?:(\d{2})[\s_]?[/,-]?[\s_]?([fm])|([fm])[\s_]?[/,-]?[\s_]?(\d{2}))(?![^\W_]|[.,]\d)"
)
_FLUORINE: Final = 18
_LAST_MONTH: Final = 60
#: "J.61"; kernels have a letter behind (J30s).
_YEARS: Final = re.compile(r"(?<![^\W_])j\.?[\s_]?\d{2}(?![^\W_]|[.,]\d)")


def tells(text: str) -> bool:
    """Whether a text says how old somebody is."""
    plain = moments.plain(text)
    if _OLD.search(plain) or _YEARS.search(plain):
        return True
    about = (SEXES | _PATIENT | _YOUNG).intersection(_WORDS.findall(plain))
    if not about:
        return False
    has_span = not about <= _PATIENT and _SPAN.search(plain) is not None
    is_young = bool(about & _YOUNG) and _SHORT_SPAN.search(plain) is not None
    return moments.tells_age(text) or has_span or is_young or _beside(_TOKENS.findall(plain))


def _beside(tokens: list[str]) -> bool:
    """Whether a number without a unit is next to a word for a person: "CT chest female 61", "boy 7"."""
    for position, token in enumerate(tokens):
        if not token.isdecimal() or token.startswith("0"):
            continue
        before, behind = tokens[position - 1] if position else "", (*tokens, "")[position + 1]
        if behind in _UNITS:
            continue
        least = 1 if {before, behind} & _YOUNG else _YOUNGEST
        if {before, behind} & (SEXES | _PATIENT | _YOUNG) and least <= int(token) <= _OLDEST:
            return True
    return False


def abbreviates(text: str) -> bool:
    """Whether a text says age and sex in short, "55F": in names of kernels and coils that is a code."""
    for match in _LETTER.finditer(moments.plain(text)):
        age, sex = int(match[1] or match[4]), match[2] or match[3]
        if sex == "f" and age != _FLUORINE:
            return True
        # Visits of a trial are counted in months, by threes.
        if sex == "m" and (age % 3 or age > _LAST_MONTH):
            return True
    return False


def describes(text: str) -> bool:
    """Whether a text describes a person: an age, with what makes it one, or a patient with a sex."""
    if tells(text) or abbreviates(text):
        return True
    named = set(_WORDS.findall(moments.plain(text)))
    return bool(named & SEXES) and (bool(named & _PATIENT) or moments.tells_age(text))


def names_a_sex(text: str) -> bool:
    return not SEXES.isdisjoint(_WORDS.findall(moments.plain(text)))


def is_title(text: str, *, token: str, before: str, behind: str = "") -> bool:
    """Whether a word of a text addresses somebody: "for Mrs", "Mr chest". MR and MRS in capitals are techniques.

    `before` and `behind` are the words beside it, folded; `behind` only if it is a word that nobody knows.
    """
    if token in _TITLES and len(token) > 1:
        return not before.isdecimal()
    folded = token.casefold()
    if folded not in _MEANS_MORE:
        return False
    is_dotted = any(match[0].rstrip(". ").casefold() == folded for match in _DOTTED.finditer(text))
    return is_dotted or before in _TO_WHOM or (folded == "mrs" and bool(behind))


def addresses(text: str) -> bool:
    """Whether a text holds a form of address."""
    found = _WORDS.findall(text)
    return any(
        is_title(text, token=token, before=moments.plain(found[position - 1]) if position else "")
        for position, token in enumerate(found)
    )
