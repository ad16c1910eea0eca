"""Which browser the tests drive, and with which switches."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

FETCHED = Path(sys.prefix) / "chromium" / "run"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SWITCHES = [
    "--headless=new",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


def find_chromium() -> Path | None:
    """An installed browser, else the one that tests/prepare.py fetched into the virtual environment."""
    for name in NAMES:
        found = shutil.which(name)
        if found:
            return Path(found)
    return FETCHED if FETCHED.exists() else None
