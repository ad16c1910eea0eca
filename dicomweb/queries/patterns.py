"""Matchers of DICOM in the words of PostgreSQL: LIKE, regular expressions, SQL/JSON paths."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass

from archive.domain.text import fold
from dicomweb.domain.query import AnyOf, Key, Numbers, Range

#: How dates and times look, for ranges: what else an attribute of these holds is in no range.
WRITTEN = {"DA": "^[0-9]{8}$", "TM": r"^[0-9]{2}([0-9]{2}([0-9]{2}(\.[0-9]{1,6})?)?)?$"}
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


def shortened(moment: str, *, vr: str) -> list[str]:
    """The partial times (or date times) that a moment lies in: 2215 in 22 (PS3.5 6.2).

    A stored one is a span. Ranges are compared as text, where it sorts as its first moment: it begins before `low` and
    reaches into the range exactly when it is one of these.
    """
    whole, _point, fraction = re.split(r"[+-]", moment)[0].partition(".")
    found = [whole[:end] for end in range(4 if vr == "DT" else 2, len(whole) + 1, 2)]
    found += [f"{whole}.{fraction[:end]}" for end in range(1, len(fraction) + 1)]
    return [text for text in found if text != moment]


def json_path(key: Key) -> str:
    """A key as a condition on the JSON model of a level, through sequences (any item) to any value."""
    steps = "".join(f'."{tag}".Value[*]' for tag in key.path)
    # Component groups of a name are the values of an object.
    steps += ".*" if key.vr == "PN" else ""
    matcher = key.matcher
    if isinstance(matcher, AnyOf):
        values = [old for value in matcher.values for old in _as_written(value, vr=key.vr)]
        test = " || ".join(f"@ == {json.dumps(value, ensure_ascii=False)}" for value in values)
    elif isinstance(matcher, Numbers):
        test = " || ".join(f"@ == {value!r}" for value in matcher.values)
    elif isinstance(matcher, Range):
        test = " || ".join(_between(form) for form in _forms(matcher, vr=key.vr))
    else:
        flag = ' flag "i"' if key.vr == "PN" else ""
        test = " || ".join(
            f"@ like_regex {json.dumps(regex(pattern), ensure_ascii=False)}{flag}" for pattern in matcher.patterns
        )
    return f"${steps} ? ({test})"


def _as_written(value: str, *, vr: str) -> tuple[str, ...]:
    """A date as DICOM writes it and as ACR-NEMA did (PS3.5 6.2)."""
    return (value, _dotted(value)) if vr == "DA" else (value,)


def _dotted(date: str) -> str:
    return ".".join(part for part in (date[:4], date[4:6], date[6:]) if part)


def _coloned(time: str) -> str:
    whole, point, fraction = time.partition(".")
    return ":".join(whole[at : at + 2] for at in range(0, len(whole), 2)) + point + fraction


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to write a date or time: what such values look like, and the bounds in it; they sort as text."""

    looks: str
    low: str
    high: str
    # What looks like this begins before `low`, and yet reaches to it.
    reaching: str = ""


def _forms(matcher: Range, *, vr: str) -> list[_Form]:
    if vr == "DA":
        return [
            _Form(WRITTEN["DA"], matcher.low, matcher.high),
            _Form(r"^[0-9]{4}\.[0-9]{2}\.[0-9]{2}$", _dotted(matcher.low), _dotted(matcher.high)),
        ]
    high = matcher.high + "~" if matcher.high else ""
    if vr == "TM":
        return [
            _Form(WRITTEN["TM"], matcher.low, high, _reaching(matcher.low, vr=vr)),
            _Form(
                r"^[0-9]{2}:[0-9]{2}",
                _coloned(matcher.low),
                _coloned(matcher.high) + "~" if high else "",
                _reaching(matcher.low, vr=vr, is_coloned=True),
            ),
        ]
    return [_Form(r"^[0-9]{4}", matcher.low, high, _reaching(matcher.low, vr=vr))]


def _reaching(low: str, *, vr: str, is_coloned: bool = False) -> str:
    texts = [_coloned(text) if is_coloned else text for text in shortened(low, vr=vr)]
    # A stored date time may bring its offset from UTC.
    return f"^({'|'.join(map(re.escape, texts))})([+-][0-9]{{4}})?$" if texts else ""


def _between(form: _Form) -> str:
    bounds = [f"@ like_regex {json.dumps(form.looks)}"]
    if form.low:
        reaching = f" || @ like_regex {json.dumps(form.reaching)}" if form.reaching else ""
        bounds.append(f"(@ >= {json.dumps(form.low)}{reaching})")
    if form.high:
        bounds.append(f"@ <= {json.dumps(form.high)}")
    return f"({' && '.join(bounds)})"


def regex(pattern: str) -> str:
    """DICOM wildcards as a regular expression over the whole value; everything else stands for itself."""
    parts = {"*": ".*", "?": "."}
    return (
        "^"
        + "".join(parts.get(character) or re.sub(r"([\\.^$+()\[\]{}|-])", r"\\\1", character) for character in pattern)
        + "$"
    )
