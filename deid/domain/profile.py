"""PS3.15 Annex E as data: Table E.1-1 with its options, and Table E.3.10-1 of safe private attributes.

The table gives an action for each attribute; a *profile* is the table with the chosen options. Where the table leaves a
choice (`X/Z/D` and the like) the attribute's type in the IOD decides, see `resolve`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from pydicom.datadict import dictionary_VR, keyword_for_tag

TABLE_FILE: Final = "ps315_table_e1_1_2026d.json"
SAFE_PRIVATE_FILE: Final = "ps315_table_e3_10_1_2020b.json"
TYPES_FILE: Final = "iod_attribute_types.json"
TERMS_FILE: Final = "ps33_terms.json"

SHA256: Final[Mapping[str, str]] = {
    TABLE_FILE: "ca704f4154f7a732d6ea66a0f8cceb5a5646e4c2f98dfea621c4c9b46d95be1a",
    SAFE_PRIVATE_FILE: "92d5b890dfd210efdb5e0171d7ea7b1a6439307b03d7e64a3435559242e767c0",
    TERMS_FILE: "f08de20367ec69f4dedfaa76425694d1d0585dc5b4e7be63344674ef1b1c9d02",
    TYPES_FILE: "ab63da704d9574cee12081d7309b72aa448fa69b79612bfa38340921f7bac992",
}

TEMPORAL_VRS: Final = frozenset({"DA", "DT", "TM"})


class Option(StrEnum):
    """The options of PS3.15 E.3, by the table's columns."""

    RETAIN_SAFE_PRIVATE = "retain_safe_private"
    RETAIN_UIDS = "retain_uids"
    RETAIN_DEVICE_IDENTITY = "retain_device_identity"
    RETAIN_INSTITUTION_IDENTITY = "retain_institution_identity"
    RETAIN_PATIENT_CHARACTERISTICS = "retain_patient_characteristics"
    RETAIN_FULL_DATES = "retain_longitudinal_full_dates"
    RETAIN_MODIFIED_DATES = "retain_longitudinal_modified_dates"
    CLEAN_DESCRIPTORS = "clean_descriptors"
    CLEAN_STRUCTURED_CONTENT = "clean_structured_content"
    CLEAN_GRAPHICS = "clean_graphics"


DEFAULT_OPTIONS: Final = frozenset({Option.RETAIN_MODIFIED_DATES})

# PS3.16 CID 7050 De-identification Method.
BASIC_PROFILE_CODE: Final = ("113100", "Basic Application Confidentiality Profile")
OPTION_CODES: Final[Mapping[Option, tuple[str, str]]] = {
    Option.CLEAN_GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.CLEAN_STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
    Option.CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.RETAIN_FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.RETAIN_MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.RETAIN_PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    Option.RETAIN_DEVICE_IDENTITY: ("113109", "Retain Device Identity Option"),
    Option.RETAIN_UIDS: ("113110", "Retain UIDs Option"),
    Option.RETAIN_SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.RETAIN_INSTITUTION_IDENTITY: ("113112", "Retain Institution Identity Option"),
}


class Action(StrEnum):
    """What is done to one element."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    KEEP = "K"
    CLEAN = "C"
    UID = "U"


class TableError(Exception):
    """A table file is missing, altered or not of the form expected."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of Table E.1-1. `mask` has a zero nibble where the tag is a wildcard (50xx, 60xx)."""

    tag: int
    mask: int
    tag_text: str
    keyword: str
    name: str
    vr: str
    basic: str
    options: Mapping[Option, Action]

    def matches(self, tag: int) -> bool:
        return tag & self.mask == self.tag


@dataclass(frozen=True, slots=True)
class SafePrivate:
    """One row of Table E.3.10-1: group and low byte of the element, creator and VR."""

    group: int
    element: int
    creator: str
    vrs: frozenset[str]


@dataclass(frozen=True, slots=True)
class Rule:
    """What the profile says of an attribute: the actions that are allowed and the option that decided, if one did."""

    actions: str
    row: Row
    option: Option | None = None


