"""De-identify one data set in place, by the profile, through all nested sequences.

Fails closed: what is not in the data dictionary, is private, has no known VR or cannot be read is removed. Pixel data
is neither read nor changed here (see `deid.domain.files`); what may show a patient in pixels is held back before
(`deid.domain.screening`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.charset import default_encoding
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, repeater_has_tag
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from deid.domain import codes, dates, descriptors, dummies, uids
from deid.domain.changes import Record
from deid.domain.identifiers import TEXT_VRS, Identifiers, strings_of
from deid.domain.profile import (
    REFERENCE_ACTION,
    Action,
    AttributeTypes,
    Option,
    Profile,
    Rule,
    load_attribute_types,
    load_safe_private,
    resolve,
)
from deid.domain.pseudonyms import Subject
from deid.domain.uids import UidMapper

METHOD_NAME: Final = "PACSWeb"

PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
PIXEL_TAGS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
CODE_VALUES: Final = frozenset((0x00080100, 0x00080119, 0x00080120))
CODE_MEANING: Final = 0x00080104
TEXT_VALUE: Final = 0x0040A160
CHARACTER_SET: Final = 0x00080005

# Text that is free by its VR; where Table E.1-1 says nothing of it, it is cut to safe words.
FREE_TEXT_VRS: Final = frozenset(("LT", "ST", "UT"))
NUMBER_TEXT: Final = re.compile(rb"[0-9+\-eE. \\\0]*")
AGE: Final = re.compile(rb"(?:[0-9]{3}[DWMY][ \0]?\\?)*")

# A person of 90 or more is one of few: the age is given as 90 (45 CFR 164.514(b)(2)(i)(C)).
OLDEST_AGE: Final = 90

RULE_TABLE: Final = "PS3.15 Table E.1-1"
RULE_SAFE_PRIVATE: Final = "PS3.15 Table E.3.10-1"
RULE_NOT_IN_DICTIONARY: Final = "Not in the data dictionary"
RULE_UNREADABLE: Final = "Value cannot be read"
RULE_IDENTIFIER: Final = "Identifier of the patient in a value that is kept otherwise"
RULE_UNLISTED: Final = "Not in Table E.1-1; by its VR"
RULE_CODE: Final = "Code sequence: free text beside the code"
RULE_NESTED_PIXELS: Final = "Image inside a sequence"
RULE_FILE: Final = "Part of the file, not of the data set"
RULE_ADDED: Final = "PS3.15 E.1.1: states how it was de-identified"
RULE_KEPT: Final = "Not in Table E.1-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that decides the outcome: the same plan and the same input give the same output."""

    profile: Profile
    subject: Subject
    uids: UidMapper
    identifiers: Identifiers
    types: AttributeTypes = field(default_factory=load_attribute_types)


def deidentify(dataset: Dataset, *, plan: Plan, record: Record | None = None) -> Record:
    """De-identify `dataset` (without pixel data) in place and say what was done."""
    work = _Work(plan=plan, record=record if record is not None else Record(), dataset=dataset)
    work.walk(dataset, path="", parent="")
    work.add_patient(dataset)
    work.add_statement(dataset)
    return work.record


