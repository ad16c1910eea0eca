"""What the launcher says to the person in front of it."""

from __future__ import annotations

import sys


class LaunchError(Exception):
    """Why PACSWeb did not start, in one sentence that says what to do."""


def say(text: str) -> None:
    """One line of progress; nobody listening is no reason to stop."""
    try:
        print(text, flush=True)
    except (BrokenPipeError, ValueError):
        sys.stdout = open("/dev/null", "w", encoding="utf-8")  # noqa: SIM115, PTH123 -- for the life of the process


def complain(text: str) -> None:
    print(f"pacsweb: {text}", file=sys.stderr, flush=True)
