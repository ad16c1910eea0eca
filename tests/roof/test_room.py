"""What happens when a disk has no room, part by part; tests/roof/test_small_disk.py fills a whole system's."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from django.core.cache import cache
from django.db import DatabaseError, OperationalError
from django.test import Client, RequestFactory
from psycopg.errors import AdminShutdown, CannotConnectNow
from psycopg.errors import DiskFull as PostgresDiskFull

from access import services as access
from archive import services, spool
from archive.errors import OutOfSpace
from archive.models import Delivery, Study
from archive.services import export
from archive.spool import writer
from core import disks, room
from core.middleware import ErrorMiddleware
from core.tenancy import tenant
from pacsweb import health
from pacsweb.launcher import logfiles
from pacsweb.launcher.folders import Folders
from pacsweb.launcher.messages import LaunchError
from pacsweb.launcher.reserve import Reserve
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_series

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """One megabyte."""
    where = tmp_path / "tiny"
    where.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(where)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("SKIPPED: a full disk needs the right to mount a small one (root)")
    yield where
    subprocess.run(["umount", "--lazy", where], check=True)


def fill(folder: Path) -> Path:
    other = folder / "other"
    with other.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return other


# The launcher ---------------------------------------------------------------------------------------------------------


def test_log_goes_on_after_a_full_disk_and_says_what_is_missing(tiny_disk: Path) -> None:
    log = logfiles.LogFile(path=tiny_disk / "web.log")
    log.write(b"before\n")
    other = fill(tiny_disk)
    for _time in range(3):
        log.write(b"x" * 4095 + b"\n")
    other.unlink()
    log.write(b"after\n")
    log.close()
    text = (tiny_disk / "web.log").read_bytes()
    assert text.startswith(b"before\n")
    assert b"bytes could not be written: the disk was full]\nafter\n" in text


def test_log_that_cannot_be_opened_or_turned_over_keeps_the_child_s_output_flowing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logfiles.LogFile(path=tmp_path / "missing" / "web.log")
    log.write(b"lost\n")
    (tmp_path / "missing").mkdir()
    log.write(b"kept\n")
    assert (tmp_path / "missing" / "web.log").read_bytes().endswith(b"kept\n")
    turning = logfiles.LogFile(path=tmp_path / "web.log", largest_bytes=10)

    def full(_path: Path, _target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    for number in range(5):
        turning.write(f"line number {number}\n".encode())
    assert b"line number 4" in (tmp_path / "web.log").read_bytes()


def test_what_the_supervisor_says_to_a_full_disk_does_not_end_it() -> None:
    program = (
        "from pacsweb.launcher.messages import complain, say; say('a'); complain('b'); say('c'); import os; os._exit(7)"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=full, stderr=full, check=False)
    assert done.returncode == 7


def test_reserve_is_held_given_up_and_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    free = [2 << 30]
    monkeypatch.setattr(room, "free_bytes", lambda _folder: free[0])
    monkeypatch.setattr(Reserve, "size_bytes", 1 << 20)
    reserve = Reserve(path=tmp_path / "reserve")
    reserve.look()
    assert (reserve.path.stat().st_size, reserve.path.stat().st_mode & 0o077) == (1 << 20, 0)
    assert reserve.path.stat().st_blocks * 512 >= 1 << 20, "its blocks are really there"
    free[0] = room.LOW_BYTES - 1
    reserve.look()
    assert reserve.path.exists()
    assert "nearly full" in capsys.readouterr().err
    free[0] = room.FULL_BYTES - 1
    reserve.look()
    assert not reserve.path.exists()
    assert "is full" in capsys.readouterr().err
    free[0] = room.LOW_BYTES
    reserve.look()
    assert not reserve.path.exists(), "taking it now would make the disk short again"
    assert "there is room" in capsys.readouterr().out
    free[0] = room.LOW_BYTES + (1 << 20)
    reserve.look()
    assert reserve.path.exists()


def test_reserve_that_cannot_be_made_is_no_error(tiny_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_bytes", lambda _folder: 2 << 30)
    monkeypatch.setattr(Reserve, "size_bytes", 2 << 20)
    said: list[str] = []
    monkeypatch.setattr("pacsweb.launcher.reserve.complain", said.append)
    reserve = Reserve(path=tiny_disk / "reserve")
    for _look in range(50):
        reserve.look()
    assert list(tiny_disk.iterdir()) == []
    assert len(said) == 1 and "no reserve" in said[0], "said once, and not that the room is unknown"


def test_folder_with_a_database_starts_on_a_nearly_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a reboot what is stored can be read, whoever filled the disk."""
    monkeypatch.setattr(room, "free_bytes", lambda _folder: 100 << 20)
    with pytest.raises(LaunchError, match="needs at least 300 MB"):
        Folders(data=tmp_path).prepare()
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("18\n", encoding="ascii")
    Folders(data=tmp_path).prepare()
    monkeypatch.setattr(room, "free_bytes", lambda _folder: 10 << 20)
    folders = Folders(data=tmp_path)
    folders.reserve.write_bytes(b"x")
    with pytest.raises(LaunchError, match="needs at least 32 MB"):
        folders.prepare()
    assert not folders.reserve.exists(), "its own reserve is the first thing to go"