class _Work:
    def __init__(self, *, plan: Plan, record: Record, dataset: Dataset) -> None:
        self.plan = plan
        self.profile = plan.profile
        self.record = record
        self.sop_class_uid = uids.clean(str(dataset.get("SOPClassUID", "") or ""))

    # -- the walk ------------------------------------------------------------------------------------------------

    def walk(self, dataset: Dataset, *, path: str, parent: str) -> None:
        creators = _private_creators(dataset)
        used_blocks: set[tuple[int, int]] = set()
        is_code = CODE_MEANING in dataset or any(tag in dataset for tag in CODE_VALUES)
        for key in sorted(dataset.keys()):
            tag = Tag(key)
            if tag.is_private:
                block = self._private(dataset, tag=tag, creators=creators, path=path)
                if block is not None:
                    used_blocks.add(block)
            else:
                self._standard(dataset, tag=tag, path=path, parent=parent)
        for group, block_number in creators:
            if (group, block_number) not in used_blocks:
                self._remove(dataset, tag=Tag(group, block_number), path=path, rule=RULE_TABLE)
        if is_code:
            self._clean_code(dataset, path=path)

    def _standard(self, dataset: Dataset, *, tag: BaseTag, path: str, parent: str) -> None:
        rule = self.profile.rule_for(tag)
        if tag.group in (0x0000, 0x0002) or (tag.elem == 0 and rule is None):
            # Command elements, file meta elements in the data set, group lengths: no place here (PS3.5 7.2).
            self._remove(dataset, tag=tag, path=path, rule=RULE_FILE)
            return
        if tag in PIXEL_TAGS:
            if path:
                self._remove(dataset, tag=tag, path=path, rule=RULE_NESTED_PIXELS)
            return
        if rule is None and 0x6000 <= tag.group <= 0x60FF:
            # An overlay goes whole: its plane without data would be invalid, its label and description are free text.
            self._remove(dataset, tag=tag, path=path, rule=RULE_TABLE)
            return
        if rule is None and not (dictionary_has_tag(tag) or repeater_has_tag(tag)):
            self._remove(dataset, tag=tag, path=path, rule=RULE_NOT_IN_DICTIONARY)
            return
        if rule is not None:
            self._listed(dataset, tag=tag, path=path, parent=parent, rule=rule)
        else:
            self._unlisted(dataset, tag=tag, path=path)

    # -- attributes of Table E.1-1 -------------------------------------------------------------------------------

    def _listed(self, dataset: Dataset, *, tag: BaseTag, path: str, parent: str, rule: Rule) -> None:
        reason = RULE_TABLE if rule.option is None else f"{RULE_TABLE}, {rule.option.value}"
        if tag in (PATIENT_NAME, PATIENT_ID):
            value = self.plan.subject.patient_name if tag == PATIENT_NAME else self.plan.subject.patient_id
            vr = "PN" if tag == PATIENT_NAME else "LO"
            self._replace(dataset, tag=tag, vr=vr, value=value, action=Action.DUMMY, path=path, rule=reason)
            return
        action = self._resolved(tag=tag, actions=rule.actions, parent=parent)
        if action is Action.REMOVE:
            self._remove(dataset, tag=tag, path=path, rule=reason)
            return
        element = _element(dataset, tag)
        if element is None:
            self._apply_basic(dataset, tag=tag, vr=rule.row.vr, action=action, path=path, rule=reason, parent=parent)
            return
        vr = _vr(tag=tag, element=element, stated=rule.row.vr)
        if vr == "SQ" and action in (Action.KEEP, Action.UID, Action.CLEAN):
            if element.VR != "SQ":
                self._remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
            else:
                self._recurse(dataset, element=element, action=action, path=path, rule=reason)
        elif action is Action.KEEP:
            self._keep(dataset, element=element, vr=vr, path=path, rule=reason)
        elif action is Action.CLEAN:
            self._clean(dataset, element=element, vr=vr, path=path, rule=rule, reason=reason, parent=parent)
        else:
            self._apply_basic(dataset, tag=tag, vr=vr, action=action, path=path, rule=reason, parent=parent)

    def _resolved(self, *, tag: BaseTag, actions: str, parent: str) -> Action:
        kind = None
        if "/" in actions and actions != REFERENCE_ACTION:
            kind = self.plan.types.type_of(
                sop_class_uid=self.sop_class_uid, parent=parent, keyword=keyword_for_tag(tag) or ""
            )
        return resolve(actions=actions, attribute_type=kind)

    def _apply_basic(
        self, dataset: Dataset, *, tag: BaseTag, vr: str, action: Action, path: str, rule: str, parent: str
    ) -> None:
        """X, Z, D, U without looking at more of the value than the UIDs to replace."""
        if action is Action.REMOVE:
            self._remove(dataset, tag=tag, path=path, rule=rule)
        elif vr == "UI" and action in (Action.UID, Action.DUMMY):
            self._map_uids(dataset, tag=tag, path=path, rule=rule)
        elif action is Action.EMPTY:
            self._replace(dataset, tag=tag, vr=vr, value=_empty(vr), action=action, path=path, rule=rule)
        else:
            keyword = keyword_for_tag(tag) or self._keyword(tag)
            if keyword == "ReferencedPerformedProcedureStepSequence":
                # A dummy for a reference is the same reference with a new UID.
                element = _element(dataset, tag)
                if element is not None and element.VR == "SQ" and element.value:
                    self._recurse(dataset, element=element, action=Action.UID, path=path, rule=rule)
                    return
            value = dummies.value_for(keyword=keyword, vr=vr)
            self._replace(dataset, tag=tag, vr=vr, value=value, action=Action.DUMMY, path=path, rule=rule)

    def _clean(
        self, dataset: Dataset, *, element: DataElement, vr: str, path: str, rule: Rule, reason: str, parent: str
    ) -> None:
        """C under an option: dates are shifted, descriptors cut to safe words, the rest falls to the basic profile."""
        tag = element.tag
        basic = self._resolved(tag=tag, actions=rule.row.basic, parent=parent)
        if vr in ("DA", "DT", "TM") and rule.option is Option.RETAIN_MODIFIED_DATES:
            self._shift(dataset, element=element, vr=vr, fallback=basic, path=path, rule=reason, parent=parent)
            return
        if (
            vr in TEXT_VRS
            and vr != "AE"
            and rule.option in (Option.CLEAN_DESCRIPTORS, Option.RETAIN_PATIENT_CHARACTERISTICS)
        ):
            values = [descriptors.clean_text(text, identifiers=self.plan.identifiers) for text in strings_of(element)]
            if any(values):
                kept = [value for value in values if value]
                value: Any = kept[0] if len(kept) == 1 else kept
                if vr in ("LO", "SH"):
                    limit = 64 if vr == "LO" else 16
                    value = [one[:limit].rstrip() for one in kept] if len(kept) > 1 else kept[0][:limit].rstrip()
                self._replace(dataset, tag=tag, vr=vr, value=value, action=Action.CLEAN, path=path, rule=reason)
                return
        self._apply_basic(dataset, tag=tag, vr=vr, action=basic, path=path, rule=reason, parent=parent)

    def _shift(
        self, dataset: Dataset, *, element: DataElement, vr: str, fallback: Action, path: str, rule: str, parent: str
    ) -> None:
        values = [text for text in strings_of(element) if text.strip(" \0")]
        if not values:
            self._note(Action.KEEP, rule=rule, path=path, tag=element.tag, vr=vr, before=element, after=element)
            return
        days = self.plan.subject.shift_days
        moved: list[str | None]
        if vr == "TM":
            # Whole days: the time of day stays as it was, once it is certain that it is one.
            moved = [text if dates.is_time(text) else None for text in values]
        elif vr == "DA":
            moved = [dates.shift_date(text, days=days) for text in values]
        else:
            moved = [dates.shift_datetime(text, days=days) for text in values]
        if any(one is None for one in moved):
            self._apply_basic(
                dataset, tag=element.tag, vr=vr, action=fallback, path=path, rule=RULE_UNREADABLE, parent=parent
            )
            return
        value: Any = moved if len(moved) > 1 else moved[0]
        self._replace(dataset, tag=element.tag, vr=vr, value=value, action=Action.CLEAN, path=path, rule=rule)

    # -- attributes outside the table ----------------------------------------------------------------------------

    def _unlisted(self, dataset: Dataset, *, tag: BaseTag, path: str) -> None:
        """By VR: what can hold a person, a date, a UID or an address is treated as if the table had listed it."""
        element = _element(dataset, tag)
        if element is None:
            self._remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
            return
        vr = _vr(tag=tag, element=element, stated=dictionary_VR(tag))
        if vr == "SQ":
            if element.VR != "SQ":
                self._remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
                return
            self._recurse(dataset, element=element, action=Action.KEEP, path=path, rule=RULE_KEPT)
        elif vr == "UN" or element.VR == "UN":
            self._remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
        elif vr == "UI":
            self._map_uids(dataset, tag=tag, path=path, rule=RULE_UNLISTED)
        elif vr == "PN":
            self._replace(dataset, tag=tag, vr=vr, value="", action=Action.EMPTY, path=path, rule=RULE_UNLISTED)
        elif vr == "UR":
            self._remove(dataset, tag=tag, path=path, rule=RULE_UNLISTED)
        elif vr == "AE":
            self._replace(
                dataset, tag=tag, vr=vr, value=dummies.BY_VR["AE"], action=Action.DUMMY, path=path, rule=RULE_UNLISTED
            )
        elif vr in ("DA", "DT", "TM"):
            if self.profile.has(Option.RETAIN_FULL_DATES):
                self._keep(dataset, element=element, vr=vr, path=path, rule=RULE_UNLISTED)
            elif self.profile.has(Option.RETAIN_MODIFIED_DATES):
                self._shift(
                    dataset, element=element, vr=vr, fallback=Action.DUMMY, path=path, rule=RULE_UNLISTED, parent=""
                )
            else:
                value = dummies.BY_VR[vr]
                self._replace(dataset, tag=tag, vr=vr, value=value, action=Action.DUMMY, path=path, rule=RULE_UNLISTED)
        elif vr in FREE_TEXT_VRS or tag == TEXT_VALUE:
            text = "\\".join(strings_of(element))
            cleaned = descriptors.clean_text(text, identifiers=self.plan.identifiers)
            if cleaned == text:
                self._note(Action.KEEP, rule=RULE_KEPT, path=path, tag=tag, vr=vr, before=element, after=element)
            else:
                self._replace(
                    dataset,
                    tag=tag,
                    vr=vr,
                    value=cleaned or dummies.REMOVED,
                    action=Action.CLEAN,
                    path=path,
                    rule=RULE_UNLISTED,
                )
        else:
            self._keep(dataset, element=element, vr=vr, path=path, rule=RULE_KEPT)

    def _keep(self, dataset: Dataset, *, element: DataElement, vr: str, path: str, rule: str) -> None:
        """Leave an element as it is, once its value is of its VR and names nobody."""
        tag = element.tag
        if vr in ("DS", "IS", "AS"):
            raw = _raw_bytes(dataset, tag=tag, element=element)
            if not (AGE if vr == "AS" else NUMBER_TEXT).fullmatch(raw):
                self._replace(dataset, tag=tag, vr=vr, value="", action=Action.EMPTY, path=path, rule=RULE_UNREADABLE)
                return
            if vr == "AS" and _is_beyond_oldest(raw):
                value = f"{OLDEST_AGE:03d}Y"
                self._replace(dataset, tag=tag, vr=vr, value=value, action=Action.CLEAN, path=path, rule=rule)
                return
        elif vr == "TM" or vr in ("DA", "DT"):
            forms = {"TM": dates.is_time, "DA": _is_date, "DT": _is_datetime}
            if not all(forms[vr](text) for text in strings_of(element) if text.strip(" \0")):
                self._replace(dataset, tag=tag, vr=vr, value="", action=Action.EMPTY, path=path, rule=RULE_UNREADABLE)
                return
        elif vr in TEXT_VRS and tag not in CODE_VALUES and tag not in (CODE_MEANING, CHARACTER_SET, 0x00080102):
            values = strings_of(element)
            named = [self.plan.identifiers.find_in_element(vr=vr, values=[one]) is not None for one in values]
            if any(named):
                spared = [dummies.BY_VR[vr] if hit else one for one, hit in zip(values, named, strict=True)]
                self._replace(
                    dataset,
                    tag=tag,
                    vr=vr,
                    value=spared if len(spared) > 1 else spared[0],
                    action=Action.CLEAN,
                    path=path,
                    rule=RULE_IDENTIFIER,
                )
                return
        self._note(Action.KEEP, rule=rule, path=path, tag=tag, vr=vr, before=element, after=element)

    def _clean_code(self, item: Dataset, *, path: str) -> None:
        for keyword, value in codes.clean_item(item, identifiers=self.plan.identifiers).items():
            element = item[keyword]
            self._replace(
                item, tag=element.tag, vr=element.VR, value=value, action=Action.CLEAN, path=path, rule=RULE_CODE
            )

    # -- private attributes --------------------------------------------------------------------------------------

    def _private(
        self, dataset: Dataset, *, tag: BaseTag, creators: dict[tuple[int, int], str], path: str
    ) -> tuple[int, int] | None:
        """Keep an element of Table E.3.10-1 if the option is chosen; give back its block, so that its creator stays."""
        if tag.is_private_creator:
            return None
        block = (tag.group, tag.elem >> 8)
        creator = creators.get(block)
        if creator is None or not self.profile.has(Option.RETAIN_SAFE_PRIVATE):
            self._remove(dataset, tag=tag, path=path, rule=RULE_TABLE)
            return None
        safe = load_safe_private().get((creator, tag.group, tag.elem & 0xFF))
        element = _element(dataset, tag) if safe is not None else None
        if safe is None or element is None or element.VR not in safe.vrs:
            self._remove(dataset, tag=tag, path=path, rule=RULE_SAFE_PRIVATE)
            return None
        if element.VR == "SQ":
            self._recurse(dataset, element=element, action=Action.KEEP, path=path, rule=RULE_SAFE_PRIVATE)
        elif element.VR == "UI":
            self._map_uids(dataset, tag=tag, path=path, rule=RULE_SAFE_PRIVATE)
        elif element.VR in ("DA", "DT", "TM", "PN", "UN"):
            self._remove(dataset, tag=tag, path=path, rule=RULE_SAFE_PRIVATE)
            return None
        else:
            self._keep(dataset, element=element, vr=str(element.VR), path=path, rule=RULE_SAFE_PRIVATE)
        return block

    # -- what is done to one element -----------------------------------------------------------------------------

    def _recurse(self, dataset: Dataset, *, element: DataElement, action: Action, path: str, rule: str) -> None:
        keyword = self._keyword(element.tag)
        for number, item in enumerate(element.value or (), start=1):
            self.walk(item, path=f"{path}{keyword}[{number}].", parent=keyword)
            if keyword == "GraphicAnnotationSequence" and "TextObjectSequence" in item:
                # PS3.15 E.3.3: text drawn on an image is not cleaned, it goes.
                self._remove(item, tag=Tag("TextObjectSequence"), path=f"{path}{keyword}[{number}].", rule=rule)
        # A sequence read from the file is a new object now: take the cleaned one over.
        dataset[element.tag] = element
        self._note(action, rule=rule, path=path, tag=element.tag, vr="SQ", before=element, after=element)

    def _map_uids(self, dataset: Dataset, *, tag: BaseTag, path: str, rule: str) -> None:
        element = _element(dataset, tag)
        if element is None:
            self._remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
            return
        if element.VR != "UI":
            if element.VR == "UN" and isinstance(element.value, bytes):
                element = DataElement(tag, "UI", element.value.decode("latin-1").split("\\"))
            else:
                self._remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
                return
        if self.profile.has(Option.RETAIN_UIDS):
            self._note(Action.KEEP, rule=rule, path=path, tag=tag, vr="UI", before=element, after=element)
            return
        old = [uids.clean(text) for text in strings_of(element)]
        new = [self.plan.uids.new_uid(uid) for uid in old]
        if new == old:
            self._note(Action.KEEP, rule=rule, path=path, tag=tag, vr="UI", before=element, after=element)
            return
        value = new[0] if len(new) == 1 else new
        self._replace(dataset, tag=tag, vr="UI", value=value, action=Action.UID, path=path, rule=rule)

    def _replace(
        self, dataset: Dataset, *, tag: int, vr: str, value: Any, action: Action, path: str, rule: str
    ) -> None:
        before = _element(dataset, Tag(tag)) if self.record.keeps_changes and tag in dataset else None
        after = DataElement(Tag(tag), vr.partition(" ")[0], value)
        dataset[tag] = after
        self._note(action, rule=rule, path=path, tag=tag, vr=after.VR, before=before, after=after)

    def _remove(self, dataset: Dataset, *, tag: BaseTag, path: str, rule: str) -> None:
        if tag not in dataset:
            return
        before = _element(dataset, tag) if self.record.keeps_changes else None
        vr = before.VR if before is not None else ""
        dataset.pop(tag, None)
        self._note(Action.REMOVE, rule=rule, path=path, tag=tag, vr=vr, before=before, after=None)

    def _note(self, action: Action, *, rule: str, path: str, tag: int, vr: str, before: Any, after: Any) -> None:
        keyword = self._keyword(tag)
        self.record.note(
            action=action, rule=rule, path=path + keyword, tag=tag, keyword=keyword, vr=vr, before=before, after=after
        )

    def _keyword(self, tag: int) -> str:
        found = keyword_for_tag(tag)
        if found:
            return found
        row = self.profile.table.row_for(tag)
        return (row.keyword if row is not None and row.mask == 0xFFFFFFFF else "") or f"{tag:08X}"

    # -- what is added -------------------------------------------------------------------------------------------

    def add_patient(self, dataset: Dataset) -> None:
        for tag, vr, value in (
            (PATIENT_NAME, "PN", self.plan.subject.patient_name),
            (PATIENT_ID, "LO", self.plan.subject.patient_id),
        ):
            if tag not in dataset:
                self._replace(dataset, tag=tag, vr=vr, value=value, action=Action.DUMMY, path="", rule=RULE_TABLE)

    def add_statement(self, dataset: Dataset) -> None:
        """PS3.15 E.1.1 step 6 and E.3.6: how, by which options, and what became of dates."""
        if self.profile.has(Option.RETAIN_FULL_DATES):
            temporal = "UNMODIFIED"
        else:
            temporal = "MODIFIED" if self.profile.has(Option.RETAIN_MODIFIED_DATES) else "REMOVED"
        method = f"{METHOD_NAME}, PS3.15 {self.profile.table.edition} Basic Profile"
        items = []
        for value, meaning in self.profile.method_codes:
            items.append(dummies.code_item(value=value, meaning=meaning[:64], scheme="DCM"))
        for keyword, vr, new in (
            ("PatientIdentityRemoved", "CS", "YES"),
            ("DeidentificationMethod", "LO", method),
            ("DeidentificationMethodCodeSequence", "SQ", Sequence(items)),
            ("LongitudinalTemporalInformationModified", "CS", temporal),
        ):
            element = DataElement(Tag(keyword), vr, new)
            dataset[element.tag] = element
            if self.record.keeps_changes:
                self.record.note(
                    action=Action.DUMMY,
                    rule=RULE_ADDED,
                    path=keyword,
                    tag=element.tag,
                    keyword=keyword,
                    vr=vr,
                    before=None,
                    after=element,
                )


