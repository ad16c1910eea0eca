"""Audit keys that lie in the data folder, where no setting gives them. Nothing here needs Django.

===================  =====================================================================
audit-key            the one that stamps and signs
audit-key-previous   those before it, one a line, the newest first
audit-key-next       one that was made and, as far as is known, has not signed anything yet
===================  =====================================================================
"""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path
from typing import Final

KEY: Final = "audit-key"
PREVIOUS: Final = "audit-key-previous"
NEXT: Final = "audit-key-next"


def read_previous(data: Path) -> tuple[str, ...]:
    """The newest first."""
    return tuple(_read(data, PREVIOUS).split())


def prepare_next(data: Path) -> str:
    """A new key, on disk before anything is signed with it: whoever dies over the change finds it again."""
    found = _read(data, NEXT).strip()
    if not found:
        found = base64.b64encode(secrets.token_bytes(32)).decode("ascii")
        _write(data, NEXT, found + "\n")
    return found


def find_next(data: Path) -> str:
    """Empty where none was made."""
    return _read(data, NEXT).strip()


def take_next(data: Path) -> None:
    """The prepared key becomes the one that signs. Done again after a halt in the middle, it gives the same."""
    old, new = _read(data, KEY).strip(), _read(data, NEXT).strip()
    if old != new:
        previous = [one for one in read_previous(data) if one != old]
        _write(data, PREVIOUS, "".join(f"{one}\n" for one in [old, *previous]))
        _write(data, KEY, new + "\n")
    (data / "secrets" / NEXT).unlink()


def _read(data: Path, name: str) -> str:
    try:
        return (data / "secrets" / name).read_text(encoding="ascii")
    except FileNotFoundError:
        return ""


def _write(data: Path, name: str, text: str) -> None:
    """Replace a file in one step, on disk and its owner's alone."""
    folder = data / "secrets"
    part = folder / f".{name}.{os.getpid()}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(folder / name)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
