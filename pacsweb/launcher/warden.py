"""`python -m pacsweb.launcher.warden`: ends what a killed supervisor leaves behind.

The kernel tells each child of the supervisor's death (`exec_child`), and nearly always that is enough. A process that is
frozen, or hangs in its own ending, would stay for ever, with nobody there to lose patience. The warden reads from a pipe
that only the supervisor writes to, and never does: its end is the supervisor's end. It then gives the tree some time, ends
what is left as the next start would (`leftovers`), and ends itself. A next start that comes meanwhile ends the warden first.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from pacsweb.env import ROOT
from pacsweb.launcher import processes
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.leftovers import reap
from pacsweb.launcher.messages import LaunchError, complain
from pacsweb.launcher.programs import remove_noted
from pacsweb.launcher.state import TreeState

PATIENCE_SECONDS = 8
LOOK_SECONDS = 0.2
NO_SIGNAL = 0


def station(*, folders: Folders, tree: str) -> int:
    """Start a warden for the tree of this process; the descriptor that must stay open for as long as the tree shall live."""
    reading, writing = os.pipe()
    try:
        with (folders.log / "supervisor.log").open("ab") as log:
            processes.start(
                command=[sys.executable, "-m", "pacsweb.launcher.warden", tree],
                environment={**os.environ, processes.TREE_VARIABLE: tree},
                run_as=processes.RunAs.myself(),
                output=log.fileno(),
                cwd=ROOT,
                death_signal=NO_SIGNAL,
                stdin=reading,
            )
    finally:
        os.close(reading)
    return writing


def main(arguments: list[str]) -> int:
    (tree,) = arguments
    folders = Folders(data=Path(tree))
    while os.read(sys.stdin.fileno(), 1):
        pass
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if not processes.members_of_tree(tree=tree):
            remove_noted(note=folders.programs_note)
            return 0
        time.sleep(LOOK_SECONDS)
    try:
        reap(folders=folders, tree=tree, state=TreeState.read(folders=folders))
    except LaunchError as error:
        complain(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
