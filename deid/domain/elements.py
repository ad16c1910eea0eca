"""Elements as they were read, and their VRs: nothing here changes a data set."""

from __future__ import annotations

import struct
from typing import Any, Final

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


def terms_of(dataset: Dataset, keyword: str) -> list[str]:
    """The values of an attribute in capitals; none when it is absent or cannot be read."""
    if keyword not in dataset:
        return []
    try:
        return [value.strip(" \0").upper() for value in strings_of(dataset[keyword])]
    except Exception:  # noqa: BLE001 -- the engine removes a value that cannot be read
        return []


def term_of(dataset: Dataset, keyword: str) -> str:
    return "\\".join(terms_of(dataset, keyword))


def has_pixels(dataset: Dataset) -> bool:
    return "Rows" in dataset and "Columns" in dataset


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


# VRs whose values are of one nature: one may stand for another by mistake, but never for one of another family.
_FAMILIES: Final = (
    frozenset(("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT")),
    frozenset(("OB", "OW", "OF", "OD", "OL", "OV")),
    frozenset(("SQ",)),
)
_STRINGS: Final = TEXT_VRS | frozenset(("AS", "DA", "DS", "DT", "IS", "TM", "UI"))


def truthful(element: DataElement, *, stated: str) -> DataElement | None:
    """The element under the VR that the dictionary gives its tag; None when its own VR is of another family.

    A number written as text, or text as bytes, is not what readers of the tag expect, and passes checks made for what
    they do: PS3.5 6.2 leaves no choice of the VR to the sender.
    """
    read = str(element.VR)
    allowed = stated.split(" or ")
    if not stated or read in allowed or "UN" in (read, stated):
        return element
    if any(read in family and any(vr in family for vr in allowed) for family in _FAMILIES):
        return element
    if read in _STRINGS and len(allowed) == 1 and stated in _STRINGS:
        values = strings_of(element)
        try:
            return DataElement(element.tag, stated, values if len(values) != 1 else values[0])
        except Exception:  # noqa: BLE001 -- a value that its VR does not allow is no value
            return None
    return None


def bytes_of(dataset: Dataset, tag: BaseTag) -> tuple[str, bytes, bool] | None:
    """(keyword, value as bytes, whether it has many numbers) of a binary element; None when there are none."""
    element = element_of(dataset, tag)
    if element is None or element.VR not in (*_FAMILIES[0], *_FAMILIES[1], "UN"):
        return None
    if isinstance(element.value, bytes):
        return element.keyword, element.value, element.VR == "US"
    if element.VM <= MANY or element.value is None:
        return None
    form = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}.get(str(element.VR))
    if form is None:
        return None
    return element.keyword, struct.pack(f"<{element.VM}{form}", *element.value), True


MANY: Final = 4


def empty(vr: str) -> Any:
    if vr == "SQ":
        return Sequence()
    return "" if vr in TEXT_VRS or vr in ("DA", "DT", "TM", "UI", "AS", "DS", "IS") else None
