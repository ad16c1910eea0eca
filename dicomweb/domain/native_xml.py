"""The Native DICOM Model (PS3.19 A.1) of a data set, made from its JSON model."""

from __future__ import annotations

import base64
from typing import Any, Final
from xml.sax.saxutils import escape, quoteattr

from pydicom.datadict import keyword_for_tag

GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
NAME_PARTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
# XML 1.0 cannot hold these at all, not even escaped.
_UNFIT: Final = {number: None for number in range(0x20) if number not in (0x09, 0x0A, 0x0D)} | {
    0xFFFE: None,
    0xFFFF: None,
}


def to_xml(model: dict[str, Any]) -> bytes:
    """One `NativeDicomModel` document."""
    parts = [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        '<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM" xml:space="preserve">',
    ]
    _attributes(model, parts)
    parts.append("</NativeDicomModel>")
    return "".join(parts).encode("utf-8", "replace")


def _attributes(model: dict[str, Any], parts: list[str]) -> None:
    for tag, element in sorted(model.items()):
        keyword = keyword_for_tag(int(tag, 16))
        named = f" keyword={quoteattr(keyword)}" if keyword else ""
        parts.append(f'<DicomAttribute tag="{tag}" vr={quoteattr(element["vr"])}{named}>')
        _values(element, parts)
        parts.append("</DicomAttribute>")


def _values(element: dict[str, Any], parts: list[str]) -> None:
    if "BulkDataURI" in element:
        parts.append(f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>")
    elif "InlineBinary" in element:
        base64.b64decode(element["InlineBinary"], validate=True)
        parts.append(f"<InlineBinary>{element['InlineBinary']}</InlineBinary>")
    for number, value in enumerate(element.get("Value", ()), start=1):
        if element["vr"] == "SQ":
            parts.append(f'<Item number="{number}">')
            _attributes(value or {}, parts)
            parts.append("</Item>")
        elif element["vr"] == "PN":
            _name(value or {}, number, parts)
        elif value is not None:
            parts.append(f'<Value number="{number}">{_text(value)}</Value>')


def _name(value: dict[str, str], number: int, parts: list[str]) -> None:
    parts.append(f'<PersonName number="{number}">')
    for group in GROUPS:
        if value.get(group):
            parts.append(f"<{group}>")
            for label, text in zip(NAME_PARTS, value[group].split("^"), strict=False):
                if text:
                    parts.append(f"<{label}>{_text(text)}</{label}>")
            parts.append(f"</{group}>")
    parts.append("</PersonName>")


def _text(value: Any) -> str:
    return escape(str(value).translate(_UNFIT))
