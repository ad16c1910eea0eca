"""Clients that send or read slowly, against the web server as the launcher starts it. None of them stops the others."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests  # noqa: TID251 -- an HTTP client of its own, over a real socket
from django.test import Client

from archive.models import Delivery, Instance
from archive.spool.layout import folder_of
from core.tenancy import all_tenants
from pacsweb.env import Environment
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.tree import Doors, service_plans
from tests.access.factories import make_member
from tests.archive.factories import deliver, make_archive, make_series
from tests.bench import peers
from tests.dicomweb.factories import make_reader, make_token
from tests.dimse.test_processes import environment, free_port

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300)]

STOW = 'multipart/related; type="application/dicom"; boundary=b'
SOON_SECONDS = 1.0
SIDE = 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    told = environment(PACSWEB_HTTP_PORT=str(port))
    plan = service_plans(
        env=Environment(environ={}),
        doors=Doors(bind="127.0.0.1", http=port, dicom=1, dicom_tls=None),
        environment=told,
        folders=Folders(data=tmp_path),
    )[-1]
    with peers.process(plan.command(), port=port, cwd=plan.cwd, env=told):
        yield f"http://127.0.0.1:{port}"


def payload(files: list[bytes]) -> bytes:
    parts = [b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n" for content in files]
    return b"".join(parts) + b"--b--\r\n"


def opened(server: str, held: ExitStack, *, start: str, headers: dict[str, str], body: bytes = b"") -> socket.socket:
    """A connection that has sent this and then keeps silent."""
    address = urlsplit(server)
    # A small window, so that an answer nobody reads does not vanish in it.
    connection = held.enter_context(socket.socket())
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port))
    lines = [f"{start} HTTP/1.1", f"Host: {address.netloc}", *(f"{name}: {value}" for name, value in headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
    return connection


def status_of(connection: socket.socket) -> int:
    """Of the answer, which has to be the last on its connection."""
    connection.settimeout(90)
    answer = b""
    while data := connection.recv(65536):
        answer += data
    return int(answer.split(b" ", 2)[1])


class Watch:
    """Asks for a page and for the server's health all the time, each on a new connection."""

    def __init__(self, server: str) -> None:
        self.slowest = 0.0
        self.count = 0
        self._server = server
        self._is_over = threading.Event()
        self._asking = threading.Thread(target=self._ask)

    def __enter__(self) -> Watch:
        for path in ("/healthz", "/accounts/sign-in/"):  # the first of each compiles templates
            for _process in range(6):
                requests.get(self._server + path, timeout=60)
        self._asking.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_over.set()
        self._asking.join()

    def _ask(self) -> None:
        while not self._is_over.wait(0.2):
            for path in ("/healthz", "/accounts/sign-in/"):
                began = time.monotonic()
                try:
                    answer = requests.get(self._server + path, timeout=20)
                    taken = time.monotonic() - began if answer.status_code == 200 else 1000.0 + answer.status_code
                except requests.RequestException:
                    taken = 1000.0
                self.slowest = max(self.slowest, taken)
                self.count += 1


def test_bodies_that_stay_half_sent_stop_nobody_and_end_with_408(server: str) -> None:
    archive = make_archive()
    token = {
        "Authorization": f"Bearer {make_token(make_reader(archive, role='contributor'), 'read', 'write', 'dicomweb')}"
    }
    signed_in = Client()
    signed_in.force_login(make_member(archive.organisation))
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in signed_in.cookies.items())
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "100000"}
    csrf = "csrftoken=abcdefghijklmnopqrstuvwxyz012345"
    root = f"/o/{archive.organisation.slug}/dicomweb/{archive.slug}"
    with ExitStack() as held:
        small = [
            *(
                opened(server, held, start="POST /accounts/sign-in/", headers={"Cookie": csrf, **form}, body=b"a=b")
                for _ in range(40)
            ),
            *(
                opened(server, held, start="POST /account/", headers={"Cookie": f"{cookie}; {csrf}", **form}, body=b"a=b")
                for _ in range(40)
            ),
            *(
                opened(
                    server, held, start="POST /api/", body=b"5\r\n{", headers={
                        "Content-Type": "application/json", "Transfer-Encoding": "chunked", **token,
                    },
                )
                for _ in range(20)
            ),
        ]  # fmt: skip
        with Watch(server) as watch:
            begun = payload(make_series(count=1))[:300]
            large = [
                opened(
                    server, held, start=f"POST {root}/studies", body=begun,
                    headers={"Content-Type": STOW, "Content-Length": "50000000", **token},
                )
                for _ in range(20)
            ]  # fmt: skip
            assert {status_of(connection) for connection in small} == {408}
            # Uploads have few places: whoever waited for one for half a minute is told to come again.
            answers = [status_of(connection) for connection in large]
    assert watch.count > 20
    assert watch.slowest < SOON_SECONDS
    assert 408 in answers
    assert set(answers) <= {408, 503}


