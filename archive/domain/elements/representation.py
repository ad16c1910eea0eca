"""Which value representation an element has where its file does not say so, or cannot be believed (PS3.5 6.2, A.1)."""

from __future__ import annotations

import functools
import struct
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_VR, private_dictionary_VR

from archive.domain import text
from archive.domain.elements.model import Element, Elements

CHARACTER_SET: Final = 0x00080005
PIXEL_REPRESENTATION: Final = 0x00280103
TABLE_DATA: Final = frozenset({0x00283006, 0x00281201, 0x00281202, 0x00281203})
KNOWN: Final = frozenset(
    {
        "AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OD", "OF", "OL", "OV", "OW", "PN",
        "SH", "SL", "SQ", "SS", "ST", "SV", "TM", "UC", "UI", "UL", "UN", "UR", "US", "UT", "UV",
    }
)  # fmt: skip
#: Bytes of one number.
UNIT: Final = {
    "AT": 2, "US": 2, "SS": 2, "OW": 2, "UL": 4, "SL": 4, "FL": 4, "OL": 4, "OF": 4,
    "FD": 8, "OD": 8, "SV": 8, "UV": 8, "OV": 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Context:
    """What holds for the elements of a data set or item: character sets, sign of its pixels, private creators."""

    encodings: tuple[str, ...] = ()
    is_signed: bool = False
    creators: tuple[tuple[int, str], ...] = ()

    def creator_of(self, tag: int) -> str:
        block = (tag & 0xFFFF0000) | ((tag & 0xFF00) >> 8)
        return next((name for at, name in self.creators if at == block), "")


def context_of(elements: Elements, *, outer: Context | None = None) -> Context:
    """An item's own character set counts, else that around it (PS3.3 C.12.1.1.2); so with the sign of its pixels."""
    outer = outer or Context()
    encodings, is_signed = outer.encodings, outer.is_signed
    if CHARACTER_SET in elements and elements.value(CHARACTER_SET).strip(b" \0"):
        encodings = tuple(text.encodings_of(elements.value(CHARACTER_SET)))
    element = elements.get(PIXEL_REPRESENTATION)
    if element is not None and element.size >= 2:
        (representation,) = struct.unpack((">" if element.is_big_endian else "<") + "H", element.value()[:2])
        is_signed = representation == 1
    creators = tuple(
        (tag, elements.value(tag).strip(b" \0").decode("latin_1"))
        for tag in elements.by_tag
        if is_creator(tag) and elements.by_tag[tag].size <= 64
    )
    return Context(encodings=encodings, is_signed=is_signed, creators=creators)


def item_context(item: Elements, context: Context) -> Context:
    return context_of(item, outer=context)


def is_creator(tag: int) -> bool:
    """Private creators (PS3.5 7.8.1)."""
    return bool(tag >> 16 & 1) and 0x10 <= tag & 0xFFFF <= 0xFF


@functools.lru_cache(maxsize=8192)
def dictionary_vr(tag: int) -> str:
    """Of the standard's dictionary; several as it writes them, as in “OB or OW”; empty for what it does not know."""
    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return ""


def vr_of(element: Element, context: Context) -> str:
    """One of the standard's value representations, for every element; what nobody knows is UN."""
    found = element.vr if element.vr in KNOWN and element.vr != "UN" else ""
    if element.items is not None:
        return "SQ"
    found = found or _looked_up(element, context)
    if found == "SQ" and element.size:
        # Said to be a sequence, but no items could be read in it.
        return "UN"
    unit = UNIT.get(found, 1)
    return found if element.size % unit == 0 else "UN"


def _looked_up(element: Element, context: Context) -> str:
    tag = element.tag
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        return _private(element, context)
    known = dictionary_vr(tag)
    if " or " in known:
        return _chosen(element, known, context)
    return known or "UN"


def _private(element: Element, context: Context) -> str:
    if is_creator(element.tag):
        return "LO"
    creator = context.creator_of(element.tag)
    if not creator:
        return "UN"
    try:
        known = str(private_dictionary_VR(element.tag, creator))
    except KeyError:
        return "UN"
    # What a vendor's dictionary says of a sequence counts only where items were read.
    return known if known in KNOWN and known != "SQ" else "UN"


def _chosen(element: Element, known: str, context: Context) -> str:
    """Of several the one that holds the bytes whatever they are: words (PS3.5 A.1: OW in implicit VR)."""
    names = known.split(" or ")
    if "OW" in names and ("OB" in names or element.tag in TABLE_DATA):
        return "OW"
    if "SS" in names and context.is_signed:
        return "SS"
    return "US" if "US" in names else names[0]
