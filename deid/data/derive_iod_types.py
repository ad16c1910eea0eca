"""Derive `iod_attribute_types.json`: the type (1, 2, 3) of every attribute that Table E.1-1 gives a choice for, and which
numbers are of type 1.

Run by hand when the standard's edition changes: `python -m deid.data.derive_iod_types`. The source is the JSON form of
PS3.3 that highdicom carries (MIT); it is 22 MB, so only the needed part is kept here.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

HERE = Path(__file__).parent


NUMERIC = frozenset(("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV"))


def _is_number(keyword: str) -> bool:
    return tag_for_keyword(keyword) is not None and NUMERIC.issuperset(dictionary_VR(keyword).split(" or "))


def derive() -> dict[str, Any]:
    standard = files("highdicom") / "_standard"
    iods: dict[str, str] = json.loads((standard / "sop_class_iod_map.json").read_text())
    modules: dict[str, list[dict[str, str]]] = json.loads((standard / "iod_module_map.json").read_text())
    attributes: dict[str, list[dict[str, Any]]] = json.loads((standard / "module_attribute_map.json").read_text())
    table = json.loads((HERE / "ps315_table_e1_1_2026d.json").read_text())
    wanted = {row["keyword"] for row in table["rows"] if "/" in row["basic_profile"]}
    classes = sorted(iods)
    index = {uid: number for number, uid in enumerate(classes)}
    strictest: dict[str, dict[int, str]] = {}
    for uid in classes:
        for module in modules.get(iods[uid], []):
            for attribute in attributes.get(module["key"], []):
                is_number = _is_number(attribute["keyword"]) and attribute["type"][0] == "1"
                if attribute["keyword"] not in wanted and not is_number:
                    continue
                parent = attribute["path"][-1] if attribute["path"] else ""
                found = strictest.setdefault(f"{parent}/{attribute['keyword']}", {})
                # 1C and 2C count as 1 and 2: the source carries the attribute, so its condition held.
                kind = attribute["type"][0]
                found[index[uid]] = min(kind, found.get(index[uid], "3"))
    return {
        "meta": {
            "content": "Strictest type of an attribute by SOP class, as parent sequence/keyword -> type -> classes",
            "source": "PS3.3 module tables as carried by highdicom 0.28.2 (MIT), from innolitics dicom-standard",
            "copyright": "DICOM PS3.3 (c) NEMA - facts extracted from the standard; keep the NEMA acknowledgement",
        },
        "sop_classes": classes,
        "types": {
            path: {
                kind: [number for number, own in sorted(by_class.items()) if own == kind]
                for kind in sorted(set(by_class.values()))
            }
            for path, by_class in sorted(strictest.items())
        },
    }


if __name__ == "__main__":
    (HERE / "iod_attribute_types.json").write_text(json.dumps(derive(), separators=(",", ":")) + "\n")
