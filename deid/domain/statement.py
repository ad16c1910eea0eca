"""What de-identification itself writes: the pseudonym, and how it was done."""

from __future__ import annotations

from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from deid.domain import codes, dummies
from deid.domain.changes import Record
from deid.domain.edits import Edits
from deid.domain.elements import element_of
from deid.domain.identifiers import strings_of
from deid.domain.plan import Plan
from deid.domain.profile import Action, Option
from deid.domain.rules import RULE_ADDED, RULE_TABLE

METHOD_NAME: Final = "PACSWeb"
PATIENT_NAME: Final = 0x00100010
PATIENT_ID: Final = 0x00100020
METHOD_CODES: Final = 0x00120064
OWN_KEYWORDS: Final = (
    "PatientName",
    "PatientID",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "LongitudinalTemporalInformationModified",
)


def own_words(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """What was written by `deidentify` into its output, by path, so that nobody takes it for the patient's."""
    found = {keyword: _values(dataset, keyword) for keyword in OWN_KEYWORDS}
    for number, item in enumerate(dataset.get("DeidentificationMethodCodeSequence") or (), start=1):
        for keyword in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"):
            found[f"DeidentificationMethodCodeSequence[{number}].{keyword}"] = _values(item, keyword)
    return found


def _values(dataset: Dataset, keyword: str) -> tuple[str, ...]:
    return tuple(strings_of(dataset[keyword])) if keyword in dataset else ()


def add_patient(dataset: Dataset, *, plan: Plan, edits: Edits) -> None:
    """The pseudonym, where the source has no name or number to replace."""
    for tag, vr, value in (
        (PATIENT_NAME, "PN", plan.subject.patient_name),
        (PATIENT_ID, "LO", plan.subject.patient_id),
    ):
        if tag not in dataset:
            edits.replace(dataset, tag=tag, vr=vr, value=value, action=Action.DUMMY, path="", rule=RULE_TABLE)


def add(dataset: Dataset, *, plan: Plan, record: Record) -> None:
    """PS3.15 E.1.1 step 6 and E.3.6: how, by which options, and what became of dates."""
    if plan.profile.has(Option.RETAIN_FULL_DATES):
        temporal = "UNMODIFIED"
    else:
        temporal = "MODIFIED" if plan.profile.has(Option.RETAIN_MODIFIED_DATES) else "REMOVED"
    method = f"{METHOD_NAME}, PS3.15 {plan.profile.table.edition} Basic Profile"
    items = _earlier_methods(dataset)
    earlier = {(str(item.get("CodeValue", "")), str(item.get("CodingSchemeDesignator", ""))) for item in items}
    for value, meaning in plan.profile.method_codes:
        if (value, "DCM") not in earlier:
            items.append(dummies.code_item(value=value, meaning=meaning[:64], scheme="DCM"))
    for keyword, vr, new in (
        ("PatientIdentityRemoved", "CS", "YES"),
        ("DeidentificationMethod", "LO", method),
        ("DeidentificationMethodCodeSequence", "SQ", Sequence(items)),
        ("LongitudinalTemporalInformationModified", "CS", temporal),
    ):
        element = DataElement(Tag(keyword), vr, new)
        dataset[element.tag] = element
        if record.keeps_changes:
            record.note(
                action=Action.DUMMY,
                rule=RULE_ADDED,
                path=keyword,
                tag=element.tag,
                keyword=keyword,
                vr=vr,
                before=None,
                after=element,
            )


def _earlier_methods(dataset: Dataset) -> list[Dataset]:
    """How others de-identified the object before (PS3.15 E.1.1 step 6: codes are added, not replaced), once each."""
    element = element_of(dataset, Tag(METHOD_CODES))
    if element is None or element.VR != "SQ":
        return []
    return [item for item in element.value or () if codes.is_standard_item(item)]
