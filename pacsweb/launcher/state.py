"""What the supervisor writes down about its tree, for `status`, `down` and the next start."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from pacsweb.launcher.folders import Folders
from pacsweb.launcher.messages import LaunchError
from pacsweb.launcher.processes import is_same_process, started_at
from pacsweb.local_services import write_private


@dataclass(kw_only=True)
class ChildState:
    name: str
    title: str
    state: str = "waiting"
    pid: int | None = None
    start_ticks: int | None = None
    restarts: int = 0
    since: float = field(default_factory=time.time)
    port: str = ""


@dataclass(kw_only=True)
class TreeState:
    pid: int
    start_ticks: int
    ready: bool = False
    address: str = ""
    children: list[ChildState] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def path(*, folders: Folders) -> Path:
        return folders.run / "state.json"

    def write(self, *, folders: Folders) -> None:
        write_private(path=self.path(folders=folders), text=json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, *, folders: Folders) -> TreeState | None:
        try:
            found = json.loads(cls.path(folders=folders).read_text(encoding="utf-8"))
            found["children"] = [ChildState(**child) for child in found["children"]]
            return cls(**found)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def supervisor_lives(self) -> bool:
        return is_same_process(pid=self.pid, start_ticks=self.start_ticks)


def new_state() -> TreeState:
    return TreeState(pid=os.getpid(), start_ticks=started_at(os.getpid()) or 0)


def take_lock(*, folders: Folders) -> IO[str]:
    """The right to run this data folder, held as long as the returned file is open."""
    stream = folders.lock.open("a+", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        stream.close()
        running = TreeState.read(folders=folders)
        where = f" at {running.address}" if running and running.address else ""
        pid = f" (process {running.pid})" if running else ""
        raise LaunchError(f"PACSWeb already runs in {folders.data}{where}{pid}; stop it with `make down`.") from None
    return stream


def lock_is_held(*, folders: Folders) -> bool:
    try:
        stream = folders.lock.open("a+", encoding="utf-8")
    except OSError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False
