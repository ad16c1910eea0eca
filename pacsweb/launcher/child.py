"""One process of the tree: how to start it, how to stop it, and what became of it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pacsweb.launcher import processes
from pacsweb.launcher.logfiles import LogFile, pump
from pacsweb.launcher.state import ChildState

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0
STEADY_SECONDS = 60.0


def nothing() -> None:
    """No work before a start."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a child is."""

    name: str
    title: str
    command: Callable[[], list[str]]
    environment: Mapping[str, str]
    cwd: Path
    run_as: processes.RunAs = field(default_factory=processes.RunAs.myself)
    before: Callable[[], None] = nothing
    stop_signal: int = signal.SIGTERM
    death_signal: int = signal.SIGTERM
    patience_seconds: float = 15
    port: str = ""
    keep: tuple[int, ...] = ()
    """Descriptors that it finds open under the same numbers."""


def restart_delay(*, failures: int) -> float:
    """Half a second, then twice as long each time, up to half a minute."""
    return float(min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** max(0, failures - 1)))


class Child:
    """A planned process and its life so far."""

    def __init__(self, *, plan: Plan, log_folder: Path) -> None:
        self.plan = plan
        self.log_path = log_folder / f"{plan.name}.log"
        self.state = ChildState(name=plan.name, title=plan.title, port=plan.port)
        self.process: subprocess.Popen[bytes] | None = None
        self.failures = 0
        self.next_start = 0.0
        self._started = 0.0

    def start(self) -> None:
        self.plan.before()
        reading, writing = os.pipe()
        try:
            self.process = processes.start(
                command=self.plan.command(),
                environment=self.plan.environment,
                run_as=self.plan.run_as,
                output=writing,
                cwd=self.plan.cwd,
                death_signal=self.plan.death_signal,
                keep=self.plan.keep,
            )
        finally:
            os.close(writing)
        pump(descriptor=reading, log=LogFile(path=self.log_path))
        self._started = time.monotonic()
        self.state.pid = self.process.pid
        self.state.start_ticks = processes.started_at(self.process.pid)
        self.state.state = "running"
        self.state.since = time.time()

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def note_end(self) -> bool:
        """True when it ended since we last looked; then its next start is planned."""
        if self.process is None or self.process.poll() is None:
            return False
        if time.monotonic() - self._started > STEADY_SECONDS:
            self.failures = 0
        self.failures += 1
        self.next_start = time.monotonic() + restart_delay(failures=self.failures)
        self._end_session()
        self.process = None
        self.state.state = "restarting"
        self.state.pid = None
        self.state.start_ticks = None
        self.state.restarts += 1
        self.state.since = time.time()
        return True

    def is_due(self) -> bool:
        return self.process is None and self.state.state == "restarting" and time.monotonic() >= self.next_start

    def ask_to_stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.plan.stop_signal)

    def wait_for_end(self) -> bool:
        """Wait, and kill when patience runs out. True when it ended by itself."""
        gentle = True
        if self.process is not None:
            try:
                self.process.wait(timeout=self.plan.patience_seconds)
            except subprocess.TimeoutExpired:
                gentle = False
            self._end_session()
            self.process.wait()
        self.process = None
        self.state.state = "stopped"
        self.state.pid = None
        self.state.start_ticks = None
        return gentle

    def _end_session(self) -> None:
        """Whatever the child started and left behind in its process group."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
