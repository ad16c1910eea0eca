"""Starting processes that cannot outlive us, and finding those that did."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

EXEC_CHILD = Path(__file__).with_name("exec_child.py")
TREE_VARIABLE = "_PACSWEB_TREE"
"""In the environment of every process of a tree: which data folder it belongs to."""


@dataclass(frozen=True, kw_only=True)
class RunAs:
    """The user a child runs as."""

    uid: int
    gid: int

    @classmethod
    def myself(cls) -> RunAs:
        return cls(uid=os.geteuid(), gid=os.getegid())

    @property
    def is_myself(self) -> bool:
        return self.uid == os.geteuid()


def wrapped(*, command: Sequence[str], run_as: RunAs, death_signal: int) -> list[str]:
    """The command line that ties a command's life to this process."""
    return [
        sys.executable, "-I", "-S", str(EXEC_CHILD),
        str(os.getpid()), str(int(death_signal)), str(run_as.uid), str(run_as.gid),
        *command,
    ]  # fmt: skip


def start(
    *,
    command: Sequence[str],
    environment: Mapping[str, str],
    run_as: RunAs,
    output: IO[bytes] | int,
    cwd: Path,
    death_signal: int = signal.SIGTERM,
    stdin: int = subprocess.DEVNULL,
    keep: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start in a session of its own, with the descriptors in `keep` open under their numbers.

    Call from the main thread: the kernel ties the child to the thread.
    """
    return subprocess.Popen(
        wrapped(command=command, run_as=run_as, death_signal=death_signal),
        stdin=stdin,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        cwd=cwd,
        start_new_session=True,
        pass_fds=keep,
    )


def run(
    *,
    command: Sequence[str],
    environment: Mapping[str, str],
    run_as: RunAs,
    cwd: Path,
    keep: Sequence[int] = (),
) -> subprocess.CompletedProcess[str]:
    """Run to the end, with the output captured and the descriptors in `keep` open."""
    return subprocess.run(
        wrapped(command=command, run_as=run_as, death_signal=signal.SIGKILL),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=dict(environment),
        cwd=cwd,
        check=False,
        pass_fds=keep,
    )


def started_at(pid: int) -> int | None:
    """The process's start in clock ticks since boot, which tells it from a later one with the same number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else int(fields[19])


def is_same_process(*, pid: int, start_ticks: int | None) -> bool:
    return start_ticks is not None and started_at(pid) == start_ticks


def members_of_tree(*, tree: str) -> list[int]:
    """Living processes whose environment carries this tree's mark, but this one."""
    mark = f"{TREE_VARIABLE}={tree}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark in environment and started_at(int(entry.name)) is not None:
            found.append(int(entry.name))
    return found


def end(*, pids: Iterable[int], first: int = signal.SIGTERM, patience_seconds: float = 10) -> None:
    """Ask processes to end, wait, and kill what stays. Works on processes that are not our children."""
    waiting = {pid: ticks for pid in pids if (ticks := started_at(pid)) is not None}
    for pid in waiting:
        _signal(pid=pid, number=first)
        _signal(pid=pid, number=signal.SIGCONT)  # a stopped process would not notice
    deadline = time.monotonic() + patience_seconds
    while waiting and time.monotonic() < deadline:
        waiting = {pid: ticks for pid, ticks in waiting.items() if started_at(pid) == ticks}
        if waiting:
            time.sleep(0.05)
    for pid in waiting:
        _signal(pid=pid, number=signal.SIGKILL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and any(started_at(pid) == ticks for pid, ticks in waiting.items()):
        time.sleep(0.02)


def wait_until_reaped(*, pid: int, patience_seconds: float = 15) -> None:
    """Until even the zombie is gone: PostgreSQL takes one for a server that still runs."""
    deadline = time.monotonic() + patience_seconds
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def _signal(*, pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
