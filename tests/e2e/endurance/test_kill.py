"""`kill -9` in the middle of 500 incoming files: whatever was acknowledged is in the index afterwards, once."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import generate_uid
from pynetdicom import AE

from tests.roof.trees import Tree

pytestmark = [pytest.mark.tree, pytest.mark.timeout(400)]

FILES = 500
SET_UP = """
from access import services as access
from access.models import User
from archive import services as archive
organisation = access.create_organisation(slug="tough", name="Tough")
user = User.objects.create_user(username="sender@tough", password=None)
access.add_member(actor=None, organisation=organisation, user=user, roles=("administrator",))
archive.create_archive(actor=user, organisation=organisation, slug="clinical", name="Clinical", ae_title="TOUGH",
                       settle_seconds=2, calling_ae_titles=["SENDER"])
print("TOKEN", access.create_token(user=user, name="kill", scopes=["read", "write", "dicomweb"])[1])
"""


@dataclass
class System:
    tree: Tree
    token: str

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.tree.environment['PACSWEB_HTTP_PORT']}"

    @property
    def dicom_port(self) -> int:
        return int(self.tree.environment["PACSWEB_DICOM_PORT"])

    def kill(self, *names: str) -> None:
        """kill -9 every process that belongs to the named children."""
        for name in names:
            pid = self.tree.child(name)["pid"]
            os.killpg(os.getpgid(pid), signal.SIGKILL)

    def indexed(self) -> list[str]:
        with self.tree.database() as connection:
            rows = connection.execute("SELECT sop_instance_uid FROM archive_instance").fetchall()
        return [row[0] for row in rows]

    def unfinished(self) -> int:
        with self.tree.database() as connection:
            row = connection.execute("SELECT count(*) FROM archive_delivery WHERE state <> 'indexed'").fetchone()
        assert row is not None
        return int(row[0])

    def wait_until(self, condition: Callable[[], bool], *, patience_seconds: float = 120) -> None:
        deadline = time.monotonic() + patience_seconds
        while True:
            try:
                if condition():
                    return
            except Exception:
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, self.tree.logs()
            time.sleep(0.3)


@pytest.fixture(scope="module")
def system(bare_tree: Tree) -> System:
    made = bare_tree.manage("shell", "-c", SET_UP)
    return System(tree=bare_tree, token=made.split("TOKEN", 1)[1].strip())


def make_study(count: int) -> list[Dataset]:
    """A study of small CT images of its own."""
    source = dcmread(str(get_testdata_file("CT_small.dcm")))
    study, series = generate_uid(), generate_uid()
    datasets = []
    for number in range(1, count + 1):
        copy = Dataset()
        copy.update(source)
        copy.file_meta = FileMetaDataset()
        copy.file_meta.update(source.file_meta)
        copy.StudyInstanceUID, copy.SeriesInstanceUID = study, series
        copy.SOPInstanceUID = generate_uid()
        copy.file_meta.MediaStorageSOPInstanceUID = copy.SOPInstanceUID
        copy.InstanceNumber = number
        copy.PatientID = "KILL"
        datasets.append(copy)
    return datasets


@dataclass
class Sender(threading.Thread):
    """Sends each file until it is acknowledged; remembers what was."""

    system: System
    datasets: list[Dataset]
    acknowledged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        left = list(self.datasets)
        deadline = time.monotonic() + 240
        while left and time.monotonic() < deadline:
            left = self.send(left)
            if left:
                time.sleep(0.3)

    def send(self, datasets: list[Dataset]) -> list[Dataset]:
        raise NotImplementedError

    def wait_for(self, count: int) -> None:
        self.system.wait_until(lambda: len(self.acknowledged) >= count, patience_seconds=200)


class AssociationSender(Sender):
    def send(self, datasets: list[Dataset]) -> list[Dataset]:
        entity = AE(ae_title="SENDER")
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
        entity.add_requested_context(datasets[0].SOPClassUID, datasets[0].file_meta.TransferSyntaxUID)
        association = entity.associate("127.0.0.1", self.system.dicom_port, ae_title="TOUGH")
        left = list(datasets)
        if not association.is_established:
            return left
        try:
            while left:
                status = association.send_c_store(left[0])
                if "Status" not in status:
                    break
                if status.Status != 0x0000:
                    time.sleep(0.2)
                    continue
                self.acknowledged.append(left.pop(0).SOPInstanceUID)
        except RuntimeError:
            pass  # the association is gone; a new one goes on with what is left
        finally:
            if association.is_established:
                association.release()
            else:
                association.abort()
        return left


class StowSender(Sender):
    PACK = 10

    def send(self, datasets: list[Dataset]) -> list[Dataset]:
        left = list(datasets)
        while left:
            pack = left[: self.PACK]
            stored = self.post(pack)
            if stored is None:
                return left
            self.acknowledged += stored
            left = [one for one in left if one.SOPInstanceUID not in set(stored)]
        return left

    def post(self, pack: list[Dataset]) -> list[str] | None:
        boundary = uuid.uuid4().hex
        parts = b"".join(
            f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode() + part10(one) + b"\r\n" for one in pack
        )
        request = urllib.request.Request(  # noqa: S310 -- a fixed loopback address
            f"{self.system.http}/o/tough/dicomweb/clinical/studies",
            data=parts + f"--{boundary}--\r\n".encode(),
            headers={
                "Content-Type": f'multipart/related; type="application/dicom"; boundary="{boundary}"',
                "Accept": "application/dicom+json",
                "Authorization": f"Bearer {self.system.token}",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                document = json.load(answer)
        except (OSError, urllib.error.URLError, ValueError):
            return None
        return [item["00081155"]["Value"][0] for item in document["00081199"]["Value"]]


def part10(dataset: Dataset) -> bytes:
    from io import BytesIO

    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def check(system: System, sender: Sender) -> None:
    sender.join(timeout=260)
    assert len(set(sender.acknowledged)) == FILES, f"{len(set(sender.acknowledged))} acknowledged\n{system.tree.logs()}"
    wanted = set(sender.acknowledged)
    system.wait_until(lambda: wanted <= set(system.indexed()))
    mine = [uid for uid in system.indexed() if uid in wanted]
    assert len(mine) == FILES, "an instance stands twice in the index"
    system.wait_until(lambda: system.unfinished() == 0)
    spool = Path(system.tree.data) / "spool"
    assert not list(spool.glob("*/*.dcm"))
    assert not list(spool.glob("*/*.part"))


@pytest.mark.parametrize("victim", ["dicom", "worker-ingest", "postgres", "valkey"])
def test_killed_in_the_middle_of_associations(system: System, victim: str) -> None:
    sender = AssociationSender(system=system, datasets=make_study(FILES))
    sender.start()
    for part in (FILES // 5, FILES // 2):
        sender.wait_for(part)
        system.kill(victim)
    check(system, sender)


@pytest.mark.parametrize("victim", ["web", "postgres"])
def test_killed_in_the_middle_of_stow_requests(system: System, victim: str) -> None:
    sender = StowSender(system=system, datasets=make_study(FILES))
    sender.start()
    sender.wait_for(FILES // 3)
    system.kill(victim)
    check(system, sender)


def test_supervisor_killed_and_started_again(system: System) -> None:
    sender = AssociationSender(system=system, datasets=make_study(FILES))
    sender.start()
    sender.wait_for(FILES // 3)
    system.tree.kill_supervisor()
    time.sleep(1)
    system.tree.up()
    check(system, sender)
