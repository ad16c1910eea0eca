"""`python -m pacsweb up | down | status | logs | build | demo | backup | restore`."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from pacsweb.env import ROOT, Environment, SettingError
from pacsweb.launcher import backup, front_end, logfiles, modes, processes, steps
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.leftovers import reap
from pacsweb.launcher.messages import LaunchError, complain, say
from pacsweb.launcher.state import TreeState, lock_is_held, take_lock
from pacsweb.launcher.tree import child_environment
from pacsweb.local_services import LocalServices

STOP_PATIENCE_SECONDS = 150


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="pacsweb", description="Runs PACSWeb on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="start everything and stay in front of it")
    up.add_argument("--detach", action="store_true", help="return when it is ready")
    up.add_argument("--build", action="store_true", help="build the front end first if its sources changed")
    up.add_argument("--report-to", type=int, default=None, help=argparse.SUPPRESS)
    commands.add_parser("down", help="stop everything")
    commands.add_parser("status", help="show each process")
    commands.add_parser("logs", help="follow all logs")
    commands.add_parser("build", help="build the front end if its sources changed")
    commands.add_parser("demo", help="load the demonstration content into the running PACSWeb")
    for name, words in (
        ("backup", "copy the running PACSWeb into a folder; doing it again copies what is new"),
        ("restore", "make a new data folder (PACSWEB_DATA) from a backup"),
    ):
        commands.add_parser(name, help=words).add_argument("folder", type=Path)
    asked = parser.parse_args(arguments)
    try:
        env = Environment()
        folders = Folders(data=env.get("PACSWEB_DATA"))
        if asked.command == "up" and asked.build:
            _build_unless_running(folders=folders)
        if asked.command != "build":
            # After the build: another user's web server may serve what was built.
            modes.be_private()
        if asked.command == "up":
            return _detach(folders=folders) if asked.detach else _up(env=env, folders=folders, report=asked.report_to)
        if asked.command == "build":
            front_end.build()
            return 0
        if asked.command == "backup":
            backup.backup(env=env, folders=folders, target=asked.folder.absolute())
            return 0
        if asked.command == "restore":
            backup.restore(env=env, folders=folders, source=asked.folder.absolute())
            return 0
        if asked.command == "demo":
            return demo(folders=folders, size=env.get("PACSWEB_DEMO") or "full")
        return {"down": down, "status": status, "logs": logs}[asked.command](folders=folders)
    except (LaunchError, SettingError) as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:
        return 130


def _build_unless_running(*, folders: Folders) -> None:
    """A web server that runs would hand out names of files that the build replaces."""
    if folders.lock.exists():
        take_lock(folders=folders).close()
    front_end.build()


def _up(*, env: Environment, folders: Folders, report: int | None) -> int:
    from pacsweb.launcher.supervisor import Supervisor

    if report is None:
        return Supervisor(env=env, folders=folders).run()
    folders.prepare()
    with (folders.log / "supervisor.log").open("a", encoding="utf-8") as log:
        return Supervisor(env=env, folders=folders).run(when_ready=log)


def _detach(*, folders: Folders) -> int:
    """Start the supervisor in a session of its own, show what it says, and return when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pacsweb", "up", "--report-to", "1"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True, cwd=ROOT,
        text=True, env={**os.environ, "PACSWEB_DATA": str(folders.data)},
    )  # fmt: skip
    previous = signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
    try:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            if line.startswith("ready "):
                signal.signal(signal.SIGTERM, previous)
                return 0
        return process.wait() or 1
    except (KeyboardInterrupt, SystemExit):
        # Who gives up waiting wants it stopped, not running unseen.
        process.terminate()
        process.wait()
        raise


def down(*, folders: Folders) -> int:
    """Stop the tree of this data folder, wherever it was started."""
    state = TreeState.read(folders=folders)
    if lock_is_held(folders=folders):
        if state is None or not state.supervisor_lives():
            raise LaunchError(f"PACSWeb is just starting or stopping in {folders.data}; try again in a moment.")
        os.kill(state.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_PATIENCE_SECONDS
        while lock_is_held(folders=folders) or state.supervisor_lives():
            if time.monotonic() > deadline:
                raise LaunchError(f"PACSWeb (process {state.pid}) did not stop within {STOP_PATIENCE_SECONDS} seconds.")
            time.sleep(0.1)
        say("stopped")
        return 0
    if not folders.run.exists():
        say("nothing runs")
        return 0
    with take_lock(folders=folders):
        found = reap(folders=folders, tree=str(folders.data), state=state)
    say("stopped" if found else "nothing runs")
    return 0


def status(*, folders: Folders) -> int:
    """A table of the processes; exit status 0 when all of them run, 3 when PACSWeb does not."""
    state = TreeState.read(folders=folders)
    if state is None or not state.supervisor_lives() or not lock_is_held(folders=folders):
        say("PACSWeb does not run here")
        return 3
    rows = [("process", "state", "pid", "restarts", "for", "port")]
    for child in state.children:
        alive = child.pid is not None and processes.is_same_process(pid=child.pid, start_ticks=child.start_ticks)
        shown = child.state if alive or child.state != "running" else "ended"
        rows.append(
            (
                child.title,
                shown,
                str(child.pid or ""),
                str(child.restarts),
                _span(time.time() - child.since),
                child.port,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    say(f"{'ready' if state.ready else 'starting'} {state.address}".rstrip())
    return 0 if state.ready and all(row[1] == "running" for row in rows[1:]) else 1


def _span(seconds: float) -> str:
    whole = int(max(0, seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d"


def logs(*, folders: Folders) -> int:
    if not folders.log.is_dir():
        raise LaunchError(f"There are no logs in {folders.data} yet; start PACSWeb with `make up`.")
    logfiles.follow(folder=folders.log)
    return 0


def demo(*, folders: Folders, size: str) -> int:
    services = LocalServices.read(data=folders.data)
    if services is None or not lock_is_held(folders=folders):
        raise LaunchError(
            "PACSWeb does not run here; start it with `make up` (the first start loads the demo by itself)."
        )
    environment = child_environment(
        folders=folders, database_url=services.database_url, redis_url=services.redis_url, tree=str(folders.data)
    )
    (folders.run / "demo.json").unlink(missing_ok=True)
    return 0 if steps.load_demo(folders=folders, environment=environment, size=size) else 1
