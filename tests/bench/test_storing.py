"""STOW-RS, and the whole way of an image: sent, acknowledged, indexed. Beside Orthanc on the same files in one run."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests  # noqa: TID251 -- the client library that dicomweb-client is built on

from archive.models import Instance
from core.tenancy import all_tenants
from tests.archive.factories import make_archive, make_series
from tests.bench import peers
from tests.bench.test_receiving import make_files
from tests.bench.test_serving import web_server
from tests.dicomweb.factories import make_reader, make_token
from tests.dimse.test_processes import ROOT, environment, free_port, kill_tree

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]

ALONE, TOGETHER = 100, 400
WHOLE_WAY = 1200
STOW = {"Accept": "application/dicom+json", "Content-Type": 'multipart/related; type="application/dicom"; boundary=b'}


def payload(files: list[bytes]) -> bytes:
    parts = [b"--b\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n" for content in files]
    return b"".join(parts) + b"--b--\r\n"


def rate_of_stow(session: requests.Session, address: str, *, side: int) -> list[float]:
    """Files a second with one file a request, and with fifty."""
    rates = []
    for count, together in ((ALONE, 1), (TOGETHER, 50)):
        files = make_series(count=count, Rows=side, Columns=side, PixelData=bytes(side * side * 2))
        bodies = [payload(files[start : start + together]) for start in range(0, count, together)]
        began = time.perf_counter()
        for body in bodies:
            answer = session.post(address, data=body, headers=STOW)
            assert answer.status_code == 200, answer.text[:300]
        rates.append(count / (time.perf_counter() - began))
    return rates


def test_storing_over_http(tmp_path: Path) -> None:
    columns = ["35 kB, 1 a request", "35 kB, 50 a request", "0.5 MB, 1 a request", "0.5 MB, 50 a request"]
    rows: dict[str, list[float]] = {}
    archive = make_archive()

    def both(session: requests.Session, address: str) -> list[float]:
        session.post(address, data=payload(make_series(count=2)), headers=STOW)  # nothing is cold
        return [rate for side in (128, 512) for rate in rate_of_stow(session, address, side=side)]

    with web_server() as server, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {make_token(make_reader(archive, role='contributor'))}"
        rows["PACSWeb"] = both(session, f"{server}/o/{archive.organisation.slug}/dicomweb/{archive.slug}/studies")
    if peers.orthanc_binary():
        http = free_port()
        with peers.orthanc_server(tmp_path, dicom=free_port(), http=http), requests.Session() as session:
            rows["Orthanc"] = both(session, f"http://127.0.0.1:{http}/dicom-web/studies")
    print("\n" + peers.machine())
    print(peers.table("STOW-RS, one client", columns, rows, base="PACSWeb", unit="files/s", is_rate=True))


@contextlib.contextmanager
def ingest_worker() -> Iterator[None]:
    """A worker of the ingest queue as the launcher starts it."""
    command = [
        sys.executable, "-m", "celery", "-A", "pacsweb", "worker", "--queues", "ingest", "--concurrency", "2",
        "--loglevel", "warning", "--without-gossip", "--without-mingle",
    ]  # fmt: skip
    running = subprocess.Popen(
        command, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        kill_tree(running)


def until(indexed: Callable[[], int], *, count: int) -> None:
    deadline = time.monotonic() + 300
    while indexed() < count:
        assert time.monotonic() < deadline, "what was sent did not get into the index"
        time.sleep(0.02)


def orthanc_count(http: int) -> int:
    found: int = requests.get(f"http://127.0.0.1:{http}/statistics", timeout=60).json()["CountInstances"]
    return found


@pytest.mark.skipif(not shutil.which("storescu"), reason="needs dcmtk's storescu")
def test_the_whole_way(tmp_path: Path) -> None:
    archive = make_archive(ae_title="HERE")
    source = tmp_path / "files"
    source.mkdir()
    groups = []
    for number in range(4):
        folder = source / str(number)
        folder.mkdir()
        groups.append(make_files(folder, rows=128, columns=136, count=WHOLE_WAY // 4))
    files = [path for four in zip(*groups, strict=True) for path in four]
    assert archive.pk

    def indexed() -> int:
        with all_tenants():
            return Instance.objects.count()

    rows: dict[str, list[float]] = {}
    print("\n" + peers.machine())
    with ingest_worker(), peers.ours(tmp_path) as receiver:
        peers.send(files[:4], port=receiver.port, associations=1, no_delay=True)
        until(indexed, count=4)
        began = time.perf_counter()
        acknowledged = peers.send(files[4:], port=receiver.port, associations=4, no_delay=True)
        until(indexed, count=WHOLE_WAY)
        rows["PACSWeb (synced to disk)"] = [acknowledged, (WHOLE_WAY - 4) / (time.perf_counter() - began)]
    if peers.orthanc_binary():
        dicom, http = free_port(), free_port()
        with peers.orthanc_server(tmp_path, dicom=dicom, http=http):
            peers.send(files[:4], port=dicom, associations=1, no_delay=True)
            began = time.perf_counter()
            acknowledged = peers.send(files[4:], port=dicom, associations=4, no_delay=True)
            until(lambda: orthanc_count(http), count=WHOLE_WAY)
            rows["Orthanc"] = [acknowledged, (WHOLE_WAY - 4) / (time.perf_counter() - began)]
    print(
        peers.table(
            f"{WHOLE_WAY:,} MR images of 35 kB over four associations",
            ["acknowledged", "in the index"], rows, base="PACSWeb (synced to disk)", unit="files/s", is_rate=True,
        )
    )  # fmt: skip
