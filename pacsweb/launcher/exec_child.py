"""Becomes a child of the tree: dies with its parent, and runs as the right user. Then executes the command.

Run as a script in a fresh interpreter (`python -I -S exec_child.py …`) instead of between fork and exec, where a process
with threads may not safely run Python. Arguments: parent's process id, signal to get when it dies, user id, group id, then
the command.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, argument: int) -> None:
    filled = [ctypes.c_ulong(value) for value in (argument, 0, 0, 0)]
    if LIBC.prctl(option, *filled) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def become(*, uid: int, gid: int) -> None:
    if uid == os.geteuid():
        return
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def main(arguments: list[str]) -> None:
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    become(uid=uid, gid=gid)
    # After the change of user, which clears it; and then look, since the parent may already be gone.
    prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit(1)
    command = arguments[4:]
    os.execvp(command[0], command)  # noqa: S606 -- becoming another program is the point


if __name__ == "__main__":
    main(sys.argv[1:])
