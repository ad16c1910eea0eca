"""The whole tree, started and hurt the way it is in life."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacsweb.launcher.tree import QUEUES
from tests.roof.test_closed_data import open_to_others
from tests.roof.test_places import copies, make_installation
from tests.roof.trees import ROOT, Tree

pytestmark = [pytest.mark.tree, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def running(rested: Tree, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """One tree for the tests that leave it running. Its folder is closed to others, as below root's home, and its name is
    as people name folders; PostgreSQL's programs lie in it too."""
    before = copies()
    folder = tmp_path_factory.mktemp("tree with spaces, Übung und 影像")
    folder.chmod(0o700)
    tree = rested.copied(folder / "var", PACSWEB_POSTGRES_BIN=str(make_installation(folder / "programs")))
    tree.up()
    yield tree
    tree.down()
    assert tree.living() == []
    assert copies() == before


def test_everything_runs_and_status_says_so(running: Tree) -> None:
    done = running.command("status")
    assert done.returncode == 0, done.stdout
    for title in ("PostgreSQL", "Valkey", "Web server", "Beat", *(f"“{queue}”" for queue in QUEUES)):
        assert title in done.stdout
    assert running.health() == 200


def test_second_start_is_one_sentence(running: Tree) -> None:
    done = running.command("up")
    assert done.returncode == 1
    (sentence,) = done.stdout.splitlines()
    assert "PACSWeb already runs in" in sentence
    assert "make down" in sentence
    assert running.health() == 200


def test_taken_port_is_one_sentence_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        tree = Tree.at(tmp_path / "var", PACSWEB_HTTP_PORT=str(holder.getsockname()[1]))
        for arguments in (["up"], ["up", "--detach"]):
            done = tree.command(*arguments)
            assert done.returncode == 1
            (sentence,) = done.stdout.splitlines()
            assert "is already used by" in sentence
    assert not (tree.data / "postgres").exists()


def test_same_port_for_two_doors_is_one_sentence(tmp_path: Path) -> None:
    done = Tree.at(tmp_path / "var", PACSWEB_HTTP_PORT="18999", PACSWEB_DICOM_PORT="18999").command("up")
    assert done.returncode == 1
    assert "give each door its own port" in done.stdout


def test_mistyped_setting_is_one_sentence(tmp_path: Path) -> None:
    done = Tree.at(tmp_path / "var", PACSWEB_HTTPPORT="1").command("up")
    assert done.returncode == 1
    (sentence,) = done.stdout.splitlines()
    assert "did you mean PACSWEB_HTTP_PORT" in sentence


def test_data_folder_of_another_postgresql_is_one_sentence(tmp_path: Path) -> None:
    cluster = tmp_path / "var" / "postgres"
    (cluster / "global").mkdir(parents=True)
    (cluster / "global" / "pg_control").write_bytes(b"")
    (cluster / "PG_VERSION").write_text("9\n", encoding="ascii")
    done = Tree.at(tmp_path / "var").command("up")
    assert done.returncode == 1
    (sentence,) = done.stdout.splitlines()
    assert "was made by PostgreSQL 9" in sentence


@pytest.mark.parametrize("name", ["web", "worker-ingest", "valkey", "postgres"])
def test_killed_child_is_started_again(running: Tree, name: str) -> None:
    before = running.child(name)
    os.kill(before["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 60
    while running.child(name)["restarts"] == before["restarts"] or running.child(name)["state"] != "running":
        assert time.monotonic() < deadline, running.logs()
        time.sleep(0.05)
    running.wait_for_health()
    assert running.child(name)["pid"] != before["pid"]


def test_row_level_walls_bind_the_application(running: Tree) -> None:
    with running.database() as connection:
        row = connection.execute(
            "SELECT rolsuper, rolbypassrls, rolcreatedb FROM pg_roles WHERE rolname = current_user"
        )
        assert row.fetchone() == (False, False, False)


def test_database_is_durable_and_closed(running: Tree) -> None:
    with running.database() as connection:
        for setting in ("fsync", "data_checksums", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
    configuration = running.broker().config_get("*")
    assert configuration["appendonly"] == "yes"
    assert configuration["maxmemory-policy"] == "noeviction"
    assert configuration["bind"] == "127.0.0.1"


def test_nothing_in_the_data_folder_is_open_to_others_under_an_open_umask(running: Tree) -> None:
    assert open_to_others(running.data) == []


def test_manage_commands_in_another_terminal_reach_the_running_database(running: Tree) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--check"], cwd=ROOT, env=running.environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_killed_supervisor_leaves_no_orphan_and_loses_nothing(running: Tree) -> None:
    with running.database() as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 10000) AS number")
    running.broker().set("kept", "yes")
    running.kill_supervisor()
    # Without anybody's help the tree ends by itself …
    deadline = time.monotonic() + 30
    while running.living():
        assert time.monotonic() < deadline, f"still there: {running.living()}"
        time.sleep(0.1)
    # … and the next start finds everything.
    started = time.monotonic()
    running.up()
    assert time.monotonic() - started < 60
    with running.database() as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (10000,)
    assert running.broker().get("kept") == b"yes"


def test_what_hangs_when_the_supervisor_is_killed_is_ended_without_another_start(running: Tree) -> None:
    frozen = [running.child(name)["pid"] for name in ("postgres", "web", "dicom", "worker-heavy")]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    running.kill_supervisor()
    deadline = time.monotonic() + 90
    while running.living():
        assert time.monotonic() < deadline, f"still there: {running.living()}"
        time.sleep(0.1)
    running.up()
    assert running.health() == 200


def test_start_right_after_a_kill_ends_what_is_left(running: Tree) -> None:
    frozen = [running.child(name)["pid"] for name in ("postgres", "web")]
    for pid in frozen:
        # Frozen processes cannot follow their parent; this start, before the warden, ends them.
        os.kill(pid, signal.SIGSTOP)
    running.kill_supervisor()
    running.up()
    assert running.health() == 200
    assert not set(frozen) & set(running.living())


def test_given_database_and_broker_are_used_and_none_is_started(running: Tree, tmp_path: Path) -> None:
    services = running.services()
    tree = Tree.at(tmp_path / "var", DATABASE_URL=services.database_url, REDIS_URL=services.redis_url)
    # It shares the queues of the other tree, so only its own children are looked at.
    try:
        tree.up()
        names = [child["name"] for child in tree.state()["children"]]
        assert "postgres" not in names
        assert "valkey" not in names
        assert "web" in names
    finally:
        tree.down()
    assert not (tree.data / "postgres").exists()


def test_down_twice_is_no_error(tmp_path: Path) -> None:
    tree = Tree.at(tmp_path / "var")
    for _time in range(2):
        done = tree.command("down")
        assert (done.returncode, done.stdout.strip()) == (0, "nothing runs")


def test_newer_schema_is_one_sentence(rested: Tree, tmp_path: Path) -> None:
    tree = rested.copied(tmp_path / "var")
    tree.up()
    with tree.database() as connection:
        connection.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('core', '9999_future', now())")
    tree.down()
    (tree.data / "run" / "schema.json").unlink()
    done = tree.command("up")
    assert done.returncode == 1
    assert "last used by a newer PACSWeb (it knows core.9999_future" in done.stdout
    assert "Traceback" not in done.stdout
    assert tree.living() == []
