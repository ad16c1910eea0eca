"""The data folder: what is where in it, and whether it can be used."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from core import room
from pacsweb.launcher import modes
from pacsweb.launcher.messages import LaunchError, complain, say
from pacsweb.local_services import write_private

LAYOUT = 1
LEAST_FREE_BYTES = 300 * room.MIB
LEAST_FREE_AGAIN_BYTES = 32 * room.MIB
"""Where a database is already, so that after a reboot on a full disk what is stored can be read."""


@dataclass(frozen=True, kw_only=True)
class Folders:
    data: Path

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def log(self) -> Path:
        return self.data / "log"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def postgres(self) -> Path:
        return self.data / "postgres"

    @property
    def valkey(self) -> Path:
        return self.data / "valkey"

    @property
    def temporary(self) -> Path:
        return self.data / "tmp"

    @property
    def metrics(self) -> Path:
        return self.run / "metrics"

    @property
    def lock(self) -> Path:
        return self.run / "supervisor.lock"

    @property
    def programs_note(self) -> Path:
        return self.run / "postgres-programs"

    @property
    def reserve(self) -> Path:
        return self.run / "reserve"

    @property
    def layout(self) -> Path:
        return self.data / "layout"

    def prepare(self) -> None:
        """Make what is missing and close everything to other users; one clear sentence when the folder cannot be used."""
        try:
            self.data.mkdir(parents=True, exist_ok=True)
            self._check_owner()
            self._check_layout()
            was_open = modes.close_folder(self.data)
            for folder in (self.run, self.log, self.secrets, self.temporary):
                folder.mkdir(exist_ok=True)
            if not self.layout.exists():
                write_private(path=self.layout, text=f"{LAYOUT}\n")
            least = LEAST_FREE_AGAIN_BYTES if (self.postgres / "PG_VERSION").exists() else LEAST_FREE_BYTES
            if room.free_bytes(self.data) < least:
                self.reserve.unlink(missing_ok=True)
            probe = self.run / ".probe"
            probe.write_bytes(b"x" * 65536)
            probe.unlink()
            closed = modes.close(self.data)
            closed.put_right += was_open
        except OSError as error:
            raise LaunchError(explain(error=error, folder=self.data)) from None
        require_space(folder=self.data, free_bytes=room.free_bytes(self.data), least_bytes=least)
        if closed.put_right:
            say(
                f"closed {closed.put_right} files and folders in {self.data} that were open to other users of this machine"
            )
        if closed.foreign:
            complain(
                f"{len(closed.foreign)} files and folders in {self.data} belong to other users and could not be closed, "
                f"for example {closed.foreign[0]}; give them to this user, or remove them."
            )

    def empty_temporary(self) -> None:
        """Half-written uploads and counters of processes that are gone."""
        for folder in (self.temporary, self.metrics):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)

    def _check_owner(self) -> None:
        owner = self.data.stat().st_uid
        if owner == os.geteuid() or not self.secrets.exists():
            return
        if not os.access(self.secrets, os.R_OK | os.W_OK | os.X_OK):
            try:
                name = pwd.getpwuid(owner).pw_name
            except KeyError:
                name = str(owner)
            raise LaunchError(
                f"The data folder {self.data} belongs to the user {name}; start PACSWeb as that user, or set PACSWEB_DATA."
            )

    def _check_layout(self) -> None:
        try:
            found = int(self.layout.read_text(encoding="ascii"))
        except (FileNotFoundError, ValueError):
            return
        if found > LAYOUT:
            raise LaunchError(
                f"The data folder {self.data} was made by a newer PACSWeb (layout {found}, this one knows {LAYOUT}); "
                "set PACSWEB_DATA to another folder, or get the newer PACSWeb."
            )


def require_space(*, folder: Path, free_bytes: int, least_bytes: int = LEAST_FREE_BYTES) -> None:
    if free_bytes < least_bytes:
        raise LaunchError(
            f"The disk of {folder} is full: {free_bytes // 2**20} MB are free and PACSWeb needs at least "
            f"{least_bytes // 2**20} MB to start; free some space, or set PACSWEB_DATA to a folder on another disk."
        )


def explain(*, error: OSError, folder: Path) -> str:
    """A sentence for what went wrong with the data folder."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {folder} is full; free some space, or set PACSWEB_DATA to a folder on another disk."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"The data folder {folder} cannot be written ({os.strerror(error.errno)}); change its rights, "
            "or set PACSWEB_DATA to a folder that you own."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"PACSWEB_DATA is {folder}, where a file stands in the way; name a folder."
    return f"The data folder {folder} cannot be used: {error.strerror}."
