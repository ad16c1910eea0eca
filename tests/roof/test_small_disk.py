"""A small disk that somebody else fills to the last byte: reads go on, it is said, nothing acknowledged is lost, and with
room again everything goes on by itself."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.archive.factories import make_dataset, to_bytes
from tests.roof.test_backup import SET_UP, WEB, System
from tests.roof.trees import Tree

pytestmark = [pytest.mark.tree, pytest.mark.timeout(400)]

DISK_MEGABYTES = 1400
SENDERS = 2
IDLE_SECONDS = 8
LOADED_SECONDS = 8


@dataclass
class Disk:
    path: Path
    written: list[Path] = field(default_factory=list)

    @property
    def free_bytes(self) -> int:
        state = os.statvfs(self.path)
        return state.f_bavail * state.f_frsize

    def fill(self) -> None:
        """As another program does: until nothing goes on it."""
        path = self.path / f"other-program-{len(self.written)}"
        self.written.append(path)
        with path.open("ab", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        while self.written:
            self.written.pop().unlink()


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    where = tmp_path_factory.mktemp("small") / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=755", "tmpfs", where],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("SKIPPED: a full disk needs the right to mount a small one (root)")
    try:
        yield Disk(where)
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


@pytest.fixture(scope="module")
def system(rested: Tree, disk: Disk) -> Iterator[System]:
    tree = rested.copied(disk.path / "var")
    try:
        tree.up()
        found = System(tree=tree, token="")
        found.token = tree.manage("shell", "-c", SET_UP).split("TOKEN", 1)[1].strip()
        yield found
    finally:
        disk.free()
        tree.down()


def health(system: System) -> tuple[int, dict[str, object]]:
    status, body = system.request("GET", "/healthz")
    return status, json.loads(body)


def wait_for(what: str, *, is_so: object, patience_seconds: float = 60) -> None:
    deadline = time.monotonic() + patience_seconds
    while not is_so():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.25)


def store(system: System) -> tuple[int, str]:
    """Send a new image: the answer and its UID."""
    dataset = make_dataset()
    status, _body = system.request(
        "POST", f"{WEB}/studies", to_bytes(dataset), Content_Type="application/dicom", Accept="application/dicom+json"
    )
    return status, str(dataset.SOPInstanceUID)


def write_to_the_database(system: System) -> None:
    """As its own work does, only more: its log grows until no new segment can be made, and the server stops (PANIC)."""
    with suppress(psycopg.Error), system.tree.database() as connection:
        for _time in range(400):
            connection.execute("SELECT pg_logical_emit_message(true, 'scratch', repeat('x', 1000000))")


def is_well(system: System) -> bool:
    try:
        status, told = health(system)
    except (OSError, ValueError):
        return False
    return (status, told["status"]) == (200, "ok")


def processes_of(system: System) -> dict[str, int]:
    state = system.tree.state()
    return {"supervisor": state["pid"], **{child["name"]: child["pid"] for child in state["children"]}}


def log_of(system: System) -> str:
    return (system.tree.data / "log" / "supervisor.log").read_text(encoding="utf-8")


def supervisor_lives(system: System) -> bool:
    """`status` ends with 3 where nothing runs."""
    return system.tree.command("status").returncode in (0, 1)


def read_all_the_time(system: System, wanted: set[str], *, seconds: float) -> list[str]:
    """Read as people do; what went wrong."""
    wrong = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            status, body = system.request("GET", f"{WEB}/instances?limit=100", Accept="application/dicom+json")
            found = (
                {one["00080018"]["Value"][0] for one in json.loads(body or b"[]")} if status in (200, 204) else set()
            )
            if not wanted <= found:
                wrong.append(f"search {status}: {len(wanted - found)} missing")
            one = min(wanted)
            status, body = system.request(
                "GET", f"{WEB}/instances?SOPInstanceUID={one}", Accept="application/dicom+json"
            )
            address = json.loads(body)[0]["00081190"]["Value"][0]
            status, body = system.request(
                "GET", address[address.index("/o/") :], Accept='multipart/related; type="application/dicom"'
            )
            if status != 200 or len(body) < 1000:
                wrong.append(f"retrieve {status}")
            status, told = health(system)
            if status != 200 or told["status"] != "degraded":
                wrong.append(f"health {status} {told}")
        except (OSError, ValueError, IndexError, KeyError) as error:
            wrong.append(repr(error))
        time.sleep(0.5)
    return wrong


def test_filled_while_idle(disk: Disk, system: System) -> None:
    dataset = make_dataset()
    system.store(to_bytes(dataset))
    known = {str(dataset.SOPInstanceUID)}
    wait_for("the image is indexed", is_so=lambda: known <= system.instances())
    before = processes_of(system)
    disk.fill()
    time.sleep(1)
    assert read_all_the_time(system, known, seconds=IDLE_SECONDS) == []
    status, _answer = store(system)
    assert status == 507
    assert "nearly full" in log_of(system) or "is full" in log_of(system)
    disk.free()
    wait_for("all is well", is_so=lambda: is_well(system))
    status, again = store(system)
    assert status == 200
    wait_for("what is sent now is indexed", is_so=lambda: {*known, again} <= system.instances())
    assert processes_of(system) == before, "nobody ended"


def test_filled_to_the_last_byte_again_and_again_while_images_come_in(disk: Disk, system: System) -> None:
    """What is freed is taken by the other program at once, so that even the reserve is gone: database and queues may stop,
    and must come back."""
    supervisor = system.tree.state()["pid"]
    acknowledged: set[str] = set()
    answers: Counter[int] = Counter()
    stop = threading.Event()

    def send() -> None:
        while not stop.is_set():
            try:
                status, uid = store(system)
            except OSError:
                status, uid = 0, ""
            answers[status] += 1
            if status == 200:
                acknowledged.add(uid)
            else:
                time.sleep(0.1)

    senders = [threading.Thread(target=send, daemon=True) for _number in range(SENDERS)]
    for sender in senders:
        sender.start()
    wait_for("images come in", is_so=lambda: answers[200] >= 20)
    deadline = time.monotonic() + LOADED_SECONDS
    while time.monotonic() < deadline:
        disk.fill()
        write_to_the_database(system)
        time.sleep(0.02)
    assert set(answers) <= {0, 200, 503, 507}, answers
    taken = answers[200]
    assert answers[507] > 0, answers
    assert supervisor_lives(system)
    disk.free()
    wait_for("all is well", is_so=lambda: is_well(system), patience_seconds=90)
    wait_for("images come in again", is_so=lambda: answers[200] > taken + 10)
    stop.set()
    for sender in senders:
        sender.join(timeout=60)
    wait_for(
        "all that was acknowledged is there", is_so=lambda: acknowledged <= system.instances(), patience_seconds=90
    )
    assert system.tree.state()["pid"] == supervisor
