"""Starts the tree, keeps it up, and takes it down in reverse order."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType
from typing import IO

from pacsweb.env import ROOT, Environment
from pacsweb.launcher import processes, readiness, steps, warden
from pacsweb.launcher.child import Child, Plan
from pacsweb.launcher.folders import Folders, explain
from pacsweb.launcher.leftovers import reap
from pacsweb.launcher.logfiles import last_line
from pacsweb.launcher.messages import LaunchError, complain, say
from pacsweb.launcher.ports import choose, require_free
from pacsweb.launcher.postgres import Postgres
from pacsweb.launcher.reserve import Reserve
from pacsweb.launcher.state import TreeState, new_state, take_lock
from pacsweb.launcher.tree import Doors, child_environment, doors_from, postgres_plan, service_plans, valkey_plan
from pacsweb.launcher.valkey import Valkey
from pacsweb.local_services import LocalServices, ensure_audit_key, ensure_secret, secret_key_path

LOOK_SECONDS = 0.2
READY_PATIENCE_SECONDS = 180
TRIES_BEFORE_READY = 3


class Stopped(Exception):
    """Somebody asked the tree to end while it was starting."""


class Supervisor:
    """One data folder's tree."""

    def __init__(self, *, env: Environment, folders: Folders) -> None:
        self.env = env
        self.folders = folders
        self.doors: Doors = doors_from(env=env)
        self.children: list[Child] = []
        self.state: TreeState = new_state()
        self.tree = str(folders.data)
        self._stop_asked = False
        self._lock: IO[str] | None = None
        self._life: int | None = None
        self._postgres: Postgres | None = None
        self.reserve = Reserve(path=folders.reserve)

    # The whole life ------------------------------------------------------------------------------------------------

    def run(self, *, when_ready: IO[str] | None = None) -> int:
        """Start, announce, watch until told to stop, stop. The return value is the exit status."""
        self.folders.prepare()
        self._lock = take_lock(folders=self.folders)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            previous = TreeState.read(folders=self.folders)
            reap(folders=self.folders, tree=self.tree, state=previous)
            # Open until this process ends, however it does.
            self._life = warden.station(folders=self.folders, tree=self.tree)
            self._start(previous=previous)
            say(f"ready {self.doors.address}")
            if when_ready is not None:
                self._let_go_of_terminal(log=when_ready)
            while not self._stop_asked:
                self._watch()
                time.sleep(LOOK_SECONDS)
        except Stopped:
            pass
        except OSError as error:
            raise LaunchError(explain(error=error, folder=self.folders.data)) from None
        finally:
            self._stop()
        return 0

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_asked = True

    def _let_go_of_terminal(self, *, log: IO[str]) -> None:
        """In the background nobody reads our output any more: it goes to the log."""
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())

    # Starting ------------------------------------------------------------------------------------------------------

    def _start(self, *, previous: TreeState | None) -> None:
        if not (ROOT / "static" / "dist" / ".vite" / "manifest.json").exists():
            raise LaunchError("The front end is not built; run `make build` (or `make up`, which does it).")
        self._require_ports()
        self.folders.empty_temporary()
        ensure_secret(path=secret_key_path(data=self.folders.data))
        ensure_audit_key(data=self.folders.data)
        remembered = previous.ports if previous else {}
        fresh, postgres = self._start_postgres(remembered=remembered)
        valkey = self._start_valkey(remembered=remembered)
        database_url = postgres.url if postgres else self.env.get("DATABASE_URL")
        redis_url = valkey.url if valkey else self.env.get("REDIS_URL")
        LocalServices(database_url=database_url, redis_url=redis_url).write(data=self.folders.data)
        environment = child_environment(
            folders=self.folders, database_url=database_url, redis_url=redis_url, tree=self.tree
        )
        self._postgres = postgres
        steps.migrate(
            folders=self.folders, environment=environment, always=fresh or postgres is None, postgres=postgres
        )
        readiness.forget_workers(redis_url=redis_url)
        for plan in service_plans(env=self.env, doors=self.doors, environment=environment, folders=self.folders):
            self._add(plan=plan)
        self._wait_until_ready(environment=environment)
        if steps.demo_is_wanted(folders=self.folders, asked=self._demo_is_asked(environment=environment)):
            steps.load_demo(
                folders=self.folders, environment=environment, size=self.env.get("PACSWEB_DEMO"),
                is_stopping=lambda: self._stop_asked,
            )  # fmt: skip
        self._check_stop()
        self.state.ready = True
        self.state.address = self.doors.address
        self._write_state()

    def _require_ports(self) -> None:
        named = [
            (self.doors.http, "HTTP", "PACSWEB_HTTP_PORT"),
            (self.doors.dicom, "DICOM", "PACSWEB_DICOM_PORT"),
            (self.doors.dicom_tls, "DICOM TLS", "PACSWEB_DICOM_TLS_PORT"),
        ]
        seen: dict[int, str] = {}
        for port, purpose, variable in named:
            if port is None:
                continue
            if port in seen:
                raise LaunchError(f"{variable} and {seen[port]} are both {port}; give each door its own port.")
            seen[port] = variable
            require_free(host=self.doors.bind, port=port, purpose=purpose, variable=variable)

    def _start_postgres(self, *, remembered: dict[str, int]) -> tuple[bool, Postgres | None]:
        if self.env.given("DATABASE_URL"):
            return False, None
        port = choose(preferred=remembered.get("postgres"))
        postgres = Postgres.at(
            folder=self.folders.postgres, secrets=self.folders.secrets, port=port,
            chosen_binaries=self.env.get("PACSWEB_POSTGRES_BIN"),
        )  # fmt: skip
        self._postgres = postgres
        fresh = postgres.initialise()
        child = self._add(plan=postgres_plan(postgres=postgres, tree=self.tree))
        self.state.ports["postgres"] = port
        try:
            postgres.wait(is_alive=child.is_alive)
        except LaunchError:
            # The last processes of a server that was killed may hold its memory for another moment.
            if not any(words in last_line(path=child.log_path) for words in ("still in use", "already exists")):
                raise
            time.sleep(5)
            child.start()
            postgres.wait(is_alive=child.is_alive)
        postgres.ensure_database()
        return fresh, postgres

    def _start_valkey(self, *, remembered: dict[str, int]) -> Valkey | None:
        if self.env.given("REDIS_URL"):
            return None
        port = choose(preferred=remembered.get("valkey"))
        valkey = Valkey.at(folder=self.folders.valkey, secrets=self.folders.secrets, port=port)
        child = self._add(plan=valkey_plan(valkey=valkey, tree=self.tree))
        self.state.ports["valkey"] = port
        valkey.wait(is_alive=child.is_alive)
        return valkey

    def _demo_is_asked(self, *, environment: dict[str, str]) -> bool:
        production = environment["DJANGO_SETTINGS_MODULE"].endswith(".production")
        return bool(self.env.get("PACSWEB_DEMO")) and (not production or self.env.given("PACSWEB_DEMO"))

    def _add(self, *, plan: Plan) -> Child:
        self._check_stop()
        child = Child(plan=plan, log_folder=self.folders.log)
        self.children.append(child)
        self.state.children.append(child.state)
        child.start()
        self._write_state()
        return child

    def _wait_until_ready(self, *, environment: dict[str, str]) -> None:
        with_dicom = any(child.plan.name == "dicom" for child in self.children)
        deadline = time.monotonic() + READY_PATIENCE_SECONDS
        migrated_again = False
        answer = readiness.Answer(ready=False, waiting_for="the web server")
        while time.monotonic() < deadline:
            self._check_stop()
            self.reserve.look()
            self._look()
            for child in self.children:
                if child.failures >= TRIES_BEFORE_READY:
                    raise LaunchError(
                        f"{child.plan.title} ended {child.failures} times while starting; it last said: "
                        f"{last_line(path=child.log_path)} (all of it in {child.log_path})."
                    )
            answer = readiness.ask(doors=self.doors, with_dicom=with_dicom)
            if answer.ready:
                return
            if answer.schema_is_behind and not migrated_again:
                migrated_again = True
                steps.migrate(folders=self.folders, environment=environment, always=True, postgres=self._postgres)
            time.sleep(0.1)
        raise LaunchError(
            f"PACSWeb did not get ready within {READY_PATIENCE_SECONDS} seconds; it still waits for "
            f"{answer.waiting_for} (the logs are in {self.folders.log})."
        )

    # Watching ------------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """One look. What fails here on a full disk is tried again at the next; the tree is never ended for it."""
        try:
            self.reserve.look()
            self._look()
        except OSError as error:
            complain(explain(error=error, folder=self.folders.data))

    def _look(self) -> None:
        """Note who ended; start again whose time has come."""
        changed = False
        for child in self.children:
            if child.note_end():
                complain(
                    f"{child.plan.title} ended and is started again; it last said: {last_line(path=child.log_path)}"
                )
                changed = True
        for child in self.children:
            if child.is_due():
                try:
                    child.start()
                except Exception as error:  # noqa: BLE001 -- one child's trouble must not end the others
                    child.failures += 1
                    child.next_start = time.monotonic() + 5
                    complain(f"{child.plan.title} could not be started: {type(error).__name__}; trying again.")
                changed = True
        if changed:
            self._write_state()

    def _check_stop(self) -> None:
        if self._stop_asked:
            raise Stopped

    def _write_state(self) -> None:
        try:
            self.state.write(folders=self.folders)
        except OSError as error:
            complain(explain(error=error, folder=self.folders.data))

    # Stopping ------------------------------------------------------------------------------------------------------

    def _stop(self) -> None:
        if any(child.is_alive() for child in self.children):
            say("stopping")
        self.state.ready = False
        services = [child for child in self.children if child.plan.name not in ("postgres", "valkey")]
        for child in reversed(services):
            child.ask_to_stop()
        for child in reversed(services):
            self._wait_for(child=child)
        for child in reversed([child for child in self.children if child not in services]):
            child.ask_to_stop()
            self._wait_for(child=child)
        processes.end(pids=processes.members_of_tree(tree=self.tree), patience_seconds=3)
        self._write_state()
        if self._postgres is not None:
            self._postgres.programs.remove()
        if self._lock is not None:
            self._lock.close()

    def _wait_for(self, *, child: Child) -> None:
        if not child.wait_for_end():
            complain(f"{child.plan.title} did not end in time and was killed.")
