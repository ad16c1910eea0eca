"""A person's name in the forms it is written in: with and without umlauts, in Latin letters, declined, back to front."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

from deid.domain import romanised

# Letters that have no decomposition, and how typists replace them.
_PLAIN: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "æ": "ae", "œ": "oe", "ħ": "h", "ŋ": "n", "ĸ": "k"}
)
_SPELT: Final = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa", "æ": "ae", "œ": "oe", "ß": "ss"})
_MERGED: Final = (("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"))

# Spellings that stand for one sound in one table or another, the longest first.
_SOUNDS: Final = (
    ("schtsch", "s"), ("shch", "s"), ("stsch", "s"), ("szcz", "s"), ("tsch", "c"), ("dsch", "z"), ("sch", "s"),
    ("sh", "s"), ("sz", "s"), ("tch", "c"), ("cz", "c"), ("ch", "h"), ("kh", "h"), ("zh", "z"), ("rz", "z"), ("ts", "c"),
    ("tz", "c"), ("ph", "f"), ("th", "t"), ("gh", "g"), ("dj", "z"), ("dzh", "z"), ("ks", "x"), ("ou", "u"), ("oo", "u"),
    ("ee", "i"), ("yu", "u"), ("iu", "u"), ("ju", "u"), ("ya", "a"), ("ia", "a"), ("ja", "a"), ("yo", "e"), ("io", "e"),
    ("jo", "e"), ("ye", "e"), ("ie", "e"), ("je", "e"), ("yi", "i"), ("ii", "i"), ("iy", "i"), ("ij", "i"), ("y", "i"),
    ("j", "i"), ("w", "v"), ("q", "k"), ("x", "h"), ("b", "b"),
)  # fmt: skip
# "ch" is read as in church by one table and as in loch by another.
_AMBIGUOUS: Final = str.maketrans({"c": "h", "z": "s"})


def spellings(part: str) -> frozenset[str]:
    """A part of a name in lower-case Latin or its own letters, accents put aside, as typists write it."""
    lowered = unicodedata.normalize("NFC", part).casefold()
    spelt = _bare(lowered.translate(_SPELT))
    bare = _bare(lowered.translate(_PLAIN))
    merged = bare
    for two, one in _MERGED:
        merged = merged.replace(two, one)
    latin = {_bare(reading) for reading in romanised.readings(lowered)}
    return frozenset(form for form in {bare, spelt, merged, *latin} if form)


def _bare(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFC", "".join(c for c in decomposed if not unicodedata.combining(c))).casefold()


@lru_cache(maxsize=4096)
def sound(word: str) -> str:
    """A key that spellings of one name in Latin letters share, whichever table they were made by."""
    key = word
    for written, heard in _SOUNDS:
        key = key.replace(written, heard)
    key = key.translate(_AMBIGUOUS)
    return re.sub(r"(.)\1+", r"\1", key)


_ENDING: Final = re.compile(
    r"(?:skiego|skiej|skiemu|skich|ska|ski|cka|cki|ova|eva|ая|ий|ой|ая|[aeiouyаеиоуыэюяьй]{1,2}|us|os|is|as|es)$"
)
_KEPT: Final = {"ska": "sk", "ski": "sk", "cka": "ck", "cki": "ck", "ova": "ov", "eva": "ev"}
SHORTEST_STEM: Final = 4
LONGEST_ENDING: Final = 4


def stem(word: str) -> str:
    """What is left of a name when its ending may be another one: Kowalska, Kowalskiej → kowalsk."""
    match = _ENDING.search(word)
    if match is None:
        return word
    cut = word[: match.start()] + _KEPT.get(match[0], "")
    return cut if len(cut) >= SHORTEST_STEM else word
