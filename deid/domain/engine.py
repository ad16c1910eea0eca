"""De-identify one data set in place, by the profile, through all nested sequences.

Fails closed: what is not in the data dictionary, is private, has no known VR or cannot be read is removed. Pixel data
is neither read nor changed here (see `deid.domain.files`); what may show a patient in pixels is held back before
(`deid.domain.screening`).
"""

from __future__ import annotations

from typing import Any, Final

from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag, repeater_has_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from deid.domain import binaries, codes, dates, dummies, statement, structures, times, uids
from deid.domain.changes import Record
from deid.domain.edits import CHARACTER_SET, CODE_MEANING, CODE_SCHEME, CODE_VALUES, Edits
from deid.domain.elements import element_of, empty, private_creators, truthful, vr_of
from deid.domain.identifiers import TEXT_VRS, strings_of
from deid.domain.plan import Plan
from deid.domain.profile import REFERENCE_ACTION, Action, Option, Rule, load_safe_private, resolve
from deid.domain.rules import (
    RULE_BINARY,
    RULE_CODE,
    RULE_FILE,
    RULE_KEPT,
    RULE_NESTED_PIXELS,
    RULE_NOT_IN_DICTIONARY,
    RULE_SAFE_PRIVATE,
    RULE_TABLE,
    RULE_UNLISTED,
    RULE_UNREADABLE,
    RULE_VR,
)
from deid.domain.statement import PATIENT_ID, PATIENT_NAME

PIXEL_TAGS: Final = frozenset((0x7FE00008, 0x7FE00009, 0x7FE00010))
TEXT_VALUE: Final = 0x0040A160

# Text that is free by its VR; where Table E.1-1 says nothing of it, it is cut to safe words.
FREE_TEXT_VRS: Final = frozenset(("LT", "ST", "UT"))
# Text that is meant for labels and terms: it stays if it is one (`deid.domain.texts`).
LABEL_VRS: Final = frozenset(("CS", "LO", "SH", "UC"))

# Dates in the patient's own calendar tell what (0010,0030) tells; Table E.1-1 does not list them.
OTHER_CALENDARS: Final = frozenset((0x00100033, 0x00100034, 0x00100035))
TIMEZONE_OFFSET: Final = 0x00080201
ICC_PROFILE: Final = 0x00282000
# Parts of a code item are looked at together, after the walk.
CODE_PARTS: Final = CODE_VALUES | {CODE_MEANING, CODE_SCHEME, 0x00080103, 0x00080105, 0x0008010F, 0x00080122}


def deidentify(dataset: Dataset, *, plan: Plan, record: Record | None = None) -> Record:
    """De-identify `dataset` (without pixel data) in place and say what was done."""
    record = record if record is not None else Record()
    work = _Work(plan=plan, record=record, dataset=dataset)
    work.walk(dataset, path="", parent="")
    statement.add_patient(dataset, plan=plan, edits=work.edits)
    statement.add(dataset, plan=plan, record=record)
    return record


