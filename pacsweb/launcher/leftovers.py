"""Ends what an earlier run of the same data folder left behind, for example after `kill -9` or a crash."""

from __future__ import annotations

import signal
from pathlib import Path

from pacsweb.launcher import processes
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.messages import LaunchError, say
from pacsweb.launcher.postgres import postmaster_pid
from pacsweb.launcher.programs import remove_noted
from pacsweb.launcher.state import TreeState


def reap(*, folders: Folders, tree: str, state: TreeState | None) -> int:
    """End every process of this tree that still lives; how many there were. Call with the lock held."""
    written_down = [
        child.pid
        for child in (state.children if state else [])
        if child.pid is not None and processes.is_same_process(pid=child.pid, start_ticks=child.start_ticks)
    ]
    marked = processes.members_of_tree(tree=tree)
    postmaster = postmaster_pid(folder=folders.postgres)
    databases = [
        pid
        for pid in (postmaster,)
        if pid is not None and (pid in written_down or pid in marked or _is_postgres(pid=pid))
    ]
    others = sorted(set(written_down + marked) - set(databases))
    found = len(others) + len(databases)
    if not found:
        remove_noted(note=folders.programs_note)
        return 0
    say(f"ending {found} processes of an earlier run")
    processes.end(pids=others, first=signal.SIGTERM, patience_seconds=10)
    # Fast shutdown; a database that is still flushing gets the time, since killing it only costs a recovery.
    processes.end(pids=databases, first=signal.SIGINT, patience_seconds=30)
    for pid in databases:
        processes.wait_until_reaped(pid=pid)
    staying = [pid for pid in (*others, *databases) if processes.started_at(pid) is not None]
    if staying:
        raise LaunchError(
            f"Processes of an earlier run cannot be ended by this user ({', '.join(map(str, staying))}); end them first."
        )
    remove_noted(note=folders.programs_note)
    return found


def _is_postgres(*, pid: int) -> bool:
    """Is the process in postmaster.pid really a database server? Its number may have been given to another since."""
    try:
        name = Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return False
    return name == "postgres"
