"""Are the licences of everything we depend on compatible with ours (Apache-2.0)?

Each Python and npm package must carry a licence of the list below, or stand among the reviewed exceptions with a reason.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

COMPATIBLE = {
    "0bsd", "apache", "apache 2.0", "apache software license", "apache-2.0", "blueoak-1.0.0", "bsd", "bsd 3-clause",
    "bsd license", "bsd-2-clause", "bsd-3-clause", "bsl-1.0", "cc-by-4.0", "cc0-1.0", "cnri-python", "dfsg approved",
    "hpnd", "isc", "isc license", "isc license (iscl)", "mit", "mit license", "mit-0", "mit-cmu", "modified bsd license",
    "mozilla public license 2.0", "mozilla public license 2.0 (mpl 2.0)", "mpl-2.0", "new bsd", "ofl-1.1", "psf-2.0",
    "public domain", "python software foundation license", "python-2.0", "the unlicense (unlicense)", "unlicense",
    "wtfpl", "zlib", "bsd 2-clause license", "bsd 3-clause license", "new bsd license", "3-clause bsd license",
    "simplified bsd", "zpl-2.1",
}  # fmt: skip

EXCEPTIONS: dict[str, str] = {
    "ldap3": "LGPL-3.0: used unmodified, as a separate package that can be replaced",
    "psycopg": "LGPL-3.0: used unmodified, as a separate package that can be replaced",
    "psycopg-binary": "LGPL-3.0: used unmodified, as a separate package that can be replaced",
    "psycopg-pool": "LGPL-3.0: used unmodified, as a separate package that can be replaced",
    "qrcode": "BSD-3-Clause, parts MIT; its second classifier only tells of the trade mark “QR Code”",
    "djlint": "GPL-3.0: a development tool, run as a program; nothing of it is in what we ship",
}


def python_packages() -> dict[str, str]:
    """Installed packages of the pinned sets, with what their metadata says about their licence."""
    pinned = set()
    for line in (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8").splitlines():
        found = re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^]]*\])?==", line)
        if found:
            pinned.add(normal(found.group(1)))
    licences = {}
    for distribution in importlib.metadata.distributions():
        name = normal(distribution.metadata["Name"] or "")
        if name in pinned:
            licences[name] = licence_of(metadata=distribution.metadata)
    return licences


def licence_of(*, metadata: Any) -> str:
    expression = metadata.get("License-Expression")
    if expression:
        return str(expression)
    classifiers = [
        line.rsplit(" :: ", 1)[-1]
        for line in metadata.get_all("Classifier") or []
        if line.startswith("License ::") and not line.endswith("OSI Approved")
    ]
    if classifiers:
        return " AND ".join(classifiers)
    text = str(metadata.get("License") or "unknown")
    return text.splitlines()[0] if text else "unknown"


def npm_packages() -> dict[str, str]:
    lock = json.loads((ROOT / "static" / "package-lock.json").read_text(encoding="utf-8"))
    licences = {}
    for path, package in lock["packages"].items():
        if not path:
            continue
        name = path.rsplit("node_modules/", 1)[-1]
        licence = package.get("license")
        if not licence:
            installed = ROOT / "static" / path / "package.json"
            found = json.loads(installed.read_text(encoding="utf-8")) if installed.exists() else {}
            licence = found.get("license") or [entry.get("type") for entry in found.get("licenses", [])] or "unknown"
        if isinstance(licence, dict):
            licence = licence.get("type", "unknown")
        licences[name] = " OR ".join(map(str, licence)) if isinstance(licence, list) else str(licence)
    return licences


def compatible(expression: str) -> bool:
    """One side of an OR is enough; every side of an AND is needed."""
    bare = expression.replace("(MPL 2.0)", "").replace("(ISCL)", "").replace("(Unlicense)", "").strip()
    bare = re.sub(r"^\((.*)\)$", r"\1", bare)
    if bare.lower().strip() in COMPATIBLE:
        return True
    if " OR " in bare:
        return any(compatible(side) for side in bare.split(" OR "))
    sides = re.split(r" AND | and |;|, ", bare)
    return len(sides) > 1 and all(compatible(side.strip()) for side in sides)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> int:
    bad = []
    packages = {**python_packages(), **npm_packages()}
    for name, licence in sorted(packages.items()):
        if not compatible(licence) and name not in EXCEPTIONS:
            bad.append(f"{name}: {licence}")
    stale = sorted(set(EXCEPTIONS) - set(packages))
    bad += [f"{name}: an exception for a package that we no longer depend on" for name in stale]
    print("\n".join(bad) if bad else f"{len(packages)} packages, {len(EXCEPTIONS)} reviewed exceptions")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
