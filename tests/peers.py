"""Independent programs that prove our doors. Missing ones are skipped aloud, and never in CI."""

from __future__ import annotations

import os
import shutil

import pytest


def require_peer(program: str) -> str:
    """The path of a program, e.g. `storescu`; skips the test without it, fails it in CI."""
    found = shutil.which(program)
    if found:
        return found
    message = f"{program} is not installed; install the package that has it (storescu, echoscu, findscu: dcmtk)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
