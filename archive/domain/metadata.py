"""The DICOM JSON model (PS3.18 F) of stored instances, with bulk data left in the files.

`BulkDataURI`s begin with the placeholder `ROOT`; whoever answers a request puts the address of the archive's DICOMweb
root there (one replacement over the whole document). Behind it stands PS3.18's own path:
`studies/…/series/…/instances/…/bulkdata/<tag>[/<item>/<tag>…]`, items counted from 0. Pixel data has `…/frames`.
"""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Iterable
from typing import Any, BinaryIO

from pydicom import config as pydicom_config
from pydicom import dcmread
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from archive.domain.text import clean

ROOT = "{{dicomweb-root}}"
INLINE_BYTES = 256
BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
PIXEL_TAGS = ("7FE00010", "7FE00008", "7FE00009")
AVAILABLE_TRANSFER_SYNTAX = "00083002"
COMPRESSION_LEVEL = 5


def instance_json(
    file: BinaryIO, *, study_uid: str, series_uid: str, sop_uid: str, transfer_syntax_uid: str, number_of_frames: int
) -> dict[str, Any]:
    """All attributes of one stored instance. What cannot be decoded is left out; the identity is always there."""
    base = f"{ROOT}/studies/{study_uid}/series/{series_uid}/instances/{sop_uid}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset = dcmread(file, stop_before_pixels=True, force=False)
            document = _dataset_json(dataset, base=f"{base}/bulkdata")
    except Exception:  # noqa: BLE001 -- a header that pydicom cannot read was still accepted and is still served as a file
        document = {}
    document.pop("00080005", None)
    document = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        **document,
        "0020000D": {"vr": "UI", "Value": [study_uid]},
        "0020000E": {"vr": "UI", "Value": [series_uid]},
        "00080018": {"vr": "UI", "Value": [sop_uid]},
        AVAILABLE_TRANSFER_SYNTAX: {"vr": "UI", "Value": [transfer_syntax_uid]},
    }
    if number_of_frames:
        vr = "OB" if document.get("00280100", {}).get("Value", [16])[0] == 8 else "OW"
        document["7FE00010"] = {"vr": vr, "BulkDataURI": f"{base}/frames"}
    return dict(sorted(document.items()))


def _dataset_json(dataset: Dataset, *, base: str) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for tag in dataset.keys():  # noqa: SIM118 -- iterating a Dataset decodes every element, and one may be damaged
        if tag.group in (0x0002, 0x0000) or tag.element == 0:
            continue
        key = f"{tag:08X}"
        try:
            document[key] = _element_json(dataset[tag], base=f"{base}/{key}")
        except Exception:  # noqa: BLE001, S112 -- one damaged element must not hide the others
            continue
    return document


def _element_json(element: DataElement, *, base: str) -> dict[str, Any]:
    vr = str(element.VR)
    if vr == "SQ":
        items = [_dataset_json(item, base=f"{base}/{index}") for index, item in enumerate(element.value or [])]
        return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}
    if vr in BINARY_VRS or vr.startswith("OB or"):
        vr = "OW" if " or " in vr else vr
        value = element.value
        if value is None or len(value) == 0:
            return {"vr": vr}
        if len(value) > INLINE_BYTES:
            return {"vr": vr, "BulkDataURI": base}
        import base64

        return {"vr": vr, "InlineBinary": base64.b64encode(bytes(value)).decode("ascii")}
    document = element.to_json_dict(None, 1 << 40)
    return {"vr": vr, **{name: _cleaned(value) for name, value in document.items() if name != "vr"}}


def _cleaned(value: Any) -> Any:
    """JSON has no NaN and the wire no lone surrogates."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, list):
        return [_cleaned(part) for part in value]
    if isinstance(value, dict):
        return {name: _cleaned(part) for name, part in value.items()}
    return value


def pack(documents: Iterable[dict[str, Any]]) -> bytes:
    """The JSON array of a series' instances, gzip; the same input gives the same bytes."""
    pieces = [json.dumps(document, separators=(",", ":"), ensure_ascii=False) for document in documents]
    return gzip.compress(("[" + ",".join(pieces) + "]").encode("utf-8", "replace"), COMPRESSION_LEVEL, mtime=0)


def unpack(blob: bytes) -> list[dict[str, Any]]:
    documents: list[dict[str, Any]] = json.loads(gzip.decompress(blob))
    return documents


# Values that break a rule of the standard are shown as they are; validation would only warn or hide them.
pydicom_config.settings.reading_validation_mode = pydicom_config.IGNORE
