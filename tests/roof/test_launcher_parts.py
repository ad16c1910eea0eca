"""The launcher's parts, each with real files, ports and processes."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pacsweb.launcher import folders, front_end, logfiles, ports, processes, requeue, steps
from pacsweb.launcher.child import restart_delay
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.messages import LaunchError
from pacsweb.launcher.postgres import find_binaries, read_data_major


def test_taken_port_is_one_sentence_with_its_holder() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(
            LaunchError, match=rf"Port {port} \(HTTP\) is already used by .*process {os.getpid()}.*PACSWEB_HTTP_PORT"
        ):
            ports.require_free(host="127.0.0.1", port=port, purpose="HTTP", variable="PACSWEB_HTTP_PORT")


def test_foreign_bind_address_is_explained() -> None:
    with pytest.raises(LaunchError, match="no address of this machine"):
        ports.is_free(host="192.0.2.1", port=8000)


def test_full_disk_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="is full: 3 MB are free"):
        folders.require_space(folder=tmp_path, free_bytes=3 * 2**20)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "is full"),
        (errno.EDQUOT, "is full"),
        (errno.EROFS, "cannot be written"),
        (errno.EACCES, "cannot be written"),
    ],
)
def test_trouble_with_the_data_folder_is_told_in_words(number: int, words: str) -> None:
    assert words in folders.explain(error=OSError(number, "x"), folder=Path("/data"))


def test_full_disk_in_the_middle_of_a_write_does_not_stop_the_log(tmp_path: Path) -> None:
    full = Path("/dev/full")
    log = logfiles.LogFile(path=full)
    log.write(b"this cannot be written\n")
    log.close()


def test_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("not a folder", encoding="utf-8")
    with pytest.raises(LaunchError, match="a file stands in the way"):
        Folders(data=tmp_path / "data").prepare()


def test_unwritable_data_folder_is_refused() -> None:
    with pytest.raises(LaunchError, match=r"cannot be (written|used)"):
        Folders(data=Path("/proc/pacsweb-data")).prepare()


def test_data_folder_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "layout").write_text("99\n", encoding="ascii")
    with pytest.raises(LaunchError, match="made by a newer PACSWeb"):
        Folders(data=tmp_path).prepare()


def test_cluster_of_another_postgresql_is_refused(tmp_path: Path) -> None:
    (tmp_path / "global").mkdir()
    (tmp_path / "global" / "pg_control").write_bytes(b"")
    (tmp_path / "PG_VERSION").write_text("9\n", encoding="ascii")
    with pytest.raises(LaunchError, match="was made by PostgreSQL 9, and this machine has PostgreSQL"):
        find_binaries(chosen=None, data_major=read_data_major(folder=tmp_path))


def test_chosen_folder_without_postgresql_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="PACSWEB_POSTGRES_BIN"):
        find_binaries(chosen=tmp_path, data_major=None)


def test_restarts_come_slower_and_slower() -> None:
    assert [restart_delay(failures=number) for number in (1, 2, 3, 7, 50)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_log_file_is_rotated_and_old_ones_are_dropped(tmp_path: Path) -> None:
    log = logfiles.LogFile(path=tmp_path / "web.log", largest_bytes=10)
    for number in range(20):
        log.write(f"line number {number}\n".encode())
    log.close()
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["web.log", *(f"web.log.{number}" for number in range(1, logfiles.KEPT_FILES + 1))]
    assert (tmp_path / "web.log.1").read_text(encoding="utf-8") == "line number 19\n"


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], cwd=Path(__file__).resolve().parents[2], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    ticks = processes.started_at(child)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while processes.is_same_process(pid=child, start_ticks=ticks) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not processes.is_same_process(pid=child, start_ticks=ticks)


PARENT = """
import os, subprocess, time
from pathlib import Path
from pacsweb.launcher.processes import RunAs, start
child = start(command=["sleep", "600"], environment=os.environ, run_as=RunAs.myself(), output=subprocess.DEVNULL, cwd=Path("/"))
time.sleep(0.5)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_reused_process_number_is_not_taken_for_ours() -> None:
    assert processes.is_same_process(pid=os.getpid(), start_ticks=processes.started_at(os.getpid()))
    assert not processes.is_same_process(pid=os.getpid(), start_ticks=1)


def test_stubborn_process_is_killed() -> None:
    stubborn = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE)
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    processes.end(pids=[stubborn.pid], patience_seconds=0.3)
    assert stubborn.wait(timeout=5) == -signal.SIGKILL


STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def test_task_of_a_killed_worker_is_given_back_to_its_own_queue() -> None:
    from django.conf import settings
    from kombu import Connection

    for queue in ("ingest", "heavy"):
        with Connection(settings.REDIS_URL) as connection:
            connection.SimpleQueue(queue).put({"for": queue})
    # A consumer that takes both and is killed before it acknowledges.
    subprocess.run([sys.executable, "-c", TAKE_AND_DIE, settings.REDIS_URL], check=False)
    assert requeue.give_back(url=settings.REDIS_URL, queues={"ingest"}) == 1
    with Connection(settings.REDIS_URL) as connection:
        message = connection.SimpleQueue("ingest").get(timeout=5)
        assert message.payload == {"for": "ingest"}
        message.ack()
    assert requeue.give_back(url=settings.REDIS_URL, queues={"ingest"}) == 0
    assert requeue.give_back(url=settings.REDIS_URL, queues={"heavy"}) == 1


TAKE_AND_DIE = """
import os, sys
from kombu import Connection
connection = Connection(sys.argv[1])
kept = [connection.SimpleQueue(queue).get(timeout=5) for queue in ("ingest", "heavy")]
os.kill(os.getpid(), 9)
"""


def test_demo_is_loaded_the_first_time_only(tmp_path: Path) -> None:
    data = Folders(data=tmp_path)
    data.prepare()
    assert steps.demo_is_wanted(folders=data, asked=True)
    assert not steps.demo_is_wanted(folders=data, asked=False)
    (data.run / "demo.json").write_text("{}", encoding="utf-8")
    assert not steps.demo_is_wanted(folders=data, asked=True)


def test_schema_fingerprint_is_steady() -> None:
    assert steps.schema_fingerprint() == steps.schema_fingerprint()


def test_front_end_is_not_rebuilt_when_its_sources_are_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_npm(arguments: list[str], *, environment: dict[str, str]) -> None:
        raise AssertionError("npm was called")

    monkeypatch.setattr(front_end, "_npm", no_npm)
    monkeypatch.setattr(front_end, "_read", lambda _path: front_end._fingerprint(paths=front_end._sources()))
    front_end.build()


def test_wheel_brings_a_working_node_and_npm() -> None:
    folder = front_end._wheel_node()
    environment = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "HOME": os.environ.get("HOME", "/")}
    for name in ("node", "npm", "npx"):
        done = subprocess.run(
            [folder / name, "--version"], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
