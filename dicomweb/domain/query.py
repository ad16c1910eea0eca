"""QIDO-RS query parameters (PS3.18 8.3.4, 10.6.1) into matching keys with the semantics of PS3.4 C.2.2.2."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword

from dicomweb.domain.levels import NEVER_MATCHED, STUDY_DATE, STUDY_TIME

MAXIMUM_VALUES: Final = 1000
MAXIMUM_VALUE_LENGTH: Final = 1024
MAXIMUM_DEPTH: Final = 6
# What a binary64 holds (PS3.5 6.2), and what the whole numbers of DICOM do.
MAXIMUM_NUMBER: Final = (sys.float_info.max, 2**64 - 1)
ALL: Final = "all"

WILDCARD_VRS: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
RANGE_VRS: Final = frozenset({"DA", "TM", "DT"})
INTEGER_VRS: Final = frozenset({"IS", "US", "SS", "UL", "SL", "UV", "SV"})
DECIMAL_VRS: Final = frozenset({"DS", "FL", "FD"})
MATCHED_VRS: Final = WILDCARD_VRS | RANGE_VRS | INTEGER_VRS | DECIMAL_VRS | {"UI", "AS", "AT"}

_DATE = re.compile(r"\d{8}\Z")
_TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?\Z")
# PS3.5 table 6.2-1: offsets go from -1200 to +1400; “-2010” begins no offset but ends a range.
_OFFSET = r"(?:-(?:0\d|1[01])[0-5]\d|-1200|\+(?:0\d|1[0-3])[0-5]\d|\+1400)"
_DATE_TIME = rf"\d{{4}}(?:\d{{2}}){{0,5}}(?:\.\d{{1,6}})?{_OFFSET}?"
_UID = re.compile(r"[0-9.]{1,64}\Z")
_TAG = re.compile(r"[0-9A-Fa-f]{8}\Z")
_KEYWORD = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}\Z")


class QueryError(ValueError):
    """A query parameter that makes no sense; the text is a sentence for the client."""


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Single value or list of UIDs (or of code strings) matching."""

    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` any characters, `?` one (PS3.4 C.2.2.2.4). Several patterns: any of them."""

    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """From `low` to `high`, both included; an empty side is open. Times include everything that begins with `high`."""

    low: str
    high: str


Matcher = AnyOf | Numbers | Wildcard | Range


@dataclass(frozen=True, slots=True)
class Key:
    """One matching key: the path of tags through sequences, its VR and what it must match."""

    path: tuple[str, ...]
    vr: str
    matcher: Matcher

    @property
    def tag(self) -> str:
        return self.path[0]


@dataclass(frozen=True, slots=True)
class Query:
    keys: tuple[Key, ...]
    # Keys without a value: universal matching, that is, only asked to be returned.
    universal: frozenset[str]
    include: frozenset[str]
    include_all: bool
    limit: int | None
    offset: int
    fuzzy: bool

    @property
    def asked_for(self) -> frozenset[str]:
        """Tags of the top level that the client named, by key or by includefield."""
        return self.include | self.universal | frozenset(key.tag for key in self.keys)


def parse(parameters: Iterable[tuple[str, str]]) -> Query:
    """Read decoded query parameters in their order. Raises `QueryError`."""
    keys: dict[tuple[str, ...], Key] = {}
    universal: set[str] = set()
    include: set[str] = set()
    include_all = False
    limit: int | None = None
    offset = 0
    fuzzy = False
    for name, value in parameters:
        if "\x00" in value:
            raise QueryError("A NUL character can be in no value.")
        if name == "limit":
            limit = _whole_number(name, value)
        elif name == "offset":
            offset = _whole_number(name, value)
        elif name == "fuzzymatching":
            fuzzy = _switch(name, value)
        elif name == "includefield":
            for field in filter(None, (part.strip() for part in value.split(","))):
                if field.lower() == ALL:
                    include_all = True
                else:
                    include.add(parse_path(field)[0])
        elif name == "accept":
            continue
        else:
            path = parse_path(name)
            if path in keys or (len(path) == 1 and path[0] in universal):
                raise QueryError(f"The key {name} is given twice.")
            key = _key(name=name, path=path, value=value)
            if key is None:
                universal.add(path[0])
            else:
                keys[path] = key
    _require_forward(keys)
    return Query(
        keys=tuple(keys.values()),
        universal=frozenset(universal),
        include=frozenset(include),
        include_all=include_all,
        limit=limit,
        offset=offset,
        fuzzy=fuzzy,
    )


def latest_time(high: str) -> str:
    """The last moment that begins with a partial time: 10 → 105959.999999 (PS3.4 C.2.2.2.5)."""
    return high + "235959.999999"[len(high) :]


def _require_forward(keys: dict[tuple[str, ...], Key]) -> None:
    """A range of times ends after it begins, unless it is of moments: Study Time with Study Date from one day to another
    (combined matching, PS3.4 C.2.2.2.5.4). Raises `QueryError`."""
    days = keys.get((STUDY_DATE,))
    has_days = days is not None and isinstance(days.matcher, Range) and days.matcher.low != days.matcher.high
    for path, key in keys.items():
        if key.vr != "TM" or not isinstance(key.matcher, Range) or (path == (STUDY_TIME,) and has_days):
            continue
        low, high = key.matcher.low, key.matcher.high
        if low and high and low > latest_time(high):
            hint = "; across midnight, give a range of StudyDate with it." if path == (STUDY_TIME,) else "."
            raise QueryError(f"The range of {name_of(path[-1])} ends before it begins{hint}")


def parse_path(name: str) -> tuple[str, ...]:
    """`PatientID`, `00100020` or, through sequences, `RequestAttributesSequence.00400007` as tags. Raises `QueryError`."""
    steps = name.split(".")
    if len(steps) > MAXIMUM_DEPTH:
        raise QueryError("A key goes through at most five sequences.")
    path = tuple(_tag(step, name) for step in steps)
    for tag, step in zip(path[:-1], steps, strict=False):
        if vr_of(tag) != "SQ":
            raise QueryError(f"{step[:80]} is not a sequence, so no attribute lies in it.")
    return path


def _tag(step: str, name: str) -> str:
    if _TAG.match(step):
        return step.upper()
    number = tag_for_keyword(step) if _KEYWORD.match(step) else None
    if number is None:
        raise QueryError(f"“{name[:80]}” is neither an attribute of DICOM nor a parameter of this service.")
    return f"{number:08X}"


def vr_of(tag: str) -> str:
    """The VR of the dictionary, the first where it names several; empty for unknown and private attributes."""
    try:
        return dictionary_VR(int(tag, 16)).split(" or ")[0]
    except KeyError:
        return ""


def name_of(tag: str) -> str:
    return keyword_for_tag(int(tag, 16)) or tag


def _whole_number(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", value):
        raise QueryError(f"{name} must be a whole number, not negative.")
    return int(value)


def _switch(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise QueryError(f"{name} must be true or false.")
    return value.lower() == "true"


def _key(*, name: str, path: tuple[str, ...], value: str) -> Key | None:
    if len(value) > MAXIMUM_VALUE_LENGTH and vr_of(path[-1]) != "UI":
        raise QueryError(f"The value of {name} is too long.")
    if path[-1] in NEVER_MATCHED or not value.strip():
        return None
    vr = vr_of(path[-1])
    if not vr:
        raise QueryError(f"{name} is a private or unknown attribute, which cannot be searched.")
    if vr == "SQ":
        raise QueryError(f"{name} is a sequence; name the attribute in it, as in {name}.CodeValue.")
    if vr not in MATCHED_VRS:
        raise QueryError(f"{name} has the value representation {vr}, which cannot be searched.")
    matcher = _matcher(name=name, tag=path[-1], vr=vr, value=value)
    return None if matcher is None else Key(path=path, vr=vr, matcher=matcher)


def _matcher(*, name: str, tag: str, vr: str, value: str) -> Matcher | None:
    if vr == "UI":
        values = _values(re.split(r"[\\,]", value), name)
        for uid in values:
            if not _UID.match(uid):
                raise QueryError(f"{name} must be a UID or a list of UIDs.")
        return AnyOf(values)
    if vr in RANGE_VRS:
        return _range(name=name, vr=vr, value=value.strip())
    if vr in INTEGER_VRS or vr in DECIMAL_VRS:
        return Numbers(tuple(_number(name, vr, part) for part in _values(value.split("\\"), name)))
    # Code strings hold neither commas nor backslashes: several mean any of them (undefined in the standard, common).
    parts = re.split(r"[\\,]", value) if vr == "CS" else [value]
    values = _values(parts, name)
    if vr == "AT":
        return AnyOf(tuple(part.upper() for part in values))
    if vr in WILDCARD_VRS and (vr == "PN" or any(c in part for part in values for c in "*?")):
        if all(part.strip("*") == "" for part in values):
            return None  # PS3.4 C.2.2.2.4: a lone * is universal matching
        return Wildcard(values)
    return AnyOf(values)


def _values(parts: Iterable[str], name: str) -> tuple[str, ...]:
    # Leading and trailing spaces are padding, not value (PS3.5 6.2).
    values = tuple(dict.fromkeys(part.strip(" ") for part in parts if part.strip(" ")))
    if not values:
        raise QueryError(f"{name} has no value.")
    if len(values) > MAXIMUM_VALUES:
        raise QueryError(f"{name} lists more than {MAXIMUM_VALUES} values.")
    return values


def _number(name: str, vr: str, text: str) -> float:
    pattern = r"[+-]?\d{1,20}" if vr in INTEGER_VRS else r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?"
    if not re.fullmatch(pattern, text):
        raise QueryError(f"{name} must be a number.")
    number = int(text) if vr in INTEGER_VRS else float(text)
    if not abs(number) <= MAXIMUM_NUMBER[vr in INTEGER_VRS]:
        raise QueryError(f"{name} is a number beyond what {vr} can hold.")
    return number


def _range(*, name: str, vr: str, value: str) -> Matcher:
    if vr == "DT":
        return _date_time(name, value)
    # ACR-NEMA wrote 2026.01.31 and 10:20:30; both are still seen.
    text = value.replace(".", "") if vr == "DA" else value.replace(":", "")
    low, dash, high = text.partition("-")
    low, high = low.strip(), high.strip()
    pattern = _DATE if vr == "DA" else _TIME
    for side in (low, high):
        if side and not pattern.match(side):
            raise QueryError(
                f"{name} must be {'a date YYYYMMDD' if vr == 'DA' else 'a time HHMMSS'} or a range of them."
            )
    if not dash:
        return AnyOf((low,)) if vr == "DA" else Range(low, low)
    if not low and not high:
        raise QueryError(f"{name} is a range without a beginning and an end.")
    # Of times, `_require_forward` says so: with a range of dates they are moments.
    if vr == "DA" and low and high and low > high:
        raise QueryError(f"The range of {name} ends before it begins.")
    return Range(low, high)


def _date_time(name: str, value: str) -> Matcher:
    # "-" also begins an offset from UTC; where both readings are possible the offset wins (PS3.4 C.2.2.2.5.1).
    if re.fullmatch(_DATE_TIME, value):
        return Range(value, value)
    found = re.fullmatch(f"({_DATE_TIME})?-({_DATE_TIME})?", value)
    if not found or not any(found.groups()):
        raise QueryError(f"{name} must be a date and time YYYYMMDDHHMMSS or a range of them.")
    low, high = found[1] or "", found[2] or ""
    # Offsets from UTC are compared by nobody here; without them the text says which comes first.
    if low.partition(".")[0].isdecimal() and high.partition(".")[0].isdecimal() and low > high + "~":
        raise QueryError(f"The range of {name} ends before it begins.")
    return Range(low, high)
