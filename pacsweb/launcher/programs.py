"""PostgreSQL's programs where the user that runs them may go.

PostgreSQL refuses to run as root, and `initdb` looks for `postgres` beside itself with access(2), which asks about the
user alone: below a folder that only root may enter (`/root`, mode 0700) both fail whatever was granted to the process.
There the programs are copied to a folder of their own outside, which only root may write, for as long as PACSWeb runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pacsweb.launcher.messages import LaunchError
from pacsweb.launcher.processes import RunAs, run
from pacsweb.local_services import write_private

PLACES = (Path("/run"), Path("/var/tmp"), Path("/tmp"))  # noqa: S108 -- a new folder with a random name, never an old one
PREFIX = "pacsweb-postgres-"
LEFT_OUT = shutil.ignore_patterns("include", "*.a", "__pycache__", "*.py")


@dataclass(frozen=True, kw_only=True)
class Binaries:
    """A folder with `initdb` and `postgres`, and its major version."""

    folder: Path
    major: int

    def __getitem__(self, name: str) -> str:
        return str(self.folder / name)


class Programs:
    """The programs as one user can run them: where they are installed, or a copy that `prepare` makes and `remove` removes."""

    def __init__(self, *, installed: Binaries, user: RunAs, note: Path) -> None:
        """`note`: the file that remembers the copy, for who cleans up after a supervisor that was killed."""
        self._installed = installed
        self._user = user
        self._note = note
        self._copy: Path | None = None
        self._lock: int | None = None

    def __getitem__(self, name: str) -> str:
        return str((self._copy or self._installed.folder) / name)

    def prepare(self) -> None:
        """Make the copy if one is needed and not there. Raises `LaunchError` when there is no place for it."""
        if self._copy is not None and (self._copy / "postgres").exists():
            return
        self.remove()
        if self._user.is_myself or is_within_reach(folder=self._installed.folder, user=self._user):
            return
        for place in PLACES:
            if self._try(place=place):
                return
        raise LaunchError(
            f"PostgreSQL's programs are in {self._installed.folder}, which the user that runs them may not enter, and none of "
            f"{', '.join(map(str, PLACES))} has room for programs that may be executed; install PACSWeb (or set "
            "PACSWEB_POSTGRES_BIN to a PostgreSQL) in a folder that others may enter, or start it as an ordinary user."
        )

    def _try(self, *, place: Path) -> bool:
        if not can_reach(path=place, user=self._user):
            return False
        try:
            top = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place))
        except OSError:
            return False
        try:
            write_private(path=self._note, text=f"{top}\n")
            folder = _copy(installed=self._installed.folder, top=top)
            fits = _runs(folder=folder, user=self._user)
        except OSError:
            fits = False
        if not fits:
            shutil.rmtree(top, ignore_errors=True)
            return False
        # Cleaners of temporary folders leave alone what is locked (tmpfiles.d(5)).
        self._lock = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        self._copy = folder
        return True

    def remove(self) -> None:
        """Remove the copy that the note names; safe to repeat."""
        if self._lock is not None:
            os.close(self._lock)
        self._lock = self._copy = None
        remove_noted(note=self._note)


def remove_noted(*, note: Path) -> None:
    """Remove the copy that a note names, if it is one of ours; the note goes too."""
    try:
        top = Path(note.read_text(encoding="utf-8").strip())
        status = top.lstat()
    except (OSError, ValueError):
        status = None
    if (
        status is not None
        and top.parent in PLACES
        and top.name.startswith(PREFIX)
        and stat.S_ISDIR(status.st_mode)
        and status.st_uid == os.geteuid()
    ):
        shutil.rmtree(top, ignore_errors=True)
    with contextlib.suppress(OSError):
        note.unlink(missing_ok=True)


def _copy(*, installed: Path, top: Path) -> Path:
    """The installation below `top`, with the libraries that a wheel keeps beside its package (`<package>.libs`)."""
    root = installed.parent
    package = root.parent
    copied = top / package.name / root.name
    shutil.copytree(root, copied, ignore=LEFT_OUT)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, top / libraries.name)
    for folder, _folders, names in os.walk(top):
        Path(folder).chmod(0o755)
        for name in names:
            path = Path(folder) / name
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    return copied / installed.name


def _runs(*, folder: Path, user: RunAs) -> bool:
    """Where the disk is mounted `noexec` they do not."""
    return all(
        run(
            command=[str(folder / name), "--version"], environment={"PATH": os.defpath}, run_as=user, cwd=Path("/")
        ).returncode
        == 0
        for name in ("postgres", "initdb")
    )


def is_within_reach(*, folder: Path, user: RunAs) -> bool:
    """May this user run the programs of this folder, and read what belongs to them?"""
    beside = [folder.parent / name for name in ("lib", "share")]
    package = folder.parent.parent
    beside.append(package.with_name(f"{package.name}.libs"))
    wanted = [folder / "initdb", folder / "postgres", *(path for path in beside if path.is_dir())]
    return all(can_reach(path=path, user=user) for path in wanted)


def can_reach(*, path: Path, user: RunAs) -> bool:
    """May this user enter every folder on the way, and the end of it?"""
    end = path.resolve()
    for part in (*reversed(end.parents), end):
        status = part.stat()
        shift = 6 if status.st_uid == user.uid else 3 if status.st_gid == user.gid else 0
        if not (status.st_mode >> shift) & 1:
            return False
    return True
