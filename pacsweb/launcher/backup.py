"""`pacsweb backup FOLDER` of a running system, and `pacsweb restore FOLDER` into a new data folder.

Order of a backup: spool, database, images. An image that is indexed meanwhile is in the spool's copy and in the images; an
image without a row is harmless, a row without its image would not be. The manifest comes last: without it, a backup is
not whole and is not restored.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from pacsweb import __version__
from pacsweb.env import Environment
from pacsweb.launcher import audit_heads, processes
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.messages import LaunchError, say
from pacsweb.launcher.ports import choose
from pacsweb.launcher.postgres import (
    APPLICATION_USER,
    DATABASE,
    NEUTRAL_ENVIRONMENT,
    SUPERUSER,
    Postgres,
    read_data_major,
)
from pacsweb.launcher.state import lock_is_held, take_lock
from pacsweb.local_services import LocalServices, write_private

MANIFEST, DUMP = "backup.json", "database.dump"
# Unfinished uploads are their senders' to send again, locks and marks of progress a process's own.
UNFINISHED = (".part", ".upload", ".lock")
STEP_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Manifest:
    made_at: str
    version: str
    postgres_major: int
    database_sha256: str
    has_files: bool

    @classmethod
    def read(cls, *, folder: Path) -> Manifest:
        try:
            return cls(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise LaunchError(f"{folder} holds no whole backup: {MANIFEST} is missing or damaged.") from None


def backup(*, env: Environment, folders: Folders, target: Path) -> None:
    """Copy a running system. Repeating it into the same folder copies what is new."""
    services = LocalServices.read(data=folders.data)
    if services is None or not lock_is_held(folders=folders):
        raise LaunchError("PACSWeb does not run here; start it with `make up`, then make the backup.")
    if env.given("DATABASE_URL"):
        raise LaunchError("The database is not PACSWeb's own (DATABASE_URL is set): back it up with its own means.")
    if target.resolve().is_relative_to(folders.data.resolve()):
        raise LaunchError("A backup inside the data folder would be lost with it; name a folder elsewhere.")
    postgres = Postgres.at(
        folder=folders.postgres,
        secrets=folders.secrets,
        port=urlsplit(services.database_url).port or 0,
        chosen_binaries=env.get("PACSWEB_POSTGRES_BIN"),
    )
    try:
        target.mkdir(parents=True, exist_ok=True)
        target.chmod(0o700)
        (target / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(target / "spool", ignore_errors=True)
        _copy(source=folders.data / "spool", target=target / "spool")
        say("dumping the database")
        _dump(postgres=postgres, target=target / DUMP)
        audit_heads.copy(source=_heads_file(env=env, folders=folders), target=target / "audit")
        files = _files_folder(env=env, folders=folders)
        if files is not None:
            count, size = _copy(source=files, target=target / "files")
            say(f"copied {count} new files ({size / 2**20:.0f} MB)")
        else:
            say("images are in a bucket: keep its versions, or a copy of it")
        shutil.rmtree(target / "secrets", ignore_errors=True)
        shutil.copytree(folders.secrets, target / "secrets")
        (target / "secrets").chmod(0o700)
        manifest = Manifest(
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),  # noqa: TID251 -- no Django here
            version=__version__,
            postgres_major=postgres.binaries.major,
            database_sha256=_digest(target / DUMP),
            has_files=files is not None,
        )
        write_private(path=target / MANIFEST, text=json.dumps(asdict(manifest), indent=1))
    except OSError as error:
        raise LaunchError(f"The backup in {target} could not be finished: {error.strerror or error}.") from error
    say(f"backup is in {target}")


def restore(*, env: Environment, folders: Folders, source: Path) -> None:
    """Make a new data folder from a backup. Raises `LaunchError` before anything is changed when it cannot be."""
    manifest = Manifest.read(folder=source)
    if read_data_major(folder=folders.postgres) is not None:
        raise LaunchError(
            f"{folders.data} already holds a database; name a new folder in PACSWEB_DATA to restore into."
        )
    if _digest(source / DUMP) != manifest.database_sha256:
        raise LaunchError(f"{source / DUMP} is not the dump that was made: it was changed or cut.")
    folders.prepare()
    with take_lock(folders=folders):
        for secret in sorted((source / "secrets").iterdir()):
            write_private(path=folders.secrets / secret.name, text=secret.read_text(encoding="utf-8"))
        files = _files_folder(env=env, folders=folders)
        if files is not None and manifest.has_files:
            count, size = _copy(source=source / "files", target=files)
            say(f"copied {count} files ({size / 2**20:.0f} MB)")
        _copy(source=source / "spool", target=folders.data / "spool")
        postgres = Postgres.at(
            folder=folders.postgres,
            secrets=folders.secrets,
            port=choose(),
            chosen_binaries=env.get("PACSWEB_POSTGRES_BIN"),
        )
        postgres.initialise()
        say("restoring the database")
        try:
            with (folders.log / "postgres.log").open("ab") as log:
                server = processes.start(
                    command=postgres.command(), environment=NEUTRAL_ENVIRONMENT, run_as=postgres.run_as,
                    output=log.fileno(), cwd=Path("/"), death_signal=signal.SIGINT, keep=postgres.keep,
                )  # fmt: skip
            try:
                postgres.wait(is_alive=lambda: server.poll() is None)
                postgres.ensure_database()
                _load(postgres=postgres, dump=source / DUMP)
                postgres.hand_over_trail()
                _bring_back_heads(env=env, folders=folders, source=source, postgres=postgres)
            finally:
                server.send_signal(signal.SIGINT)
                server.wait(timeout=120)
                postgres.programs.remove()
        except BaseException:
            # Half a database must not pass for one: the next try begins anew.
            shutil.rmtree(folders.postgres, ignore_errors=True)
            raise
    say(f"restored what was backed up at {manifest.made_at}; start it with `make up`")


def _heads_file(*, env: Environment, folders: Folders) -> Path:
    return Path(env.get("PACSWEB_AUDIT_HEADS") or folders.data / "audit" / "heads.jsonl")


def _bring_back_heads(*, env: Environment, folders: Folders, source: Path, postgres: Postgres) -> None:
    target = _heads_file(env=env, folders=folders)
    with postgres.connect_as_superuser(database=DATABASE) as connection:
        newer = audit_heads.bring_back(source=source / "audit" / target.name, target=target, database=connection)
    if newer:
        say(f"left {newer} heads of the audit trail in the backup: the database was dumped before they were written")


def _files_folder(*, env: Environment, folders: Folders) -> Path | None:
    """Where images lie; None when they lie in a bucket."""
    from core import storage_address

    given = env.get("PACSWEB_STORAGE_URL")
    if not given:
        return folders.data / "files"
    address = storage_address.parse(given)
    return address.path if isinstance(address, storage_address.Folder) else None


def _dump(*, postgres: Postgres, target: Path) -> None:
    part = target.with_suffix(".part")
    # The superuser: the application's own role is held back by the walls between organisations.
    _client(
        postgres=postgres,
        command=["pg_dump", "--format=custom", f"--file={part}", "--username", SUPERUSER, DATABASE],
    )
    _sync(part)
    part.replace(target)


def _load(*, postgres: Postgres, dump: Path) -> None:
    _client(
        postgres=postgres,
        command=[
            "pg_restore", "--no-owner", "--no-acl", f"--role={APPLICATION_USER}", "--single-transaction", "--exit-on-error",
            "--username", SUPERUSER, f"--dbname={DATABASE}", str(dump),
        ],
    )  # fmt: skip


def _client(*, postgres: Postgres, command: list[str]) -> None:
    done = subprocess.run(
        [postgres.binaries[command[0]], "--host=127.0.0.1", f"--port={postgres.port}", *command[1:]],
        env={**NEUTRAL_ENVIRONMENT, "PGPASSWORD": postgres.superuser_password}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise LaunchError(f"{command[0]} failed: {lines[0]}")


def _copy(*, source: Path, target: Path) -> tuple[int, int]:
    """Copy what is missing or of another size; returns how many files and bytes. What vanishes meanwhile is left out."""
    count = total = 0
    for path in _whole_files(source):
        into = target / path.relative_to(source)
        try:
            size = path.stat().st_size
            if into.exists() and into.stat().st_size == size:
                continue
            into.parent.mkdir(parents=True, exist_ok=True)
            part = into.with_name(f".{into.name}.part")
            shutil.copyfile(path, part)
            _sync(part)
            part.replace(into)
        except FileNotFoundError:
            continue
        count += 1
        total += size
    return count, total


def _whole_files(source: Path) -> Iterator[Path]:
    for folder, _folders, names in os.walk(source):
        for name in sorted(names):
            if not name.endswith(UNFINISHED) and not name.startswith("."):
                yield Path(folder) / name


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(STEP_BYTES):
                found.update(piece)
    except FileNotFoundError:
        return ""
    return found.hexdigest()
