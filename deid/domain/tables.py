"""Look-up tables and short lists of numbers that spell: "Zofia" takes five entries of a table, or three numbers of 16 bits."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from deid.domain.elements import element_of
from deid.domain.identifiers import TEXT_VRS

#: Tables of an image have 256 entries and more; what is shorter is looked at letter by letter.
SHORT_TABLE: Final = 64
#: Fewer entries rise or fall by chance.
FEW_ENTRIES: Final = 8
_FEWEST_BITS, _MOST_BITS = 8, 16
_WHOLE: Final = 1 << 16
_SPELLS: Final = re.compile(rb"[A-Za-z]{3,}|[0-9]{5,}")
_WORD: Final = re.compile(rb"[A-Za-z^ =.0-9\0]*[A-Za-z]{4,}[A-Za-z^ =.0-9\0]*|[0-9]{6,}[ \0]*")
_INTEGERS: Final = {"US": "H", "SS": "h", "UL": "L", "SL": "l"}
_SHORTEST_LIST: Final = 6
#: Not worth decoding here; a VR that is not written counts as any.
_OTHER: Final = TEXT_VRS | {"AS", "DA", "DS", "DT", "FD", "FL", "IS", "TM", "UI"}


def spelling(dataset: Dataset, path: str = "") -> Iterator[str]:
    """Paths of tables that are not what their descriptor says or spell, and of short lists of numbers that spell."""
    for key in sorted(dataset.keys()):
        tag = Tag(key)
        if tag.is_private or dataset.get_item(key).VR in _OTHER:
            continue
        element = element_of(dataset, tag)
        if element is None:
            continue
        if element.VR == "SQ":
            for number, item in enumerate(element.value or (), start=1):
                yield from spelling(item, f"{path}{element.keyword}[{number}].")
        elif is_table(element.keyword):
            if not _is_described(dataset, element) or _spells(element):
                yield path + element.keyword
        elif element.VR in _INTEGERS and _is_word(element):
            yield path + (element.keyword or f"{int(tag):08X}")


def is_table(keyword: str) -> bool:
    return keyword == "LUTData" or keyword.endswith("LookupTableData")


def descriptor_of(keyword: str) -> str:
    """The keyword of the descriptor of a table, empty when it has none of its own (segmented tables)."""
    name = keyword.removesuffix("Data") + "Descriptor"
    return name if tag_for_keyword(name) is not None and not keyword.startswith(("Segmented", "Large")) else ""


def _is_described(dataset: Dataset, table: DataElement) -> bool:
    """Whether a table has the entries that its descriptor states (PS3.3 C.11.1.1.1, C.7.6.3.1.5)."""
    keyword = descriptor_of(table.keyword)
    if not keyword:
        return True
    tag = tag_for_keyword(keyword)
    descriptor = element_of(dataset, Tag(tag)) if tag is not None else None
    if descriptor is None or descriptor.VM != 3 or isinstance(descriptor.value, bytes):
        return False
    entries, _first, bits = (int(value) for value in descriptor.value)
    entries = entries % _WHOLE or _WHOLE
    if not _FEWEST_BITS <= bits <= _MOST_BITS:
        return False
    if isinstance(table.value, bytes):
        # Entries of 8 bits may be packed, two to a word.
        packed = (entries + entries % 2,) if bits == _FEWEST_BITS else ()
        return len(table.value) in (2 * entries, *packed)
    halved = (entries + 1) // 2 if bits == _FEWEST_BITS else entries
    return table.VM in (entries, halved)


def _spells(table: DataElement) -> bool:
    content = _bytes(table)
    if not 0 < len(content) <= 2 * SHORT_TABLE:
        return False
    if len(content) > 2 * FEW_ENTRIES and _is_smooth(content):
        return False
    return any(_SPELLS.search(view) for view in (content, content[0::2], content[1::2]))


def _is_smooth(content: bytes) -> bool:
    words = struct.unpack(f"<{len(content) // 2}H", content[: len(content) // 2 * 2])
    return any(list(values) in (sorted(values), sorted(values, reverse=True)) for values in (words, tuple(content)))


def _is_word(element: DataElement) -> bool:
    """Whether the bytes of a few numbers are letters and nothing else. Longer lists are `binaries.suspicious`'s."""
    content = _bytes(element)
    return _SHORTEST_LIST <= len(content) <= 32 and _WORD.fullmatch(content) is not None


def _bytes(element: DataElement) -> bytes:
    if isinstance(element.value, bytes):
        return element.value
    form = _INTEGERS.get(str(element.VR))
    if form is None or element.value is None:
        return b""
    values = [element.value] if element.VM == 1 else list(element.value)
    return struct.pack(f"<{len(values)}{form}", *values) if all(isinstance(one, int) for one in values) else b""
