"""What the launcher says to the person in front of it."""

from __future__ import annotations

import contextlib
import os
import sys


class LaunchError(Exception):
    """Why PACSWeb did not start, in one sentence that says what to do."""


def say(text: str) -> None:
    """One line of progress. Nobody who listens is no reason to stop, nor a log on a full disk."""
    _write(descriptor=1, line=text)


def complain(text: str) -> None:
    """One line about what went wrong; the same."""
    _write(descriptor=2, line=f"pacsweb: {text}")


def _write(*, descriptor: int, line: str) -> None:
    stream = sys.stdout if descriptor == 1 else sys.stderr
    try:
        print(line, file=stream, flush=True)
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, descriptor)
            os.close(nowhere)
    except (OSError, ValueError):
        # What could not be written stays in the stream's buffer, and is written with the next line.
        return
