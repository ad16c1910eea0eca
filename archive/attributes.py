"""All attributes of a stored instance as rows for people: nested sequences, private tags, values shortened."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydicom.datadict import dictionary_description, private_dictionary_description
from pydicom.uid import UID

from archive.domain import elements, json_values, text
from archive.domain.elements import Context, Element, Elements, item_context, vr_of
from archive.domain.elements.representation import dictionary_vr, is_creator
from archive.domain.part10 import Unreadable
from archive.domain.text import clean

MOST_ROWS = 4000
# Of a file that nobody has walked, with items and fragments.
MOST_ELEMENTS = 20_000
MOST_DEPTH = 24
LONGEST_VALUE = 400
LARGEST_READ = 1 << 16


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
        with path.open("rb") as file:
            meta, found = elements.read_elements(file)
            rows = [*_meta_rows(meta), *_walk(found, elements.context_of(found), 0)]
    # The file is whole in structure; what is not even that is still served as bytes.
    except (Unreadable, struct.error, EOFError):
        return Listing(rows=[], matches=0, problem=_("The attributes of this file cannot be shown."))
    is_cut = len(rows) > MOST_ROWS
    if not words:
        return Listing(rows=rows[:MOST_ROWS], matches=len(rows), is_cut=is_cut)
    wanted = words.casefold().split()
    found_at = [index for index, row in enumerate(rows) if not row.is_item and _matches(row, wanted)]
    return Listing(rows=_with_surroundings(rows, found_at)[:MOST_ROWS], matches=len(found_at), is_cut=is_cut)


def list_leading(path: Path) -> Listing:
    """The attributes of a file that may be anything, as far as they can be read; `problem` then says why no further."""
    rows: list[Attribute] = []
    with path.open("rb") as file:
        meta, found, fault = elements.read_leading(file, most=MOST_ELEMENTS)
        problem = fault.reason if fault is not None else ""
        try:
            for row in chain(_meta_rows(meta), _walk(found, elements.context_of(found), 0)):
                rows.append(row)
                if len(rows) > MOST_ROWS:
                    break
        except (Unreadable, struct.error, EOFError, ValueError):
            problem = problem or _("The other attributes of this file cannot be shown.")
    return Listing(rows=rows[:MOST_ROWS], matches=len(rows), is_cut=len(rows) > MOST_ROWS, problem=problem)


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


def _meta_rows(meta: dict[int, bytes]) -> Iterator[Attribute]:
    for tag, value in sorted(meta.items()):
        vr = dictionary_vr(tag) or "UN"
        yield Attribute(0, _tag(tag), _name(tag, ""), vr, _shown(value, vr=vr, tag=tag, context=Context(), big=False))


def _walk(found: Elements, context: Context, depth: int) -> Iterator[Attribute]:
    for element in found:
        yield from _element(element, context, depth)


def _element(element: Element, context: Context, depth: int) -> Iterator[Attribute]:
    vr = vr_of(element, context)
    row = Attribute(
        depth=depth,
        tag=_tag(element.tag),
        name=_name(element.tag, context.creator_of(element.tag)),
        vr=vr,
        value="",
        is_private=bool(element.tag >> 16 & 1),
    )
    if element.items is None:
        if element.size > LARGEST_READ:
            row.value = _bytes(element.size)
        else:
            row.value = _shown(element.value(), vr=vr, tag=element.tag, context=context, big=element.is_big_endian)
        yield row
        return
    row.note = ngettext("%(n)s item", "%(n)s items", len(element.items)) % {"n": len(element.items)}
    yield row
    if depth >= MOST_DEPTH:
        return
    for number, item in enumerate(element.items, start=1):
        yield Attribute(depth + 1, "", _("Item %(n)s") % {"n": number}, "", "", is_item=True)
        yield from _walk(item, item_context(item, context), depth + 2)


def _tag(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def _name(tag: int, creator: str) -> str:
    try:
        if not tag >> 16 & 1:
            return dictionary_description(tag)
        if is_creator(tag):
            return _("Private Creator")
        return f"[{private_dictionary_description(tag, creator)}]" if creator else _("Private")
    except KeyError:
        return _("Private") if tag >> 16 & 1 else ""


def _shown(value: bytes, *, vr: str, tag: int, context: Context, big: bool) -> str:
    if not value:
        return ""
    if vr not in json_values.DECODED:
        head = value[:24].rstrip(b"\0 ")
        if tag >> 16 & 1 and head and all(32 <= byte < 127 for byte in head):
            return _cut(clean(value[:LONGEST_VALUE].decode("ascii", "replace").rstrip("\0 ")))
        return _bytes(len(value))
    if vr in json_values.NUMBERS or vr == "AT":
        numbers = json_values.decode(vr=vr, raw=value, encodings=(), big=big, most=200)
        return _cut(" \\ ".join("" if number is None else str(number) for number in numbers))
    encodings = context.encodings if vr in json_values.TEXT_VRS else ()
    written = text.decode(value, encodings, is_name=vr == "PN").rstrip(" ")
    if vr == "UI":
        uid = UID(written)
        return f"{uid} · {uid.name}" if uid.name != str(uid) else str(uid)
    return _cut(written if vr in json_values.SINGLE_VALUED else " \\ ".join(written.split("\\")))


def _bytes(size: int) -> str:
    return _("%(n)s bytes") % {"n": f"{size:,}".replace(",", "\u202f")}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"
