"""All attributes of a stored instance as rows for people: nested sequences, private tags, values shortened."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID

from archive.domain.text import clean

MOST_ROWS = 4000
MOST_DEPTH = 24
LONGEST_VALUE = 400
BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


@dataclass(slots=True)
class Attribute:
    depth: int
    tag: str
    name: str
    vr: str
    value: str
    is_private: bool = False
    is_item: bool = False
    note: str = ""


@dataclass(slots=True)
class Listing:
    rows: list[Attribute]
    matches: int
    is_cut: bool = False
    problem: str = ""


def list_attributes(path: Path, *, words: str = "") -> Listing:
    """Every attribute, or those in which all `words` occur with the sequences around them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(path, defer_size="64 KB")
            rows = [*_walk(dataset.file_meta, 0), *_walk(dataset, 0)] if dataset.file_meta else list(_walk(dataset, 0))
    except Exception:  # noqa: BLE001 -- the file is whole in structure; what pydicom cannot read is still served as bytes
        return Listing(rows=[], matches=0, problem=_("The attributes of this file cannot be shown."))
    is_cut = len(rows) > MOST_ROWS
    if not words:
        return Listing(rows=rows[:MOST_ROWS], matches=len(rows), is_cut=is_cut)
    wanted = words.casefold().split()
    found = [index for index, row in enumerate(rows) if not row.is_item and _matches(row, wanted)]
    return Listing(rows=_with_surroundings(rows, found)[:MOST_ROWS], matches=len(found), is_cut=is_cut)


def _matches(row: Attribute, wanted: list[str]) -> bool:
    text = f"{row.tag} {row.tag.replace(',', '').strip('()')} {row.name} {row.vr} {row.value}".casefold()
    return all(word in text for word in wanted)


def _with_surroundings(rows: list[Attribute], found: list[int]) -> list[Attribute]:
    """The rows found, each after the sequences and items that it lies in."""
    kept: set[int] = set()
    for index in found:
        kept.add(index)
        depth = rows[index].depth
        at = index
        while depth > 0 and at > 0:
            at -= 1
            if rows[at].depth < depth:
                kept.add(at)
                depth = rows[at].depth
    return [rows[index] for index in sorted(kept)]


def _walk(dataset: Dataset, depth: int) -> Iterator[Attribute]:
    for tag in sorted(dataset.keys()):
        try:
            element = dataset[tag]
        except Exception:  # noqa: BLE001 -- one damaged element must not hide the others
            yield Attribute(depth, f"({tag >> 16:04X},{tag & 0xFFFF:04X})", "", "", "", note=_("cannot be read"))
            continue
        yield from _element(element, depth)


def _element(element: DataElement, depth: int) -> Iterator[Attribute]:
    vr = str(element.VR)
    is_sequence = vr == "SQ"
    row = Attribute(
        depth=depth,
        tag=f"({element.tag.group:04X},{element.tag.element:04X})",
        name=clean(str(element.name)),
        vr=vr,
        value="" if is_sequence else _shown(element),
        is_private=element.tag.is_private,
    )
    if not is_sequence:
        yield row
        return
    items = element.value or []
    row.note = _("%(n)s items") % {"n": len(items)}
    yield row
    if depth >= MOST_DEPTH:
        return
    for number, item in enumerate(items, start=1):
        yield Attribute(depth + 1, "", _("Item %(n)s") % {"n": number}, "", "", is_item=True)
        yield from _walk(item, depth + 2)


def _shown(element: DataElement) -> str:
    value: Any = element.value
    if value is None:
        return ""
    if str(element.VR) in BINARY or isinstance(value, bytes):
        size = len(value) if hasattr(value, "__len__") else 0
        head = bytes(value[:24]) if isinstance(value, bytes) else b""
        if element.tag.is_private and head and all(32 <= byte < 127 for byte in head.rstrip(b"\0 ")):
            return _cut(clean(bytes(value[:LONGEST_VALUE]).decode("ascii", "replace").rstrip("\0 ")))
        return _("%(n)s bytes") % {"n": f"{size:,}".replace(",", "\u202f")}
    if isinstance(value, UID):
        return f"{value} · {value.name}" if value.name != str(value) else str(value)
    if isinstance(value, (list, tuple)) or type(value).__name__ == "MultiValue":
        return _cut(clean(" \\ ".join(str(part) for part in list(value)[:200])))
    return _cut(clean(str(value)))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
