"""The two things a start may have to do besides starting: bring the schema up to date, and load the demo content."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from pacsweb.env import ROOT
from pacsweb.launcher import processes
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.logfiles import last_line
from pacsweb.launcher.messages import LaunchError, complain, say
from pacsweb.launcher.postgres import Postgres
from pacsweb.local_services import write_private

MIGRATE_FAILED = 1
SCHEMA_IS_NEWER = 3


def schema_fingerprint() -> str:
    """Changes whenever a migration, an installed package or what the wall between organisations is made from does."""
    digest = hashlib.sha256((ROOT / "requirements" / "base.txt").read_bytes())
    sources = ("*/migrations/*.py", "*/models.py", "*/models/*.py", "core/wall.py")
    for path in sorted(path for pattern in sources for path in ROOT.glob(pattern)):
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def migrate(
    *, folders: Folders, environment: Mapping[str, str], always: bool, postgres: Postgres | None = None
) -> None:
    """Apply migrations under a database lock. Skipped when nothing changed since the last time.

    `postgres` is the server when it is our own: the tables of the audit trail are its superuser's to open and to close.
    """
    stamp = folders.run / "schema.json"
    current = {"fingerprint": schema_fingerprint()}
    if not always and _read(path=stamp) == current:
        return
    say("updating the database schema")
    log = folders.log / "migrate.log"
    admin = {"PACSWEB_DATABASE_ADMIN_URL": postgres.superuser_url} if postgres is not None else {}
    with log.open("ab") as output:
        done = subprocess.run(
            [sys.executable, "-m", "pacsweb.launcher.migrate"],
            env={**environment, **admin}, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            check=False,
        )  # fmt: skip
    if done.returncode == SCHEMA_IS_NEWER:
        raise LaunchError(last_line(path=log))
    if done.returncode != 0:
        raise LaunchError(f"The database schema could not be updated: {last_line(path=log)} (all of it in {log}).")
    write_private(path=stamp, text=json.dumps(current))


def demo_is_wanted(*, folders: Folders, asked: bool) -> bool:
    return asked and not (folders.run / "demo.json").exists()


def load_demo(
    *, folders: Folders, environment: Mapping[str, str], size: str, is_stopping: Callable[[], bool] = lambda: False
) -> bool:
    """Load the demonstration content, showing its progress. False when that failed; PACSWeb runs all the same."""
    say("loading the demonstration content (only this time)")
    log = folders.log / "demo.log"
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(
            processes.wrapped(
                command=[sys.executable, str(ROOT / "manage.py"), "load_demo", "--size", size],
                run_as=processes.RunAs.myself(),
                death_signal=signal.SIGTERM,
            ),
            env=dict(environment), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, text=True,
        )  # fmt: skip
        showing = threading.Thread(target=_show, args=(process.stdout, output), daemon=True)
        showing.start()
        while process.poll() is None:
            if is_stopping():
                process.terminate()
                process.wait()
                return False
            time.sleep(0.1)
        showing.join(timeout=5)
        code = process.returncode
    if code != 0:
        complain(f"The demonstration content could not be loaded: {last_line(path=log)} (`make demo` tries again).")
        return False
    write_private(path=folders.run / "demo.json", text=json.dumps({"loaded": True}))
    return True


def _show(lines: IO[str] | None, log: IO[str]) -> None:
    """Progress on the terminal and in the log, until the loader closes its output."""
    with contextlib.suppress(ValueError):
        for line in lines or ():
            say(f"  {line.rstrip()}")
            log.write(line)
            log.flush()


def _read(*, path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
