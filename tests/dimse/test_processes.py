"""The listener as a tree of processes: it survives kills, drains on SIGTERM, speaks TLS, and says why it cannot start."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.db import connection
from pydicom.uid import generate_uid

from archive import spool
from archive.models import Archive, Instance
from core.tenancy import tenant
from tests.archive.factories import make_archive, make_dataset
from tests.dimse.factories import Peer, index_all, p_data, stored_uids
from tests.dimse.test_storing import explicit_bytes, status_of, store_request

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(settings.BASE_DIR)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def environment(**extra: str) -> dict[str, str]:
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "pacsweb.settings.test",
        "DATABASE_URL": url,
        "PACSWEB_DATA": str(settings.DATA_DIR),
        **extra,
    }


@contextlib.contextmanager
def listener_process(port: int, *arguments: str, **extra: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "run_dimse", *arguments],
        cwd=ROOT,
        env=environment(PACSWEB_DICOM_PORT=str(port), **extra),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield process
    finally:
        kill_tree(process)


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        tree = psutil.Process(process.pid)
        for one in [tree, *tree.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait(timeout=10)


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise AssertionError("the listener did not start")


class Sender(threading.Thread):
    """Sends objects until each is acknowledged, however often the listener dies; remembers every acknowledgement."""

    def __init__(self, *, port: int, objects: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.objects = objects
        self.acknowledged: list[str] = []
        self.reconnections = 0

    def run(self) -> None:
        waiting = list(self.objects)
        while waiting:
            try:
                with Peer(self.port) as peer:
                    if peer.associate(called="HERE")[0] != 2:
                        time.sleep(0.1)
                        continue
                    while waiting:
                        uid = waiting[0]
                        peer.say(p_data(1, store_request(uid), control=3))
                        peer.say(p_data(1, self.objects[uid], control=2))
                        kind, body = peer.hear()
                        if kind != 4:
                            break
                        assert status_of(body) == 0
                        self.acknowledged.append(uid)
                        waiting.pop(0)
            except OSError:
                time.sleep(0.1)
            self.reconnections += 1


def objects(count: int) -> dict[str, bytes]:
    study, series = generate_uid(), generate_uid()
    found = {}
    for number in range(count):
        dataset = make_dataset(
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            InstanceNumber=number + 1,
            PatientID="KILL",
            PatientName="K",
        )
        found[str(dataset.SOPInstanceUID)] = explicit_bytes(dataset)
    return found


def wait_until(condition: Any, *, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def assert_all_indexed_once(archive: Archive, uids: list[str]) -> None:
    index_all()
    assert stored_uids(archive) == sorted(uids)
    with tenant(archive.organisation):
        study = Instance.objects.select_related("study").filter(archive=archive).first().study
        assert study.instance_count == len(uids)


def test_kill_9_of_listener_processes_in_the_middle_of_500_files_loses_nothing_acknowledged() -> None:
    archive = make_archive(ae_title="HERE")
    everything = objects(500)
    uids = list(everything)
    port = free_port()
    with listener_process(port, "--processes", "2") as process:
        senders = [Sender(port=port, objects={uid: everything[uid] for uid in uids[half::2]}) for half in (0, 1)]
        for sender in senders:
            sender.start()
        for threshold in (60, 160, 300):
            wait_until(lambda: sum(len(sender.acknowledged) for sender in senders) >= threshold)  # noqa: B023
            for child in psutil.Process(process.pid).children():
                child.kill()
        for sender in senders:
            sender.join(timeout=60)
            assert not sender.is_alive()
    assert sum(sender.reconnections for sender in senders) > 2, "the kills came too late to matter"
    assert_all_indexed_once(archive, uids)


def test_kill_9_of_the_whole_listener_leaves_what_was_acknowledged_for_the_index() -> None:
    archive = make_archive(ae_title="HERE")
    everything = objects(300)
    port = free_port()
    sender = Sender(port=port, objects=everything)
    with listener_process(port) as process:
        sender.start()
        wait_until(lambda: len(sender.acknowledged) >= 100)
        kill_tree(process)
    acknowledged = list(sender.acknowledged)
    index_all()
    stored = stored_uids(archive)
    # One file more may be safe than was acknowledged: the answer was lost on its way.
    assert set(acknowledged) <= set(stored) and len(stored) <= len(acknowledged) + 1
    with listener_process(port):
        sender.join(timeout=60)
    assert_all_indexed_once(archive, list(everything))


def test_children_do_not_outlive_a_killed_parent() -> None:
    port = free_port()
    with listener_process(port) as process:
        wait_until(lambda: psutil.Process(process.pid).children())
        children = psutil.Process(process.pid).children()
        os.kill(process.pid, signal.SIGKILL)
        _gone, alive = psutil.wait_procs(children, timeout=10)
        assert not alive


def test_sigterm_lets_an_object_in_progress_finish_and_then_ends_with_zero() -> None:
    archive = make_archive(ae_title="HERE")
    (uid, data), *_rest = objects(1).items()
    port = free_port()
    with listener_process(port) as process, Peer(port) as peer:
        assert peer.associate(called="HERE")[0] == 2
        peer.say(p_data(1, store_request(uid), control=3))
        peer.say(p_data(1, data[:200], control=0))
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        with pytest.raises(ConnectionRefusedError):
            Peer(port)
        peer.say(p_data(1, data[200:], control=2))
        kind, body = peer.hear()
        assert kind == 4 and status_of(body) == 0
        # Nothing more is said: the idle association is ended and the process with it.
        assert process.wait(timeout=15) == 0
    assert_all_indexed_once(archive, [uid])


def test_a_taken_port_is_one_clear_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "manage.py", "run_dimse"],
            cwd=ROOT,
            env=environment(PACSWEB_DICOM_PORT=str(port)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode != 0
    assert f"Port {port} on 127.0.0.1 cannot be opened: Address already in use." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.peer
def test_the_tls_port_takes_objects_from_dcmtk(tmp_path: Path) -> None:
    archive = make_archive(ae_title="HERE")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    from tests.archive.factories import to_bytes

    dataset = make_dataset()
    (tmp_path / "one.dcm").write_bytes(to_bytes(dataset))
    port, secure = free_port(), free_port()
    extra = {
        "PACSWEB_DICOM_TLS_PORT": str(secure),
        "PACSWEB_DICOM_TLS_CERTIFICATE": str(certificate),
        "PACSWEB_DICOM_TLS_KEY": str(key),
    }
    with listener_process(port, **extra):
        wait_for_port(secure)
        done = subprocess.run(
            [
                "storescu",
                "+tla",
                "+cf",
                str(certificate),
                "-aec",
                "HERE",
                "127.0.0.1",
                str(secure),
                str(tmp_path / "one.dcm"),
            ],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        with Peer(secure) as peer:
            peer.say(b"not TLS at all, rather something else" * 4)
            with contextlib.suppress(OSError, struct.error):
                peer.hear()
    index_all()
    assert stored_uids(archive) == [dataset.SOPInstanceUID]
    assert spool.spool_root().exists()