COUNT = """
import os, sys
from pathlib import Path
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
if sys.argv[2] == "whole":
    from pacsweb import metric_files
    metric_files.install()
from prometheus_client import Counter
first = Counter("first", "", ["name"])
first.labels(name="a").inc()
with open(Path(sys.argv[1]) / "other", "wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
for number in range(3000):
    first.labels(name=f"name {number}").inc()
assert first.labels(name="a")._value.get() == 1
second = Counter("second", "", ["name"])
second.labels(name="a").inc()
print("counted")
"""


@pytest.mark.parametrize(("kind", "code"), [("whole", 0), ("as they come", -signal.SIGBUS)])
def test_counters_do_not_end_their_process_on_a_full_disk(tiny_disk: Path, kind: str, code: int) -> None:
    """The second case shows what happened before, and tells when the library no longer needs our help."""
    done = subprocess.run(
        [sys.executable, "-c", COUNT, str(tiny_disk), kind], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stderr


# What is answered -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_healthz_of_a_nearly_full_disk_is_degraded_and_not_down(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Client().get("/healthz").json()["disk"]["state"] == "ok"
    for free, state in ((room.LOW_BYTES - 1, "low"), (room.FULL_BYTES - 1, "full"), (0, "full")):
        monkeypatch.setattr(room, "free_bytes", lambda _folder, free=free: free)
        answer = Client().get("/healthz")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["disk"] == {"state": state, "free_bytes": free}


FULL = [
    OSError(errno.ENOSPC, "No space left on device"),
    redis.ResponseError("MISCONF Errors writing to the AOF file: No space left on device"),
    PostgresDiskFull("could not extend file"),
]


@pytest.mark.django_db
@pytest.mark.parametrize("error", FULL)
def test_healthz_takes_no_room_for_no_fault(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def full() -> bool:
        raise error

    monkeypatch.setitem(health.CHECKS, "storage", full)
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["status"], answer.json()["checks"]["storage"]) == (
        200,
        "degraded",
        "full",
    )


@pytest.mark.django_db
def test_every_page_tells_who_is_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    client.force_login(make_member(make_organisation("hospital")))
    elsewhere = Client()
    elsewhere.force_login(make_member(make_organisation("elsewhere")))
    assert b"disk-banner" not in client.get("/o/hospital/").content
    monkeypatch.setattr(room, "free_bytes", lambda _folder: room.LOW_BYTES - 1)
    for one, place in ((client, "hospital"), (elsewhere, "elsewhere")):
        assert b"The disk is almost full" in one.get(f"/o/{place}/").content
    assert b"disk-banner" not in Client().get("/accounts/sign-in/").content


@pytest.mark.parametrize("error", FULL)
@pytest.mark.parametrize(("accept", "kind"), [("text/html", "text/html"), ("application/json", "application/json")])
def test_answer_that_cannot_be_written_says_so(error: Exception, accept: str, kind: str) -> None:
    """Without asking the database or the cache, which may be what is full."""
    wrapped = DatabaseError("x")
    wrapped.__cause__ = error
    request = RequestFactory().post("/o/hospital/", headers={"accept": accept})
    answer = ErrorMiddleware(lambda _request: None).process_exception(request, wrapped)  # type: ignore[arg-type, return-value]
    assert answer is not None
    assert answer.status_code == 507
    assert answer["Content-Type"].startswith(kind)
    assert b"The disk is full" in answer.content
    assert ErrorMiddleware(lambda _request: None).process_exception(request, DatabaseError("other")) is None  # type: ignore[arg-type, return-value]


@contextmanager
def valkey_takes_nothing(address: str) -> Iterator[None]:
    """As with a full disk: it answers what is asked and refuses to keep anything."""
    with redis.Redis.from_url(address) as broker:
        broker.config_set("min-replicas-to-write", 1)
        try:
            yield
        finally:
            broker.config_set("min-replicas-to-write", 0)


@pytest.mark.django_db
def test_pages_are_read_while_valkey_takes_nothing(settings: Any) -> None:
    clients, pages = {}, {}
    for slug in ("hospital", "elsewhere"):
        organisation = make_organisation(slug)
        person = make_member(organisation, roles=("administrator", "officer"))
        archive = make_archive(organisation, slug="clinical")
        access.grant_role(actor=None, container=archive, role="manager", user=person)
        deliver(archive, make_series(count=2))
        with tenant(organisation):
            study = Study.objects.get()
        place = f"/o/{slug}/archive/clinical/studies/"
        pages[slug] = [place, f"{place}?q=a", f"{place}{study.public_id}/", f"/o/{slug}/audit/", f"/o/{slug}/"]
        clients[slug] = Client()
        clients[slug].force_login(person)
    with valkey_takes_nothing(settings.REDIS_URL):
        for slug, client in clients.items():
            for page in pages[slug]:
                answer = client.get(page)
                assert answer.status_code == 200, (page, answer.content[:500])
            for page in pages["elsewhere" if slug == "hospital" else "hospital"]:
                assert client.get(page).status_code == 404


def test_lock_and_used_codes_are_not_taken_lightly_then(settings: Any) -> None:
    with valkey_takes_nothing(settings.REDIS_URL):
        for act in (lambda: cache.set("locked", 1), lambda: cache.add("code", 1), lambda: cache.delete("x")):
            with pytest.raises(redis.RedisError):
                act()


@pytest.mark.django_db
def test_export_does_not_take_the_last_room(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    person = make_member(archive.organisation)
    access.grant_role(actor=None, container=archive, role="manager", user=person)
    deliver(archive, make_series(count=2))
    monkeypatch.setattr(room, "free_bytes", lambda _folder: room.LOW_BYTES - 1)
    with tenant(archive.organisation):
        studies = list(Study.objects.all())
        with pytest.raises(OutOfSpace, match="no room for an export"):
            export.start_export(actor=person, archive=archive, studies=studies)
        job = uuid.uuid4()
        with pytest.raises(OutOfSpace):
            export.write_export(job_id=job, study_ids=[studies[0].pk], progress=lambda _done, _of: None)
        assert list(export.export_path(job).parent.iterdir()) == []


@pytest.mark.django_db
def test_one_large_file_stops_before_the_last_room(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room was there when it began."""
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(writer, "ROOM_ASKED_EVERY_BYTES", 1 << 20)
    archive = make_archive()
    delivery = services.open_delivery(archive=archive, source=Delivery.Source.UPLOAD)
    free = iter([2 << 30] * 8)
    monkeypatch.setattr(room, "free_bytes", lambda _folder: next(free, 0))
    with pytest.raises(OutOfSpace):
        services.receive(delivery=delivery, chunks=(bytes(1 << 19) for _piece in range(64)))
    assert spool.whole_files(delivery.pk) == []
    assert not list(spool.folder_of(delivery.pk).glob("*.part"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PostgresDiskFull("could not extend file"), 507),
        (AdminShutdown("terminating connection"), 503),
        (CannotConnectNow("the database system is in recovery mode"), 503),
        (psycopg.OperationalError("connection refused"), 503),
        (redis.ConnectionError("connection refused"), 503),
        (psycopg.errors.QueryCanceled("statement timeout"), 500),
        (ValueError("a fault of ours"), 500),
    ],
)
def test_failure_before_a_view_is_reached_is_told_by_its_cause(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    """As when the session is asked for: no view, and no middleware of ours around it."""

    def broken(*_arguments: Any) -> None:
        wrapped = OperationalError("x") if isinstance(error, psycopg.Error) else error
        raise wrapped from (error if wrapped is not error else None)

    monkeypatch.setattr("access.middleware.TokenMiddleware.__call__", broken)
    client = Client(raise_request_exception=False)
    for place, accept in (
        ("/o/hospital/", "text/html"),
        ("/o/hospital/dicomweb/clinical/studies", "application/dicom+json"),
    ):
        answer = client.get(place, headers={"accept": accept})
        assert answer.status_code == status
        assert b"refused" not in answer.content and b"timeout" not in answer.content, "no detail of the inside"
        if status != 500:
            assert answer["Retry-After"] == "30"
            assert answer["Content-Type"].startswith("text/html" if accept == "text/html" else "application/json")


def test_disk_of_the_images_counts_too(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.DATA_DIR, settings.STORAGE_URL = tmp_path, "file:///elsewhere/files"
    monkeypatch.setattr(room, "free_bytes", lambda folder: 0 if "elsewhere" in str(folder) else 2 << 30)
    assert disks.least_room().state == "full"
    settings.STORAGE_URL = "s3://bucket/images"
    assert disks.least_room().state == "ok"


def test_disk_of_the_spool_counts_too(
    client: Client, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_DIR, settings.STORAGE_URL = tmp_path, "s3://bucket/images"
    full = spool.spool_root()
    monkeypatch.setattr(room, "free_bytes", lambda folder: 0 if folder == full else 2 << 30)
    assert disks.least_room().state == "full"
    monkeypatch.setattr(health, "CHECKS", {"broker": lambda: True})
    answer = client.get("/healthz").json()
    assert (answer["status"], answer["disk"]["state"]) == ("degraded", "full")


def test_room_of_a_folder_that_is_not_there_yet_is_that_of_its_disk(tmp_path: Path) -> None:
    state = os.statvfs(tmp_path)
    found = room.free_bytes(tmp_path / "not" / "there")
    assert abs(found - state.f_bavail * state.f_frsize) < 1 << 30
    cache.clear()
