"""The DICOM JSON model (PS3.18 F) of stored instances, with bulk data left in the files.

`BulkDataURI`s begin with the placeholder `ROOT`; whoever answers a request puts the address of the archive's DICOMweb
root there (one replacement over the whole document). Behind it stands PS3.18's own path:
`studies/…/series/…/instances/…/bulkdata/<tag>[/<item>/<tag>…]`, items counted from 0. Pixel data has `…/frames`.
"""

from __future__ import annotations

import base64
import gzip
import json
import struct
from collections.abc import Iterable
from typing import Any, BinaryIO

from pydicom import config as pydicom_config

from archive.domain import json_values
from archive.domain.elements import (
    PIXEL_TAGS,
    Context,
    Element,
    Elements,
    context_of,
    item_context,
    little_endian,
    read_elements,
    vr_of,
)
from archive.domain.part10 import Unreadable

ROOT = "{{dicomweb-root}}"
INLINE_BYTES = 256
CHARACTER_SET = 0x00080005
AVAILABLE_TRANSFER_SYNTAX = "00083002"
COMPRESSION_LEVEL = 5


def instance_json(
    file: BinaryIO,
    *,
    study_uid: str,
    series_uid: str,
    sop_uid: str,
    transfer_syntax_uid: str,
    number_of_frames: int,
    pixels_end: int = 0,
) -> dict[str, Any]:
    """All attributes of one stored instance, those behind the pixels too. The identity is always there.

    `pixels_end`: see `elements.read_elements`.
    """
    base = f"{ROOT}/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}"
    try:
        _meta, elements = read_elements(file, pixels_end=pixels_end)
        document = _document(elements, context_of(elements), base=f"{base}/bulkdata")
    except (Unreadable, struct.error, EOFError, RecursionError):
        # What cannot be walked (a file of an older release of this archive) is still served as a file.
        elements, document = Elements(), {}
    document = {
        **document,
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "0020000D": {"vr": "UI", "Value": [study_uid]},
        "0020000E": {"vr": "UI", "Value": [series_uid]},
        "00080018": {"vr": "UI", "Value": [sop_uid]},
        AVAILABLE_TRANSFER_SYNTAX: {"vr": "UI", "Value": [transfer_syntax_uid]},
    }
    if number_of_frames:
        tag, vr = _pixel_element(elements, document)
        document[tag] = {"vr": vr, "BulkDataURI": f"{base}/frames"}
    return dict(sorted(document.items()))


def _pixel_element(elements: Elements, document: dict[str, Any]) -> tuple[str, str]:
    if 0x7FE00010 not in elements:
        for tag, vr in ((0x7FE00008, "OF"), (0x7FE00009, "OD")):
            if tag in elements:
                return f"{tag:08X}", vr
    bits = (document.get("00280100", {}).get("Value") or [16])[0]
    return "7FE00010", "OB" if bits == 8 else "OW"


def _document(elements: Elements, context: Context, *, base: str) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for element in elements:
        if element.tag & 0xFFFF == 0 or element.tag in PIXEL_TAGS:
            continue
        key = f"{element.tag:08X}"
        if element.tag == CHARACTER_SET:
            # The whole document is UTF-8, whatever an item was written in.
            document[key] = {"vr": "CS", "Value": ["ISO_IR 192"]}
            continue
        document[key] = _model(element, context, base=f"{base}/{key}")
    return document


def _model(element: Element, context: Context, *, base: str) -> dict[str, Any]:
    vr = vr_of(element, context)
    if element.items is not None:
        items = [
            _document(item, item_context(item, context), base=f"{base}/{index}")
            for index, item in enumerate(element.items)
        ]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if not element.size:
        return {"vr": vr}
    if vr not in json_values.DECODED:
        if element.size > INLINE_BYTES:
            return {"vr": vr, "BulkDataURI": base}
        # Whatever order the words came in, they leave in little endian (PS3.18 F.2.7).
        return {"vr": vr, "InlineBinary": base64.b64encode(little_endian(element, vr)).decode("ascii")}
    values = json_values.decode(vr=vr, raw=element.value(), encodings=context.encodings, big=element.is_big_endian)
    return {"vr": vr, "Value": values} if values else {"vr": vr}


def pack(documents: Iterable[dict[str, Any]]) -> bytes:
    """The JSON array of a series' instances, gzip; the same input gives the same bytes."""
    pieces = [json.dumps(document, separators=(",", ":"), ensure_ascii=False) for document in documents]
    return gzip.compress(("[" + ",".join(pieces) + "]").encode("utf-8", "replace"), COMPRESSION_LEVEL, mtime=0)


def unpack(blob: bytes) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = json.loads(gzip.decompress(blob))
    return documents


# Values that break a rule of the standard are shown as they are; validation would only warn or hide them.
pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
