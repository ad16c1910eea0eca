"""What is done to one element of a data set: kept, replaced, removed, its UIDs mapped; each is noted in the record."""

from __future__ import annotations

import re
from typing import Any, Final

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from deid.domain import dates, descriptors, dummies, moments, numbers, persons, structures, texts, times, uids
from deid.domain.changes import Record
from deid.domain.elements import element_of, raw_bytes
from deid.domain.identifiers import TEXT_VRS, strings_of
from deid.domain.plan import Plan
from deid.domain.profile import Action, Option
from deid.domain.rules import RULE_IDENTIFIER, RULE_UNREADABLE

CODE_VALUES: Final = frozenset((0x00080100, 0x00080119, 0x00080120))
CODE_MEANING: Final = 0x00080104
CODE_SCHEME: Final = 0x00080102
CHARACTER_SET: Final = 0x00080005

NUMERIC_VRS: Final = frozenset(("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
# PS3.5 6.2: one decimal number, fixed point or floating; a list of them. Nothing else that figures can spell.
_ONE_NUMBER: Final = r" *(?:[+-]?(?:[0-9]{1,16}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?)?[ \0]*"
NUMBER_TEXT: Final = re.compile(rf"{_ONE_NUMBER}(?:\\{_ONE_NUMBER})*".encode("ascii"))
AGE: Final = re.compile(rb"(?:[0-9]{3}[DWMY][ \0]?\\?)*")

LONGEST: Final = {"CS": 16, "LO": 64, "SH": 16}

_WINDOW: Final = ("WindowCenter", "WindowWidth", "WindowCenterWidthExplanation")
# A person of 90 or more is one of few: the age is given as 90 (45 CFR 164.514(b)(2)(i)(C)).
OLDEST_AGE: Final = 90


class Edits:
    """Changes elements of one data set and its sequences by a plan, and notes each in a record."""

    def __init__(self, *, plan: Plan, record: Record, sop_class_uid: str = "") -> None:
        self.plan = plan
        self.sop_class_uid = sop_class_uid
        self.profile = plan.profile
        self.record = record
        self._kept: dict[tuple[str, str, str], bool] = {}

    @property
    def keeps_sex(self) -> bool:
        return self.profile.has(Option.RETAIN_PATIENT_CHARACTERISTICS)

    def clean_text(self, text: str) -> str:
        return descriptors.clean_text(text, identifiers=self.plan.identifiers, keeps_sex=self.keeps_sex)

    def cleaned(self, text: str, *, keyword: str, vr: str, path: str) -> str:
        """A text cut to safe words that fits its VR; the name of a structure whole, or a number instead."""
        if keyword in structures.KINDS:
            return self._structure(text, keyword=keyword, path=path)
        cleaned = self.clean_text(text)
        return descriptors.fitted(cleaned, limit=LONGEST.get(vr, len(cleaned)))

    def _structure(self, text: str, *, keyword: str, path: str) -> str:
        if self.is_kept(text, keyword=keyword, vr="LO"):
            return text
        return structures.numbered(kind=structures.KINDS[keyword], path=path)

    def is_kept(self, text: str, *, keyword: str, vr: str) -> bool:
        """Frames say the same over and over: each value is looked at once."""
        key = keyword, vr, text
        found = self._kept.get(key)
        if found is None:
            sought = self.plan.identifiers
            if keyword in structures.KINDS:
                found = structures.is_kept(text, kind=structures.KINDS[keyword], identifiers=sought)
            else:
                found = texts.is_kept(keyword=keyword, vr=vr, value=text, identifiers=sought)
            # Code strings are terms of a machine; PatientSex has its own row in the table.
            found = found and (vr == "CS" or self.keeps_sex or not persons.names_a_sex(text))
            self._kept[key] = found
        return found

    def keep(self, dataset: Dataset, *, element: DataElement, vr: str, path: str, rule: str) -> None:
        """Leave an element as it is, once its value is of its VR and names nobody."""
        tag = element.tag
        if vr in ("DS", "IS", "AS"):
            raw = raw_bytes(dataset, tag=tag, element=element)
            if not (AGE if vr == "AS" else NUMBER_TEXT).fullmatch(raw):
                self.replace(dataset, tag=tag, vr=vr, value="", action=Action.EMPTY, path=path, rule=RULE_UNREADABLE)
                return
            if vr != "AS" and self._lose_number(dataset, element=element, vr=vr, path=path):
                return
            ages = raw.decode("ascii").split("\\") if vr == "AS" else []
            if any(map(is_beyond_oldest, ages)):
                spared = [f"{OLDEST_AGE:03d}Y" if is_beyond_oldest(age) else age.strip(" \0") for age in ages]
                value = spared if len(spared) > 1 else spared[0]
                self.replace(dataset, tag=tag, vr=vr, value=value, action=Action.CLEAN, path=path, rule=rule)
                return
        elif vr == "TM" or vr in ("DA", "DT"):
            forms = {"TM": dates.is_time, "DA": _is_date, "DT": _is_datetime}
            if not all(forms[vr](text) for text in strings_of(element) if text.strip(" \0")):
                is_needed = vr != "DA" and self._type_of(element, path=path) == "1"
                value, action = (dummies.BY_VR[vr], Action.DUMMY) if is_needed else ("", Action.EMPTY)
                self.replace(dataset, tag=tag, vr=vr, value=value, action=action, path=path, rule=RULE_UNREADABLE)
                return
            if vr != "DA" and self._lose_time(dataset, element=element, vr=vr, path=path):
                return
        elif vr in NUMERIC_VRS:
            if self._lose_number(dataset, element=element, vr=vr, path=path):
                return
        elif vr in TEXT_VRS and tag not in CODE_VALUES and tag not in (CODE_MEANING, CHARACTER_SET, CODE_SCHEME):
            values = strings_of(element)
            is_offset = element.keyword == "TimezoneOffsetFromUTC"
            named = [
                self._tells(one, vr=vr) or (is_offset and bool(one.strip(" \0")) and not dates.is_offset(one))
                for one in values
            ]
            if any(named):
                dummy = "+0000" if is_offset else dummies.BY_VR[vr]
                spared = [dummy if hit else one for one, hit in zip(values, named, strict=True)]
                self.replace(
                    dataset,
                    tag=tag,
                    vr=vr,
                    value=spared if len(spared) > 1 else spared[0],
                    action=Action.CLEAN,
                    path=path,
                    rule=RULE_IDENTIFIER,
                )
                return
        self.note(Action.KEEP, rule=rule, path=path, tag=tag, vr=vr, before=element, after=element)

    def _lose_number(self, dataset: Dataset, *, element: DataElement, vr: str, path: str) -> bool:
        """Whether an element held a number of the patient or a whole date, and holds it no more.

        It is emptied; where the IOD needs a value (type 1), the values that tell are replaced. A window without its other
        half is none, so both go.
        """
        keyword = self.keyword_of(element.tag)
        if numbers.is_of_the_image(dataset, keyword=keyword, path=path):
            return False
        values = strings_of(element)
        hits = numbers.hits(values, identifiers=self.plan.identifiers)
        if not any(hits) and not any(map(numbers.is_whole_date, values)):
            return False
        if keyword in _WINDOW and not path:
            for other in _WINDOW:
                self.remove(dataset, tag=Tag(other), path=path, rule=RULE_IDENTIFIER)
            return True
        kind = self._type_of(element, path=path)
        value: Any = ""
        action = Action.EMPTY
        if kind == "1" or vr in NUMERIC_VRS:
            dummy = dummies.number_for(keyword=keyword, vr=vr)
            spared = [
                dummy if hit or numbers.is_whole_date(one) else kept
                for one, hit, kept in zip(values, hits, _each(element), strict=True)
            ]
            value, action = spared if len(spared) > 1 else spared[0], Action.DUMMY
        self.replace(dataset, tag=element.tag, vr=vr, value=value, action=action, path=path, rule=RULE_IDENTIFIER)
        return True

    def _type_of(self, element: DataElement, *, path: str) -> str | None:
        """The type of an attribute where it stands (PS3.5 7.4)."""
        parent = path.rstrip(".").rpartition(".")[2].partition("[")[0]
        return self.plan.types.type_of(
            sop_class_uid=self.sop_class_uid, parent=parent, keyword=self.keyword_of(element.tag)
        )

    def _lose_time(self, dataset: Dataset, *, element: DataElement, vr: str, path: str) -> bool:
        """Whether a time held figures of the patient, and holds them no more.

        A time of day that tells is emptied, or midnight where the IOD needs a value (type 1); of a fraction, zeros are left.
        """
        values = strings_of(element)
        spare = times.spared if vr == "TM" else times.spared_datetime
        new = [spare(text, identifiers=self.plan.identifiers) for text in values]
        if new == values:
            return False
        if new == [None] and self._type_of(element, path=path) != "1":
            self.replace(
                dataset, tag=element.tag, vr=vr, value="", action=Action.EMPTY, path=path, rule=RULE_IDENTIFIER
            )
            return True
        spared = [dummies.BY_VR[vr] if text is None else text for text in new]
        value = spared if len(spared) > 1 else spared[0]
        self.replace(dataset, tag=element.tag, vr=vr, value=value, action=Action.CLEAN, path=path, rule=RULE_IDENTIFIER)
        return True

    def _tells(self, text: str, *, vr: str) -> bool:
        """Whether text that an option keeps names the patient, or a day or an age that the dates' option takes care of."""
        if self.plan.identifiers.find_in_element(vr=vr, values=[text]) is not None:
            return True
        return not self.profile.has(Option.RETAIN_FULL_DATES) and (moments.tells(text) or persons.tells(text))

    def map_uids(self, dataset: Dataset, *, tag: BaseTag, path: str, rule: str) -> None:
        """Replace UIDs by those of the mapping, unless an option keeps them; those of the standard stay."""
        element = element_of(dataset, tag)
        if element is None:
            self.remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
            return
        if element.VR != "UI":
            if element.VR == "UN" and isinstance(element.value, bytes):
                element = DataElement(tag, "UI", element.value.decode("latin-1").split("\\"))
            else:
                self.remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
                return
        if self.profile.has(Option.RETAIN_UIDS):
            self.note(Action.KEEP, rule=rule, path=path, tag=tag, vr="UI", before=element, after=element)
            return
        old = [uids.clean(text) for text in strings_of(element)]
        new = [self.plan.uids.new_uid(uid) for uid in old]
        if new == old:
            self.note(Action.KEEP, rule=rule, path=path, tag=tag, vr="UI", before=element, after=element)
            return
        value = new[0] if len(new) == 1 else new
        self.replace(dataset, tag=tag, vr="UI", value=value, action=Action.UID, path=path, rule=rule)

    def replace(self, dataset: Dataset, *, tag: int, vr: str, value: Any, action: Action, path: str, rule: str) -> None:
        before = element_of(dataset, Tag(tag)) if self.record.keeps_changes and tag in dataset else None
        after = DataElement(Tag(tag), vr.partition(" ")[0], value)
        dataset[tag] = after
        self.note(action, rule=rule, path=path, tag=tag, vr=after.VR, before=before, after=after)

    def remove(self, dataset: Dataset, *, tag: BaseTag, path: str, rule: str) -> None:
        if tag not in dataset:
            return
        before = element_of(dataset, tag) if self.record.keeps_changes else None
        vr = before.VR if before is not None else ""
        dataset.pop(tag, None)
        self.note(Action.REMOVE, rule=rule, path=path, tag=tag, vr=vr, before=before, after=None)

    def note(self, action: Action, *, rule: str, path: str, tag: int, vr: str, before: Any, after: Any) -> None:
        keyword = self.keyword_of(tag)
        self.record.note(
            action=action, rule=rule, path=path + keyword, tag=tag, keyword=keyword, vr=vr, before=before, after=after
        )

    def keyword_of(self, tag: int) -> str:
        """The keyword by dictionary or Table E.1-1, else the tag in hexadecimal digits."""
        found = keyword_for_tag(tag)
        if found:
            return found
        row = self.profile.table.row_for(tag)
        return (row.keyword if row is not None and row.mask == 0xFFFFFFFF else "") or f"{tag:08X}"


def is_beyond_oldest(age: str) -> bool:
    """Whether an age of VR AS is over `OLDEST_AGE` years, which stands for all beyond."""
    text = age.strip(" \0")
    years = {"Y": 1.0, "M": 1 / 12, "W": 1 / 52.2, "D": 1 / 365.25}
    return len(text) == 4 and text[3] in years and int(text[:3]) * years[text[3]] > OLDEST_AGE


def _each(element: DataElement) -> list[Any]:
    """The values of a numeric element, in a list also where it is one."""
    if element.VM <= 1 or isinstance(element.value, str | bytes):
        return [element.value]
    return list(element.value)


def _is_date(text: str) -> bool:
    return dates.shift_date(text, days=0) is not None


def _is_datetime(text: str) -> bool:
    return dates.shift_datetime(text, days=0) is not None
