"""What a reader of an unknown gets of the attributes that came with the images: enough to draw them, and nothing to read.

Everything that is not listed is withheld: descriptions, names, dates and times, comments, codes, private attributes, the
patient. It is the same that the viewer's page withholds (`viewer.domain.manifest.Manifest._check_blind`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydicom.datadict import dictionary_VR

Model = Mapping[str, Any]

#: Acquisition, relationship (UIDs, numbers, geometry), pixels and their transformations, nuclear medicine, ophthalmic and
#: slide geometry, functional groups: of these the numbers, codes and references. Overlay planes (60xx) are pixels.
_GROUPS: Final = frozenset({0x0018, 0x0020, 0x0022, 0x0028, 0x0048, 0x0054, 0x5200, 0x7FE0, *range(0x6000, 0x6020, 2)})
_NUMBERS: Final = frozenset({"DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
_BINARY: Final = frozenset({"OB", "OD", "OF", "OL", "OV", "OW"})
_VRS: Final = _NUMBERS | _BINARY | {"AT", "CS", "SQ", "UI"}
#: Beyond these groups.
_TAGS: Final = frozenset(
    {
        "00080005",  # Specific Character Set
        "00080008",  # Image Type
        "00080016",
        "00080018",
        "00080056",  # Instance Availability
        "00080060",  # Modality
        "00080061",  # Modalities in Study
        "00080062",  # SOP Classes in Study
        "00080064",  # Conversion Type
        "00080068",  # Presentation Intent Type
        "00081190",  # Retrieve URL: our own
        "00082142",  # Start Trim
        "00082143",
        "00082144",  # Recommended Display Frame Rate
        "00083002",  # Available Transfer Syntax UID
        "00089007",  # Frame Type
        "00089205",  # Pixel Presentation
        "00089206",
        "00089207",
        "00281054",  # Rescale Type: a text, yet of defined terms
        "20500010",  # Presentation LUT Sequence
        "20500020",  # Presentation LUT Shape
    }
)
#: Within the groups, and yet words about the patient, or about who looked: Body Part Examined, Anatomic Region Sequence, and
#: Burned In Annotation, which is YES where a person let an image pass that has words in it.
_WITHHELD: Final = frozenset({"00180015", "00182228", "00280301"})
#: PS3.3 C.11.1.1.2.
_RESCALE_TYPES: Final = frozenset({"OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"})
_CODE_STRING: Final = re.compile(r"[A-Z0-9 _]{0,16}\Z")
_UID: Final = re.compile(r"[0-9.]{0,64}\Z")
_STEP: Final = re.compile(r"[0-9A-F]{8}\Z")


def is_shown(tag: str) -> bool:
    """Whether readers of an unknown get an attribute, by its tag (eight capital hexadecimal digits)."""
    if tag in _TAGS:
        return True
    if int(tag[:4], 16) not in _GROUPS or tag in _WITHHELD:
        return False
    return bool(_vrs(tag)) and _vrs(tag) <= _VRS


def is_path_shown(path: Iterable[str]) -> bool:
    """The same for an attribute in items of sequences: `("52009229", "00289110", "00280030")`."""
    return all(is_shown(tag) for tag in path)


def is_bulk_data_shown(address: str) -> bool:
    """The same for the path of a bulk data address: `28,1201` as `00281201`, in an item as `00283010/0/00283006`."""
    steps = [step.upper() for step in address.strip("/").split("/")]
    tags = steps[::2]
    if not all(_STEP.match(tag) for tag in tags) or not all(step.isdigit() for step in steps[1::2]):
        return False
    return is_path_shown(tags) and bool(_vrs(tags[-1]) & _BINARY)


def shown(model: Model) -> dict[str, Any]:
    """A DICOM JSON model (PS3.18 F) with what is shown of it. Values that are not of their VR are left out, too: a VR that
    lies carries no text through."""
    return {
        tag: _element(tag, element) for tag, element in model.items() if is_shown(tag) and _is_of_its_vr(tag, element)
    }


def _vrs(tag: str) -> frozenset[str]:
    """The VRs of the dictionary; of an overlay plane or a curve those of the first one. Empty for unknown attributes."""
    try:
        return frozenset(dictionary_VR(int(tag, 16)).split(" or "))
    except KeyError:
        return frozenset()


def _is_of_its_vr(tag: str, element: Any) -> bool:
    return isinstance(element, Mapping) and (tag in _TAGS or element.get("vr") in _VRS)


def _element(tag: str, element: Mapping[str, Any]) -> dict[str, Any]:
    vr = str(element.get("vr", ""))
    if vr == "SQ":
        items = [shown(item) for item in element.get("Value") or () if isinstance(item, Mapping)]
        return {"vr": vr, "Value": items} if items else {"vr": vr}
    if "Value" not in element:
        return dict(element)
    values = [value for value in element["Value"] or () if _is_value(tag, vr, value)]
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def _is_value(tag: str, vr: str, value: Any) -> bool:
    if value is None:
        return True  # an empty part of several (PS3.18 F.2.5)
    if tag == "00281054":
        return value in _RESCALE_TYPES
    if tag in ("00080005", "00081190"):
        return isinstance(value, str)  # written by ourselves
    if vr in _NUMBERS:
        return isinstance(value, int | float)
    if vr == "UI":
        return isinstance(value, str) and _UID.match(value) is not None
    return isinstance(value, str) and _CODE_STRING.match(value) is not None