class Table:
    """Table E.1-1 of one edition."""

    def __init__(self, *, rows: Iterable[Row], edition: str, sha256: str) -> None:
        self.rows = tuple(rows)
        self.edition = edition
        self.sha256 = sha256
        self._exact: dict[int, Row] = {}
        self._groups: dict[tuple[int, int], Row] = {}
        self.private: Row | None = None
        for row in self.rows:
            if row.mask == 0xFFFFFFFF:
                self._exact[row.tag] = row
            elif row.tag_text.startswith("(gggg"):
                self.private = row
            else:
                self._groups[row.tag, row.mask] = row
        if self.private is None or len(self._exact) + len(self._groups) + 1 != len(self.rows):
            raise TableError("Table E.1-1 has rows that are not understood or stand twice.")

    def row_for(self, tag: int) -> Row | None:
        """The row of a tag, None when the table does not list it. An odd group is the private row."""
        exact = self._exact.get(tag)
        if exact is not None:
            return exact
        if tag >> 16 & 1:
            return self.private
        if tag >> 24 in (0x50, 0x60):
            for row in self._groups.values():
                if row.matches(tag):
                    return row
        return None

    def vr_of(self, tag: int) -> str | None:
        row = self._exact.get(tag)
        return row.vr if row is not None else None


class Profile:
    """The basic profile with chosen options."""

    def __init__(self, *, table: Table, options: Iterable[Option] = DEFAULT_OPTIONS) -> None:
        self.table = table
        self.options = frozenset(options)
        if {Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES} <= self.options:
            # PS3.15 E.3.6: the two are alternatives.
            raise ValueError("Dates are either kept in full or modified, not both.")

    def has(self, option: Option) -> bool:
        return option in self.options

    def rule_for(self, tag: int) -> Rule | None:
        """The rule of a tag; None when Table E.1-1 does not list it."""
        row = self.table.row_for(tag)
        if row is None:
            return None
        chosen = [(option, action) for option, action in row.options.items() if option in self.options]
        if row.vr in TEMPORAL_VRS:
            # A date of a device or a patient's history is still a date: where a longitudinal option is chosen it alone
            # decides, so that "keep the device" never brings an unshifted date back.
            temporal: list[tuple[Option, Action]] = [
                (option, action)
                for option, action in chosen
                if option in (Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES)
            ]
            chosen = temporal or chosen
        for wanted in (Action.KEEP, Action.CLEAN):
            for option, action in chosen:
                if action == wanted:
                    return Rule(actions=action.value, row=row, option=option)
        return Rule(actions=row.basic, row=row)

    @property
    def method_codes(self) -> tuple[tuple[str, str], ...]:
        """(code value, code meaning) of PS3.16 CID 7050 for what is applied, in the order of the codes."""
        return (BASIC_PROFILE_CODE, *sorted(OPTION_CODES[option] for option in self.options))


class AttributeTypes:
    """The type of an attribute in the IOD of a SOP class: of those the table gives a choice for, and of numbers of type 1."""

    def __init__(self, *, document: Mapping[str, Any]) -> None:
        self._index = {uid: number for number, uid in enumerate(document["sop_classes"])}
        self._types: dict[str, dict[int, str]] = {
            path: {number: kind for kind, numbers in kinds.items() for number in numbers}
            for path, kinds in document["types"].items()
        }

    def type_of(self, *, sop_class_uid: str, parent: str, keyword: str) -> str | None:
        """ "1", "2" or "3"; "3" for an attribute that is not part of the IOD; None when the SOP class is not known."""
        number = self._index.get(sop_class_uid)
        if number is None:
            return None
        return self._types.get(f"{parent}/{keyword}", {}).get(number, "3")


# Sequences of references to other instances. Their UIDs are replaced throughout, so keeping them (U) says nothing of
# the patient and keeps the graph of references whole.
REFERENCE_ACTION: Final = "X/Z/U*"


