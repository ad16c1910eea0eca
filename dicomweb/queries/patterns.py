"""Matchers of DICOM in the words of PostgreSQL: LIKE, regular expressions, SQL/JSON paths."""

from __future__ import annotations

import json
import re

from dicomweb.domain.query import AnyOf, Key, Numbers, Range


def like(pattern: str) -> str:
    """DICOM wildcards as a LIKE pattern; what LIKE would take for wildcards is escaped."""
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    return escaped.replace("*", "%").replace("?", "_")


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
