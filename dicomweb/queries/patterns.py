"""Matchers of DICOM in the words of PostgreSQL: LIKE, regular expressions, SQL/JSON paths."""

from __future__ import annotations

import json
import re
import unicodedata

from archive.domain.text import fold
from dicomweb.domain.query import AnyOf, Key, Numbers, Range

# A trigram index holds threes of letters.
SHORTEST_INDEXED = 3


def like(pattern: str) -> str:
    """DICOM wildcards as a LIKE pattern; what LIKE would take for wildcards is escaped."""
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    return escaped.replace("*", "%").replace("?", "_")


def indexed_words(pattern: str) -> list[str]:
    """Words that the folded form of every name matched by the pattern holds, as far as a trigram index finds them.

    Of Latin letters only: they join with nothing but accents, which folding takes away. A syllable of Hangul or of a script
    of India may fold to another letter beside its neighbours, and what stands beside it here is the wildcard's.
    """
    words: list[str] = []
    for piece in re.split(r"[*?]", pattern):
        if all(character.isascii() or unicodedata.name(character, "").startswith("LATIN ") for character in piece):
            words += [word for word in fold(piece).split() if len(word) >= SHORTEST_INDEXED]
    return words


def latest_time(high: str) -> str:
    """The last moment that begins with a partial time: 10 → 105959.999999 (PS3.4 C.2.2.2.5)."""
    return high + "235959.999999"[len(high) :]


def json_path(key: Key) -> str:
    """A key as a condition on the JSON model of a level, through sequences (any item) to any value."""
    steps = "".join(f'."{tag}".Value[*]' for tag in key.path)
    # Component groups of a name are the values of an object.
    steps += ".*" if key.vr == "PN" else ""
    matcher = key.matcher
    if isinstance(matcher, AnyOf):
        test = " || ".join(f"@ == {json.dumps(value, ensure_ascii=False)}" for value in matcher.values)
    elif isinstance(matcher, Numbers):
        test = " || ".join(f"@ == {value!r}" for value in matcher.values)
    elif isinstance(matcher, Range):
        bounds = ['@ > ""']
        if matcher.low:
            bounds.append(f"@ >= {json.dumps(matcher.low)}")
        if matcher.high:
            high = matcher.high if key.vr == "DA" else matcher.high + "~"
            bounds.append(f"@ <= {json.dumps(high)}")
        test = " && ".join(bounds)
    else:
        flag = ' flag "i"' if key.vr == "PN" else ""
        test = " || ".join(
            f"@ like_regex {json.dumps(regex(pattern), ensure_ascii=False)}{flag}" for pattern in matcher.patterns
        )
    return f"${steps} ? ({test})"


def regex(pattern: str) -> str:
    """DICOM wildcards as a regular expression over the whole value; everything else stands for itself."""
    parts = {"*": ".*", "?": "."}
    return (
        "^"
        + "".join(parts.get(character) or re.sub(r"([\\.^$+()\[\]{}|-])", r"\\\1", character) for character in pattern)
        + "$"
    )
