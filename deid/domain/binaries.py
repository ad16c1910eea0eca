"""Binary elements: bytes may spell as well as letters. Few kinds are kept, each after a look at what is in it."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from deid.domain import texts
from deid.domain.elements import bytes_of
from deid.domain.identifiers import TEXT_VRS, Identifiers, strings_of
from deid.domain.words import words

BYTE_VRS: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "UN"))
# An element of a numeric VR with more values than this is looked at as bytes: LUT Data may be written as US.
MANY_VALUES: Final = 4

# Numbers that the image cannot be shown or used without (PS3.3 C.7.6.3, C.11, C.8.14, C.20, C.10.9).
KEPT: Final = words(
    """
    LUTData RedPaletteColorLookupTableData GreenPaletteColorLookupTableData BluePaletteColorLookupTableData
    AlphaPaletteColorLookupTableData SegmentedRedPaletteColorLookupTableData SegmentedGreenPaletteColorLookupTableData
    SegmentedBluePaletteColorLookupTableData SegmentedAlphaPaletteColorLookupTableData BlendingLookupTableData
    LargeRedPaletteColorLookupTableData LargeGreenPaletteColorLookupTableData LargeBluePaletteColorLookupTableData
    RecommendedDisplayCIELabValueList VectorGridData PointCoordinatesData DoublePointCoordinatesData
    LongPrimitivePointIndexList FirstOrderPhaseCorrectionAngle SpectroscopyData WaveformData ChannelMinimumValue
    ChannelMaximumValue WaveformPaddingValue FilterLookupTableData ExtendedOffsetTable ExtendedOffsetTableLengths
    BlockEdgeData CompensatorProximalThicknessMap CompensatorDistalThicknessMap FloatingPointValues
    TwoDimensionalToThreeDimensionalMapData UValueData VValueData
    """
)

SHORTEST_NAME: Final = 4
# A name of four letters comes about by chance in a large table of numbers.
SMALL: Final = 1 << 16
# A look-up table has 65,536 entries at most (PS3.3 C.11.1.1.1).
LARGEST_TABLE: Final = 1 << 18
SHORTEST_TEXT: Final = 10
SHORT_TABLE: Final = 512
_TEXT: Final = re.compile(rb"[A-Za-z0-9 ^=.,:/_@-]{10,}")
_LETTERS: Final = re.compile(rb"[A-Za-z]{3,}")
_FIGURES: Final = re.compile(rb"[0-9]{2,}")


def suspicious(dataset: Dataset, *, identifiers: Identifiers, path: str = "") -> Iterator[str]:
    """Paths of binary elements that are kept and hold something like text."""
    for key in sorted(dataset.keys()):
        raw = dataset.get_item(key)
        vr = raw.VR
        if raw.tag.is_private:
            continue
        if vr == "SQ" or (vr is None and raw.tag == 0):
            for number, item in enumerate(_items(dataset, key), start=1):
                yield from suspicious(item, identifiers=identifiers, path=f"{path}{dataset[key].keyword}[{number}].")
            continue
        element = None
        if vr in BYTE_VRS or vr in ("US", "SS", "UL", "FL", "FD") or vr is None:
            element = bytes_of(dataset, raw.tag)
        if element is None:
            continue
        keyword, content, is_many = element
        if (keyword in KEPT or is_many) and tells(content, identifiers=identifiers):
            yield path + keyword


def is_free(element: DataElement, *, identifiers: Identifiers) -> bool:
    """Whether an element that is safe by definition holds text that is more than technique, or bytes that spell."""
    if element.VR in TEXT_VRS:
        return not all(
            identifiers.find(value) is None and texts.is_technical(value, has_codes=True)
            for value in strings_of(element)
        )
    return isinstance(element.value, bytes) and tells(element.value, identifiers=identifiers)


def _items(dataset: Dataset, key: int) -> list[Dataset]:
    try:
        return list(dataset[key].value or ())
    except Exception:  # noqa: BLE001 -- the engine removes a sequence that cannot be read
        return []


def tells(content: bytes, *, identifiers: Identifiers) -> bool:
    """Whether bytes hold an identifier or run like text, as single bytes, in UTF-16 or one letter in each word."""
    if not content:
        return False
    views = [content]
    if len(content) % 2 == 0:
        views += [content[0::2], content[1::2]]
    is_small = len(content) <= SMALL
    needles = [
        run.encode("ascii")
        for entries in (identifiers.runs, identifiers.words)
        for run in entries
        if run.isascii() and len(run) >= (SHORTEST_NAME if is_small else SHORTEST_NAME + 1)
    ]
    needles += [figure.encode("ascii") for figure in identifiers.numbers]
    if needles:
        for view in views:
            lowered = view.lower()
            if any(needle in lowered for needle in needles):
                return True
    if _is_smooth(content):
        return False
    # By chance, the longer a table the longer the runs of printable bytes in it.
    shortest = SHORTEST_TEXT + 2 * max(0, (len(content) // SHORT_TABLE).bit_length() - 1)
    return any(len(match[0]) >= shortest and _is_text(match[0]) for view in views for match in _TEXT.finditer(view))


def _is_smooth(content: bytes) -> bool:
    """Whether a table of 16-bit or 8-bit numbers only rises or only falls, as a look-up table of grey values does."""
    if len(content) > LARGEST_TABLE:
        return False
    if len(content) % 2 == 0:
        values = struct.unpack(f"<{len(content) // 2}H", content)
        if _is_monotonic(values):
            return True
    return _is_monotonic(tuple(content))


def _is_monotonic(values: tuple[int, ...]) -> bool:
    pairs = list(zip(values, values[1:], strict=False))
    return all(a <= b for a, b in pairs) or all(a >= b for a, b in pairs)


def _is_text(run: bytes) -> bool:
    """Whether a run of printable bytes reads like words: letters or figures together, and neither a ramp nor one value again."""
    if len(set(run)) < 5 or _is_monotonic(tuple(run)):
        return False
    told = sum(len(word) for word in _LETTERS.findall(run)) + sum(len(figure) for figure in _FIGURES.findall(run))
    turns = sum((b - a) * (c - b) < 0 for a, b, c in zip(run, run[1:], run[2:], strict=False))
    return told * 2 >= len(run) and turns * 4 >= len(run)


# -- ICC profiles (ICC.1:2010; PS3.3 C.11.15) ---------------------------------------------------------------------------

_NUMERIC_TAGS: Final = frozenset(
    b"rXYZ gXYZ bXYZ wtpt bkpt lumi chad chrm meas tech rTRC gTRC bTRC kTRC A2B0 A2B1 A2B2 B2A0 B2A1 B2A2 gamt".split()
)
_NUMERIC_TYPES: Final = (
    b"XYZ ",
    b"curv",
    b"para",
    b"sf32",
    b"mft1",
    b"mft2",
    b"mAB ",
    b"mBA ",
    b"meas",
    b"sig ",
    b"chrm",
)
_COLOUR_SPACES: Final = (b"RGB ", b"GRAY", b"XYZ ", b"Lab ", b"CMYK", b"YCbr")
_CLASSES: Final = (b"scnr", b"mntr", b"prtr", b"spac")
_ICC_TEXT: Final = b"Removed"


def clean_icc(profile: bytes, *, identifiers: Identifiers) -> bytes | None:
    """The colours of an ICC profile without its texts, dates and names; None when it is no sound profile."""
    parsed = _icc_tags(profile)
    if parsed is None:
        return None
    version = profile[8]
    contents = {
        name: content
        for name, content in parsed.items()
        if name in _NUMERIC_TAGS and content[:4] in _NUMERIC_TYPES and not tells(content, identifiers=identifiers)
    }
    if {name for name in parsed if name in _NUMERIC_TAGS} != set(contents) or not contents:
        return None
    contents[b"desc"] = _description(version)
    contents[b"cprt"] = _localised() if version >= 4 else b"text\0\0\0\0" + _ICC_TEXT + b"\0"
    table = b""
    body = b""
    offset = 132 + 12 * len(contents)
    offset += -offset % 4
    start = offset
    for name, content in sorted(contents.items()):
        table += name + struct.pack(">LL", offset + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = bytearray(profile[:128])
    head[0:4] = struct.pack(">L", start + len(body))
    head[4:8] = bytes(4)
    head[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    clean = bytearray(128)
    clean[0:40] = head[0:40]
    # Flags, attributes, intent and illuminant are numbers; platform, maker, model, creator and digest are left out.
    clean[44:48], clean[56:80] = profile[44:48], profile[56:80]
    written = bytes(clean) + struct.pack(">L", len(contents)) + table
    return written + bytes(start - len(written)) + body


def _icc_tags(profile: bytes) -> dict[bytes, bytes] | None:
    if len(profile) < 132 or profile[36:40] != b"acsp" or profile[8] not in (2, 4):
        return None
    if (
        profile[12:16] not in _CLASSES
        or profile[16:20] not in _COLOUR_SPACES
        or profile[20:24] not in (b"XYZ ", b"Lab ")
    ):
        return None
    (size,) = struct.unpack(">L", profile[:4])
    (count,) = struct.unpack(">L", profile[128:132])
    if not 132 + 12 * count <= size <= len(profile) or count > 100:
        return None
    found = {}
    for number in range(count):
        name, offset, length = struct.unpack(">4sLL", profile[132 + 12 * number : 144 + 12 * number])
        if offset + length > size:
            return None
        found[name] = profile[offset : offset + length]
    return found


def _description(version: int) -> bytes:
    if version >= 4:
        return _localised()
    ascii_part = struct.pack(">L", len(_ICC_TEXT) + 1) + _ICC_TEXT + b"\0"
    return b"desc\0\0\0\0" + ascii_part + bytes(8) + bytes(3) + bytes(67)


def _localised() -> bytes:
    text = _ICC_TEXT.decode("ascii").encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">LL", 1, 12) + b"enUS" + struct.pack(">LL", len(text), 28) + text