def resolve(*, actions: str, attribute_type: str | None) -> Action:
    """Choose one of the actions a cell of the table allows.

    PS3.15 E.3.1: X/Z/D means remove, unless Z or D is needed for the object to stay valid. The type in the IOD says so:
    type 1 needs a value (D), type 2 must be present (Z), type 3 need not be (X). Of the actions that keep the object
    valid, the first one in the table's order is taken; where the type is not known (a SOP class outside the table of
    IODs) the last one, which is valid for any type. References to instances are kept with new UIDs (U*).
    """
    if actions == REFERENCE_ACTION:
        return Action.UID
    allowed = [Action(letter) for letter in actions.replace("*", "").split("/")]
    if len(allowed) == 1:
        return allowed[0]
    if attribute_type is None or attribute_type == "1":
        return allowed[-1]
    if attribute_type == "2":
        return next(action for action in allowed if action is not Action.REMOVE)
    return allowed[0]


def _read(name: str) -> tuple[Any, str]:
    content = (files("deid") / "data" / name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[name]:
        raise TableError(f"{name} is not the file that was reviewed (SHA-256 {digest}).")
    return json.loads(content), digest


_TAG = re.compile(r"\(([0-9A-Fa-fx]{4}),([0-9A-Fa-fx]{4})\)")


def parse_tag(text: str) -> tuple[int, int]:
    """(value, mask) of a tag written "(0008,0050)" or "(60xx,3000)"."""
    match = _TAG.fullmatch(text)
    if match is None:
        raise TableError(f"{text!r} is not a tag.")
    digits = match[1] + match[2]
    return int(digits.replace("x", "0"), 16), int("".join("0" if digit == "x" else "F" for digit in digits), 16)


def _vr_of(*, tag: int, keyword: str, stated: str | None) -> str:
    """The VR of a row; rows newer than the data dictionary state none and are told by their name."""
    if stated:
        return stated
    if keyword_for_tag(tag):
        return dictionary_VR(tag)
    if keyword.endswith("DateTime"):
        return "DT"
    if keyword.endswith("Sequence"):
        return "SQ"
    if keyword.endswith(("URI", "Reference")):
        return "UR"
    return "UT" if keyword.endswith("Comment") else "LO"


@lru_cache(maxsize=1)
def load_table() -> Table:
    document, digest = _read(TABLE_FILE)
    rows = []
    for entry in document["rows"]:
        text = entry["tag"]
        options = {Option(name): Action(action) for name, action in entry["options"].items()}
        if text.startswith("(gggg"):
            tag, mask, vr = 0x00010000, 0x00010000, "UN"
        else:
            tag, mask = parse_tag(text)
            vr = _vr_of(tag=tag, keyword=entry["keyword"] or "", stated=entry["vr"])
        rows.append(
            Row(
                tag=tag,
                mask=mask,
                tag_text=text,
                keyword=entry["keyword"] or "",
                name=entry["name"],
                vr=vr,
                basic=entry["basic_profile"],
                options=options,
            )
        )
    if len(rows) != document["meta"]["rows"]:
        raise TableError("Table E.1-1 does not hold the number of rows it states.")
    return Table(rows=rows, edition=document["meta"]["edition"].split()[0], sha256=digest)


@lru_cache(maxsize=1)
def load_safe_private() -> Mapping[tuple[str, int, int], SafePrivate]:
    """Safe private attributes by (creator, group, low byte of the element)."""
    document, _digest = _read(SAFE_PRIVATE_FILE)
    found: dict[tuple[str, int, int], SafePrivate] = {}
    for entry in document["rows"]:
        tag, _mask = parse_tag(entry["tag"])
        row = SafePrivate(
            group=tag >> 16,
            element=tag & 0xFF,
            creator=entry["private_creator"].strip(),
            vrs=frozenset(re.findall(r"[A-Z]{2}", entry["vr"])),
        )
        found[row.creator, row.group, row.element] = row
    return found


@lru_cache(maxsize=1)
def load_attribute_types() -> AttributeTypes:
    document, _digest = _read(TYPES_FILE)
    return AttributeTypes(document=document)


@lru_cache(maxsize=1)
def load_terms() -> frozenset[str]:
    """Defined Terms and Enumerated Values of code strings, in capitals, whatever attribute they are defined for."""
    document, _digest = _read(TERMS_FILE)
    return frozenset(document["terms"])
