"""Becomes a child of the tree: dies with its parent, and runs as the right user. Then executes the command.

Run as a script in a fresh interpreter (`python -I -S exec_child.py …`) instead of between fork and exec, where a process
with threads may not safely run Python. Arguments: parent's process id, signal to get when it dies, user id, group id,
`search` to keep the right to enter folders that belong to others (or `-`), then the command.
"""

from __future__ import annotations

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class Data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


LIBC = ctypes.CDLL(None, use_errno=True)


def prctl(option: int, *arguments: int) -> None:
    filled = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:4]]
    if LIBC.prctl(option, *filled) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def keep_capability(capability: int) -> None:
    """Make one capability survive the exec as an ordinary user (the process must have kept its permitted set)."""
    header = Header(version=CAPABILITY_VERSION_3, pid=0)
    data = (Data * 2)()
    bit = 1 << capability
    data[0] = Data(effective=bit, permitted=bit, inheritable=bit)
    if LIBC.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def become(*, uid: int, gid: int, search: bool) -> None:
    if uid == os.geteuid():
        return
    if search:
        prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if search:
        try:
            keep_capability(CAP_DAC_READ_SEARCH)
        except OSError:
            keep_capability(CAP_DAC_OVERRIDE)


def main(arguments: list[str]) -> None:
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    become(uid=uid, gid=gid, search=arguments[4] == "search")
    # After the change of user, which clears it; and then look, since the parent may already be gone.
    prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() != parent:
        sys.exit(1)
    command = arguments[5:]
    os.execvp(command[0], command)  # noqa: S606 -- becoming another program is the point


if __name__ == "__main__":
    main(sys.argv[1:])