def test_nothing_of_an_upload_that_stopped_is_kept(server: str) -> None:
    archive = make_archive()
    token = {"Authorization": f"Bearer {make_token(make_reader(archive, role='contributor'))}"}
    body = payload(make_series(count=3, Rows=SIDE, Columns=SIDE, PixelData=bytes(SIDE * SIDE * 2)))
    start = f"POST /o/{archive.organisation.slug}/dicomweb/{archive.slug}/studies"
    headers = {"Content-Type": STOW, "Content-Length": str(len(body)), **token}
    with ExitStack() as held:
        assert status_of(opened(server, held, start=start, headers=headers, body=body[:-1000])) == 408
    with all_tenants():
        assert not Instance.objects.exists()
        delivery = Delivery.objects.get(archive=archive)
    assert [path.name for path in folder_of(delivery.pk).rglob("*") if path.suffix != ".lock"] == []


@pytest.mark.parametrize("is_chunked", [False, True])
def test_large_upload_arrives_whole(server: str, *, is_chunked: bool) -> None:
    archive = make_archive()
    files = make_series(count=30, Rows=SIDE, Columns=SIDE, PixelData=bytes(range(256)) * (SIDE * SIDE // 128))
    body = payload(files)
    pieces = (body[start : start + 70_001] for start in range(0, len(body), 70_001))
    headers = {
        "Authorization": f"Bearer {make_token(make_reader(archive, role='contributor'))}",
        "Content-Type": STOW,
        "Accept": "application/dicom+json",
    }
    root = f"{server}/o/{archive.organisation.slug}/dicomweb/{archive.slug}"
    answer = requests.post(f"{root}/studies", data=pieces if is_chunked else body, headers=headers, timeout=120)
    assert answer.status_code == 200, answer.text[:300]
    with all_tenants():
        study, series = (
            Instance.objects.values_list("series__study__study_instance_uid", "series__series_instance_uid")
            .distinct()
            .get()
        )
        assert Instance.objects.count() == len(files)
    fetched = requests.get(
        f"{root}/studies/{study}/series/{series}",
        headers={**headers, "Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
        timeout=120,
    )
    assert fetched.status_code == 200
    assert all(content in fetched.content for content in files)


def test_readers_of_large_answers_that_stop_reading_stop_nobody(server: str) -> None:
    archive = make_archive()
    token = {"Authorization": f"Bearer {make_token(make_reader(archive))}"}
    deliver(archive, make_series(count=30, Rows=SIDE, Columns=SIDE, PixelData=bytes(SIDE * SIDE * 2)))
    with all_tenants():
        study = Instance.objects.values_list("series__study__study_instance_uid", flat=True).distinct().get()
    path = f"/o/{archive.organisation.slug}/dicomweb/{archive.slug}/studies/{study}"
    kind = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}
    with Watch(server) as watch:
        with ExitStack() as held:
            for _ in range(40):
                opened(server, held, start=f"GET {path}", headers={**token, **kind})
            time.sleep(10)
        # All of them left: their places are free at once, and a reader that reads gets everything.
        time.sleep(1)
        whole = requests.get(server + path, headers={**token, **kind}, timeout=60)
    assert watch.count > 20
    assert watch.slowest < SOON_SECONDS
    assert whole.status_code == 200
    assert len(whole.content) > 30 * SIDE * SIDE * 2
