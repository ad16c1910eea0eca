"""Which browser the tests drive, with which switches, and the one way to open it.

Two drivers in one process stop each other (each runs a loop in the same thread), so no test opens a browser of its own:
all take the fixture `chromium` of tests/conftest.py.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

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
    "--disable-gpu-compositing",
    "--disable-gpu-rasterization",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]


def find_chromium() -> Path | None:
    """The one that tests/prepare.py fetched into the virtual environment: a known version, and without the windows of a
    whole browser, for which a headless one pays a third of its time. Without it, an installed one."""
    if FETCHED.exists():
        return FETCHED
    return next((Path(found) for found in map(shutil.which, NAMES) if found), None)


@contextmanager
def open_chromium() -> Iterator[Browser]:
    """The browser, with software GL, which the images need. While it is open the calling thread may use the database."""
    from playwright.sync_api import sync_playwright

    found = find_chromium()
    if found is None:
        raise RuntimeError("No browser: install Chromium, or run `python -m tests.prepare` (make test does).")
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    # Playwright's synchronous API runs a loop in this thread; Django would take what follows for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=str(found), args=SWITCHES)
            yield browser
            browser.close()
    finally:
        if before is None:
            os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)
        else:
            os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before