class _Work:
    def __init__(self, *, plan: Plan, record: Record, dataset: Dataset) -> None:
        self.plan = plan
        self.profile = plan.profile
        self.sop_class_uid = uids.clean(str(dataset.get("SOPClassUID", "") or ""))
        self.edits = Edits(plan=plan, record=record, sop_class_uid=self.sop_class_uid)

    # -- the walk ------------------------------------------------------------------------------------------------

    def walk(self, dataset: Dataset, *, path: str, parent: str) -> None:
        creators = private_creators(dataset)
        used_blocks: set[tuple[int, int]] = set()
        is_code = any(tag in dataset for tag in CODE_PARTS)
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
                self.edits.remove(dataset, tag=Tag(group, block_number), path=path, rule=RULE_TABLE)
        if is_code:
            self._clean_code(dataset, path=path)

    def _standard(self, dataset: Dataset, *, tag: BaseTag, path: str, parent: str) -> None:
        rule = self.profile.rule_for(tag)
        if tag.group in (0x0000, 0x0002) or (tag.elem == 0 and rule is None):
            # Command elements, file meta elements in the data set, group lengths: no place here (PS3.5 7.2).
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_FILE)
            return
        if tag in PIXEL_TAGS:
            if path:
                self.edits.remove(dataset, tag=tag, path=path, rule=RULE_NESTED_PIXELS)
            return
        if rule is None and 0x6000 <= tag.group <= 0x60FF:
            # An overlay goes whole: its plane without data would be invalid, its label and description are free text.
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_TABLE)
            return
        if rule is None and not (dictionary_has_tag(tag) or repeater_has_tag(tag)):
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_NOT_IN_DICTIONARY)
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
            self.edits.replace(dataset, tag=tag, vr=vr, value=value, action=Action.DUMMY, path=path, rule=reason)
            return
        action = self._resolved(tag=tag, actions=rule.actions, parent=parent)
        if action is Action.REMOVE:
            self.edits.remove(dataset, tag=tag, path=path, rule=reason)
            return
        element = element_of(dataset, tag)
        if element is None:
            self._apply_basic(dataset, tag=tag, vr=rule.row.vr, action=action, path=path, rule=reason, parent=parent)
            return
        vr = vr_of(tag=tag, element=element, stated=rule.row.vr)
        if action in (Action.KEEP, Action.CLEAN):
            honest = self._honest(dataset, element=element, stated=rule.row.vr, path=path)
            if honest is None:
                return
            element = honest
        if vr == "SQ" and action in (Action.KEEP, Action.UID, Action.CLEAN):
            if element.VR != "SQ":
                self.edits.remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
            else:
                self._recurse(dataset, element=element, action=action, path=path, rule=reason)
        elif action is Action.KEEP:
            self.edits.keep(dataset, element=element, vr=vr, path=path, rule=reason)
        elif action is Action.CLEAN:
            self._clean(dataset, element=element, vr=vr, path=path, rule=rule, reason=reason, parent=parent)
        else:
            self._apply_basic(dataset, tag=tag, vr=vr, action=action, path=path, rule=reason, parent=parent)

    def _honest(self, dataset: Dataset, *, element: DataElement, stated: str, path: str) -> DataElement | None:
        """The element under the VR of its tag; one that cannot be is removed."""
        honest = truthful(element, stated=stated)
        if honest is None:
            self.edits.remove(dataset, tag=element.tag, path=path, rule=RULE_VR)
        elif honest is not element:
            dataset[element.tag] = honest
        return honest

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
            self.edits.remove(dataset, tag=tag, path=path, rule=rule)
        elif vr == "UI" and action in (Action.UID, Action.DUMMY):
            self.edits.map_uids(dataset, tag=tag, path=path, rule=rule)
        elif action is Action.EMPTY:
            self.edits.replace(dataset, tag=tag, vr=vr, value=empty(vr), action=action, path=path, rule=rule)
        else:
            keyword = keyword_for_tag(tag) or self.edits.keyword_of(tag)
            if keyword == "ReferencedPerformedProcedureStepSequence":
                # A dummy for a reference is the same reference with a new UID.
                element = element_of(dataset, tag)
                if element is not None and element.VR == "SQ" and element.value:
                    self._recurse(dataset, element=element, action=Action.UID, path=path, rule=rule)
                    return
            value = dummies.value_for(keyword=keyword, vr=vr)
            self.edits.replace(dataset, tag=tag, vr=vr, value=value, action=Action.DUMMY, path=path, rule=rule)

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
            tag == TIMEZONE_OFFSET
            and rule.option is Option.RETAIN_MODIFIED_DATES
            and all(map(dates.is_offset, strings_of(element)))
        ):
            # The dates keep what they say of their own offset, so the offset of those that say nothing stays as well.
            self.edits.note(Action.KEEP, rule=reason, path=path, tag=tag, vr=vr, before=element, after=element)
            return
        if (
            vr in TEXT_VRS
            and vr != "AE"
            and rule.option in (Option.CLEAN_DESCRIPTORS, Option.RETAIN_PATIENT_CHARACTERISTICS)
        ):
            values = [
                self.edits.cleaned(text, keyword=element.keyword, vr=vr, path=path) for text in strings_of(element)
            ]
            if any(values):
                kept = [value for value in values if value]
                value: Any = kept[0] if len(kept) == 1 else kept
                self.edits.replace(dataset, tag=tag, vr=vr, value=value, action=Action.CLEAN, path=path, rule=reason)
                return
        self._apply_basic(dataset, tag=tag, vr=vr, action=basic, path=path, rule=reason, parent=parent)

    def _shift(
        self, dataset: Dataset, *, element: DataElement, vr: str, fallback: Action, path: str, rule: str, parent: str
    ) -> None:
        values = [text for text in strings_of(element) if text.strip(" \0")]
        if not values:
            self.edits.note(Action.KEEP, rule=rule, path=path, tag=element.tag, vr=vr, before=element, after=element)
            return
        days = self.plan.subject.shift_days
        sought = self.plan.identifiers
        moved = [times.shifted(text, vr=vr, days=days, identifiers=sought) for text in values]
        if any(one is None for one in moved):
            self._apply_basic(
                dataset, tag=element.tag, vr=vr, action=fallback, path=path, rule=RULE_UNREADABLE, parent=parent
            )
            return
        value: Any = moved if len(moved) > 1 else moved[0]
        self.edits.replace(dataset, tag=element.tag, vr=vr, value=value, action=Action.CLEAN, path=path, rule=rule)

    # -- attributes outside the table ----------------------------------------------------------------------------

    def _unlisted(self, dataset: Dataset, *, tag: BaseTag, path: str) -> None:
        """By VR: what can hold a person, a date, a UID or an address is treated as if the table had listed it."""
        element = element_of(dataset, tag)
        if element is None:
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_UNREADABLE)
            return
        stated = dictionary_VR(tag)
        if tag in OTHER_CALENDARS or (element.VR == "UN" and stated != "UI"):
            rule = RULE_UNLISTED if tag in OTHER_CALENDARS else RULE_UNREADABLE
            self.edits.remove(dataset, tag=tag, path=path, rule=rule)
            return
        honest = self._honest(dataset, element=element, stated=stated, path=path)
        if honest is None:
            return
        element = honest
        vr = vr_of(tag=tag, element=element, stated=stated)
        if vr == "SQ":
            self._recurse(dataset, element=element, action=Action.KEEP, path=path, rule=RULE_KEPT)
        elif vr == "UN" or vr in binaries.BYTE_VRS:
            self._binary(dataset, element=element, vr=vr, path=path)
        elif vr == "UI":
            self.edits.map_uids(dataset, tag=tag, path=path, rule=RULE_UNLISTED)
        elif vr == "PN":
            self.edits.replace(dataset, tag=tag, vr=vr, value="", action=Action.EMPTY, path=path, rule=RULE_UNLISTED)
        elif vr == "UR":
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_UNLISTED)
        elif vr == "AE":
            self.edits.replace(
                dataset, tag=tag, vr=vr, value=dummies.BY_VR["AE"], action=Action.DUMMY, path=path, rule=RULE_UNLISTED
            )
        elif vr in ("DA", "DT", "TM"):
            if self.profile.has(Option.RETAIN_FULL_DATES):
                self.edits.keep(dataset, element=element, vr=vr, path=path, rule=RULE_UNLISTED)
            elif self.profile.has(Option.RETAIN_MODIFIED_DATES):
                self._shift(
                    dataset, element=element, vr=vr, fallback=Action.DUMMY, path=path, rule=RULE_UNLISTED, parent=""
                )
            else:
                value = dummies.BY_VR[vr]
                self.edits.replace(
                    dataset, tag=tag, vr=vr, value=value, action=Action.DUMMY, path=path, rule=RULE_UNLISTED
                )
        elif vr in FREE_TEXT_VRS or tag == TEXT_VALUE:
            text = "\\".join(strings_of(element))
            self._free_text(dataset, element=element, vr=vr, text=text, path=path)
        elif vr in LABEL_VRS and tag not in CODE_PARTS:
            self._labels(dataset, element=element, vr=vr, path=path)
        else:
            self.edits.keep(dataset, element=element, vr=vr, path=path, rule=RULE_KEPT)

    def _free_text(self, dataset: Dataset, *, element: DataElement, vr: str, text: str, path: str) -> None:
        tag = element.tag
        is_kept = self.edits.is_kept(text, keyword=element.keyword, vr=vr)
        cleaned = text if is_kept else self.edits.clean_text(text)
        if cleaned == text:
            self.edits.note(Action.KEEP, rule=RULE_KEPT, path=path, tag=tag, vr=vr, before=element, after=element)
            return
        self.edits.replace(
            dataset,
            tag=tag,
            vr=vr,
            value=cleaned or dummies.REMOVED,
            action=Action.CLEAN,
            path=path,
            rule=RULE_UNLISTED,
        )

    def _labels(self, dataset: Dataset, *, element: DataElement, vr: str, path: str) -> None:
        """Values that can only be technique stay; of others the safe words do under Clean Descriptors, else a dummy."""
        values = strings_of(element)
        kept = [self.edits.is_kept(one, keyword=element.keyword, vr=vr) for one in values]
        if all(kept) and (len(values) < 2 or self.plan.identifiers.find("".join(values)) is None or vr == "CS"):
            self.edits.note(
                Action.KEEP, rule=RULE_KEPT, path=path, tag=element.tag, vr=vr, before=element, after=element
            )
            return
        if element.tag == CHARACTER_SET:
            self.edits.remove(dataset, tag=element.tag, path=path, rule=RULE_UNREADABLE)
            return
        # Values that are safe one by one may make up a number together.
        new = [
            one if safe and not all(kept) else self._label(one, keyword=element.keyword, vr=vr, path=path)
            for one, safe in zip(values, kept, strict=True)
        ]
        value = new if len(new) > 1 else new[0]
        self.edits.replace(
            dataset, tag=element.tag, vr=vr, value=value, action=Action.CLEAN, path=path, rule=RULE_UNLISTED
        )

    def _label(self, text: str, *, keyword: str, vr: str, path: str) -> str:
        if vr == "CS" or not (self.profile.has(Option.CLEAN_DESCRIPTORS) or keyword in structures.KINDS):
            return dummies.REMOVED
        return self.edits.cleaned(text, keyword=keyword, vr=vr, path=path) or dummies.REMOVED

    def _binary(self, dataset: Dataset, *, element: DataElement, vr: str, path: str) -> None:
        """Bytes stay where the image needs them; `binaries.suspicious` held the object back if they tell anything."""
        tag = element.tag
        if tag == ICC_PROFILE and isinstance(element.value, bytes):
            clean = binaries.clean_icc(element.value, identifiers=self.plan.identifiers)
            if clean is not None:
                self.edits.replace(
                    dataset, tag=tag, vr="OB", value=clean, action=Action.CLEAN, path=path, rule=RULE_BINARY
                )
                return
        if element.keyword in binaries.KEPT:
            self.edits.note(Action.KEEP, rule=RULE_KEPT, path=path, tag=tag, vr=vr, before=element, after=element)
        else:
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_BINARY)

    def _clean_code(self, item: Dataset, *, path: str) -> None:
        changes = codes.clean_item(item, identifiers=self.plan.identifiers, uids=self.plan.uids)
        for keyword, value in changes.items():
            element = item[keyword]
            self.edits.replace(
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
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_TABLE)
            return None
        safe = load_safe_private().get((creator, tag.group, tag.elem & 0xFF))
        element = element_of(dataset, tag) if safe is not None else None
        if safe is None or element is None or element.VR not in safe.vrs:
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_SAFE_PRIVATE)
            return None
        if element.VR == "SQ":
            self._recurse(dataset, element=element, action=Action.KEEP, path=path, rule=RULE_SAFE_PRIVATE)
        elif element.VR == "UI":
            self.edits.map_uids(dataset, tag=tag, path=path, rule=RULE_SAFE_PRIVATE)
        elif element.VR in ("DA", "DT", "TM", "PN", "UN") or binaries.is_free(
            element, identifiers=self.plan.identifiers
        ):
            self.edits.remove(dataset, tag=tag, path=path, rule=RULE_SAFE_PRIVATE)
            return None
        else:
            self.edits.keep(dataset, element=element, vr=str(element.VR), path=path, rule=RULE_SAFE_PRIVATE)
        return block

    # -- sequences -----------------------------------------------------------------------------------------------

    def _recurse(self, dataset: Dataset, *, element: DataElement, action: Action, path: str, rule: str) -> None:
        keyword = self.edits.keyword_of(element.tag)
        for number, item in enumerate(element.value or (), start=1):
            self.walk(item, path=f"{path}{keyword}[{number}].", parent=keyword)
            if keyword == "GraphicAnnotationSequence" and "TextObjectSequence" in item:
                # PS3.15 E.3.3: text drawn on an image is not cleaned, it goes.
                self.edits.remove(item, tag=Tag("TextObjectSequence"), path=f"{path}{keyword}[{number}].", rule=rule)
        # A sequence read from the file is a new object now: take the cleaned one over.
        dataset[element.tag] = element
        self.edits.note(action, rule=rule, path=path, tag=element.tag, vr="SQ", before=element, after=element)