def _private_creators(dataset: Dataset) -> dict[tuple[int, int], str]:
    """(group, block) → creator, for every private block that is reserved in this data set (PS3.5 7.8.1)."""
    found: dict[tuple[int, int], str] = {}
    for key in dataset.keys():  # noqa: SIM118 -- iterating the data set itself reads every element
        tag = Tag(key)
        if tag.is_private_creator:
            element = _element(dataset, tag)
            value = element.value if element is not None else None
            if isinstance(value, bytes):
                value = value.decode("latin-1")
            found[tag.group, tag.elem] = str(value or "").strip(" \0")
    return found


def _element(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """The element as read, without putting it into the data set: what is not changed is written as it came.

    None when it is absent or its value cannot be read.
    """
    raw = dataset.get_item(tag)
    if raw is None:
        return None
    if not isinstance(raw, RawDataElement):
        return raw
    try:
        return convert_raw_data_element(raw, encoding=_encoding(dataset), ds=dataset)
    except Exception:  # noqa: BLE001 -- pydicom raises many kinds for a malformed value; all mean the same here
        return None


def _encoding(dataset: Dataset) -> Any:
    return getattr(dataset, "_character_set", None) or default_encoding


def _raw_bytes(dataset: Dataset, *, tag: BaseTag, element: DataElement) -> bytes:
    raw = dataset.get_item(tag)
    if isinstance(raw, RawDataElement):
        return bytes(raw.value or b"")
    return "\\".join(strings_of(element)).encode("utf-8")


def _vr(*, tag: BaseTag, element: DataElement, stated: str) -> str:
    """The VR to write. Of a VR the dictionary leaves open ("US or SS") the one read counts."""
    if " " in stated or not stated:
        return str(element.VR)
    return stated


def _empty(vr: str) -> Any:
    if vr == "SQ":
        return Sequence()
    return "" if vr in TEXT_VRS or vr in ("DA", "DT", "TM", "UI", "AS", "DS", "IS") else None


def _is_beyond_oldest(raw: bytes) -> bool:
    text = raw.decode("ascii", "replace").strip(" \0")
    years = {"Y": 1.0, "M": 1 / 12, "W": 1 / 52.2, "D": 1 / 365.25}
    return len(text) == 4 and text[3] in years and int(text[:3]) * years[text[3]] > OLDEST_AGE


def _is_date(text: str) -> bool:
    return dates.shift_date(text, days=0) is not None


def _is_datetime(text: str) -> bool:
    return dates.shift_datetime(text, days=0) is not None
