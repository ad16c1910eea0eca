"""The data folder belongs to one user: folders 0700 and files 0600, whatever the umask was when they were made.

The umask keeps what is written from now on closed; `close` puts right what was written before, by an older PACSWeb, by a
copy without modes, or by hand.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pacsweb.launcher.messages import LaunchError

UMASK = 0o077
FOLDER, FILE, PROGRAM = 0o700, 0o600, 0o700


@dataclass(kw_only=True)
class Closed:
    """What `close` found: how many modes were put right, and what belongs to somebody else and stays as it is."""

    put_right: int = 0
    foreign: list[Path] = field(default_factory=list)


def be_private() -> None:
    """What this process and its children write is closed to every other user."""
    os.umask(UMASK)


def close_folder(folder: Path) -> bool:
    """Close the folder itself. True when it was open. Raises `LaunchError` when that is not ours to do."""
    if stat.S_IMODE(folder.stat().st_mode) == FOLDER:
        return False
    try:
        folder.chmod(FOLDER)
    except PermissionError:
        raise LaunchError(
            f"The data folder {folder} belongs to another user and cannot be closed to others; start PACSWeb as that user, "
            "or set PACSWEB_DATA to a folder that you own."
        ) from None
    return True


def close(folder: Path) -> Closed:
    """Close everything below a folder. A million files take about six seconds.

    Links are not followed, but for one directly in it that leads to a folder. A folder of another user (the database's) is
    closed and not entered: what its owner may exchange at any moment is not for root to change.
    """
    found = Closed()
    tops = [folder]
    for entry in _entries(folder):
        if entry.is_symlink() and entry.is_dir():
            target = Path(entry.path).resolve()
            found.put_right += close_folder(target)
            tops.append(target)
    while tops:
        entries = _entries(tops.pop())
        tops += [Path(entry.path) for entry in entries if _close_entry(entry=entry, found=found)]
    return found


def _close_entry(*, entry: os.DirEntry[str], found: Closed) -> bool:
    """True when it is a folder to go on in."""
    try:
        status = entry.stat(follow_symlinks=False)
        mode = status.st_mode
        if stat.S_ISDIR(mode):
            wanted = FOLDER
        elif stat.S_ISREG(mode):
            wanted = PROGRAM if mode & 0o100 else FILE
        else:
            return False
        if stat.S_IMODE(mode) != wanted and stat.S_IMODE(mode) & ~wanted:
            Path(entry.path).chmod(wanted)
            found.put_right += 1
    except FileNotFoundError:
        return False
    except PermissionError:
        found.foreign.append(Path(entry.path))
        return False
    return stat.S_ISDIR(mode) and status.st_uid == os.geteuid()


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except (FileNotFoundError, PermissionError):
        return
