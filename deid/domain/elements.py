"""Elements as they were read, and their VRs: nothing here changes a data set."""

from __future__ import annotations

from typing import Any

from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

from deid.domain.identifiers import TEXT_VRS, strings_of


def private_creators(dataset: Dataset) -> dict[tuple[int, int], str]:
    """(group, block) → creator, for every private block that is reserved in this data set (PS3.5 7.8.1)."""
    found: dict[tuple[int, int], str] = {}
    for key in dataset.keys():  # noqa: SIM118 -- iterating the data set itself reads every element
        tag = Tag(key)
        if tag.is_private_creator:
            element = element_of(dataset, tag)
            value = element.value if element is not None else None
            if isinstance(value, bytes):
                value = value.decode("latin-1")
            found[tag.group, tag.elem] = str(value or "").strip(" \0")
    return found


def element_of(dataset: Dataset, tag: BaseTag) -> DataElement | None:
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


def raw_bytes(dataset: Dataset, *, tag: BaseTag, element: DataElement) -> bytes:
    raw = dataset.get_item(tag)
    if isinstance(raw, RawDataElement):
        return bytes(raw.value or b"")
    return "\\".join(strings_of(element)).encode("utf-8")


def vr_of(*, tag: BaseTag, element: DataElement, stated: str) -> str:
    """The VR to write. Of a VR the dictionary leaves open ("US or SS") the one read counts."""
    if " " in stated or not stated:
        return str(element.VR)
    return stated


def empty(vr: str) -> Any:
    if vr == "SQ":
        return Sequence()
    return "" if vr in TEXT_VRS or vr in ("DA", "DT", "TM", "UI", "AS", "DS", "IS") else None
