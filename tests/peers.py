"""Independent programs that prove our doors. Missing ones are skipped aloud, and never in CI."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SLAPD_FETCHED = Path(sys.prefix) / "slapd"


@dataclass(frozen=True)
class Slapd:
    """OpenLDAP's server: the program, where its modules and schemas are, and libraries it may need beside the system's."""

    program: Path
    modules: Path
    schemas: Path
    libraries: Path | None


def find_slapd() -> Slapd | None:
    """An installed one, else the one that tests/prepare.py unpacked into the virtual environment."""
    for root in (Path("/"), SLAPD_FETCHED):
        program, schemas = root / "usr/sbin/slapd", root / "etc/ldap/schema"
        if program.exists() and schemas.exists():
            libraries = next(iter(sorted(root.glob("usr/lib/*/libltdl.so.7"))), None)
            fetched = libraries.parent if libraries is not None and root == SLAPD_FETCHED else None
            return Slapd(program=program, modules=root / "usr/lib/ldap", schemas=schemas, libraries=fetched)
    return None


def require_slapd() -> Slapd:
    """Skips the test without one, fails it in CI."""
    found = find_slapd()
    if found is not None:
        return found
    message = "slapd is not there; run `python -m tests.prepare` on Debian or Ubuntu, or install the package slapd"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def require_peer(program: str) -> str:
    """The path of a program, e.g. `storescu`; skips the test without it, fails it in CI."""
    found = shutil.which(program)
    if found:
        return found
    message = f"{program} is not installed; install the package that has it (storescu, echoscu, findscu: dcmtk)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
