"""A whole PACSWeb tree for a test: its own folder, its own ports, its own environment."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import redis

from pacsweb.launcher import processes
from pacsweb.launcher.ports import choose
from pacsweb.local_services import LocalServices

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Tree:
    data: Path
    environment: dict[str, str]

    @classmethod
    def at(cls, data: Path, **more: str) -> Tree:
        kept = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "HOME", "LANG", "PYTHONDONTWRITEBYTECODE")
        }
        ports = {"PACSWEB_HTTP_PORT": str(choose()), "PACSWEB_DICOM_PORT": str(choose())}
        return cls(data=data, environment={**kept, "PACSWEB_DATA": str(data), "PACSWEB_DEMO": "no", **ports, **more})

    def copied(self, data: Path, **more: str) -> Tree:
        """Another tree, on its own ports, that has what this one has; this one must be at rest."""
        data.parent.mkdir(parents=True, exist_ok=True)
        # With its owners: PostgreSQL's files are not root's.
        subprocess.run(["cp", "-a", str(self.data), str(data)], check=True)
        return Tree.at(data, **more)

    def command(self, *arguments: str, patience_seconds: float = 600) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pacsweb", *arguments], cwd=ROOT, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=patience_seconds, check=False,
            # The most open one there is: what PACSWeb writes must be closed all the same.
            umask=0,
        )  # fmt: skip

    def up(self) -> str:
        done = self.command("up", "--detach")
        assert done.returncode == 0, done.stdout + self.logs()
        assert done.stdout.splitlines()[-1] == f"ready http://127.0.0.1:{self.environment['PACSWEB_HTTP_PORT']}"
        return done.stdout

    def down(self) -> None:
        self.command("down")

    def manage(self, *arguments: str) -> str:
        """The output of `manage.py …` as an administrator at the machine would type it."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, text=True, capture_output=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "run" / "state.json").read_text(encoding="utf-8"))
        return found

    def child(self, name: str) -> dict[str, Any]:
        return next(child for child in self.state()["children"] if child["name"] == name)

    def services(self) -> LocalServices:
        found = LocalServices.read(data=self.data)
        assert found is not None
        return found

    def database(self) -> psycopg.Connection:
        """The application's own role, told to see the rows of every organisation (`core.wall`)."""
        url = self.services().database_url
        return psycopg.connect(url, autocommit=True, options="-c pacsweb.reach=all")

    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.services().redis_url)

    def health(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", int(self.environment["PACSWEB_HTTP_PORT"]), timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def wait_for_health(self, *, patience_seconds: float = 60) -> None:
        deadline = time.monotonic() + patience_seconds
        while self.health() != 200:
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)

    def living(self) -> list[int]:
        """Every process of the tree that is still there."""
        state = self.state()
        known = [
            (state["pid"], state["start_ticks"]),
            *((child["pid"], child["start_ticks"]) for child in state["children"]),
        ]
        listed = [pid for pid, ticks in known if pid and processes.is_same_process(pid=pid, start_ticks=ticks)]
        return sorted({*listed, *processes.members_of_tree(tree=str(self.data))})

    def kill_supervisor(self) -> None:
        os.kill(self.state()["pid"], signal.SIGKILL)

    def logs(self) -> str:
        return "\n".join(
            f"--- {path.name}\n{path.read_text(encoding='utf-8', errors='replace')[-1500:]}"
            for path in sorted((self.data / "log").glob("*.log"))
        )
