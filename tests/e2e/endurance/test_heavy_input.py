"""The largest and the most that a sender may bring, through the doors of a whole running PACSWeb.

`HEAVY_FILES=100000` makes the crowd of small files as large as a disc ever is; the suite sends fewer.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import threading
import time
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.uid import generate_uid

from pacsweb.launcher import processes
from tests.archive.factories import make_dataset, to_bytes
from tests.roof.trees import Tree

pytestmark = [pytest.mark.tree, pytest.mark.timeout(1800)]

SET_UP = """
from access import services as access
from access.models import User
from archive import services
organisation = access.create_organisation(slug="heavy", name="Heavy", administrator=None)
archive = services.create_archive(actor=None, organisation=organisation, slug="clinical", name="Clinical", ae_title="HEAVY")
user = User.objects.create_user(username="sender@heavy", password="correct horse battery staple")
access.add_member(actor=None, organisation=organisation, user=user)
access.grant_role(actor=None, container=archive, role="manager", user=user)
print("TOKEN" + access.create_token(user=user, name="sender", scopes=("read", "write", "dicomweb"))[1])
"""
ROWS = COLUMNS = 1024
# Just over 2 GiB of pixels: beyond what a signed 32-bit length holds.
FRAMES = 1030
FRAME_BYTES = ROWS * COLUMNS * 2
PIECE_BYTES = 16 << 20
# What a process may grow by at most: a few pieces and frames, nothing near the file.
GROWTH_MB = 160
HOW_MANY = int(os.environ.get("HEAVY_FILES", "1000"))
API = "/api/v1/o/heavy/archives/clinical"
WEB = "/o/heavy/dicomweb/clinical"


@dataclass
class System:
    tree: Tree
    token: str

    def request(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None = None, **headers: str
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(self.tree.environment["PACSWEB_HTTP_PORT"]), timeout=600
        )
        try:
            sent = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
            connection.request(method, path, body=body, headers=sent)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:
        status, content = self.request(method, path, body, **headers)
        assert status < 300, (status, content[:500])
        return json.loads(content)

    def digest(self, path: str, **headers: str) -> tuple[int, str]:
        """(length, SHA-256) of a long answer, read as it comes."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", int(self.tree.environment["PACSWEB_HTTP_PORT"]), timeout=600
        )
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token}", **headers})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read(500)
            found, length = hashlib.sha256(), 0
            while piece := answer.read(1 << 20):
                found.update(piece)
                length += len(piece)
            return length, found.hexdigest()
        finally:
            connection.close()

    def wait(self, condition: Callable[[], Any], *, what: str, patience_seconds: float = 600) -> Any:
        deadline = time.monotonic() + patience_seconds
        while True:
            found = condition()
            if found:
                return found
            assert time.monotonic() < deadline, f"waited {patience_seconds:g} s for {what}\n{self.tree.logs()}"
            time.sleep(0.5)


class Watch(threading.Thread):
    """The most memory of its own (not pages of files) that each Python process of the tree has had."""

    def __init__(self, tree: Tree) -> None:
        super().__init__(daemon=True)
        self._tree = str(tree.data)
        self._over = threading.Event()
        self.first: dict[int, float] = {}
        self.most: dict[int, float] = {}

    def __enter__(self) -> Watch:
        self._look()
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(0.2):
            self._look()

    def _look(self) -> None:
        for pid in processes.members_of_tree(tree=self._tree):
            try:
                lines = (Path("/proc") / str(pid) / "status").read_text(encoding="ascii", errors="replace")
            except OSError:
                continue
            own = [line for line in lines.splitlines() if line.startswith("RssAnon:")]
            name = lines.split("\n", 1)[0]
            if own and "postgres" not in name and "valkey" not in name:
                size = int(own[0].split()[1]) / 1024
                self.first.setdefault(pid, size)
                self.most[pid] = max(self.most.get(pid, 0.0), size)

    @property
    def growth_mb(self) -> float:
        return max(self.most[pid] - self.first[pid] for pid in self.first)


@pytest.fixture(scope="module")
def system(bare_tree: Tree) -> System:
    made = bare_tree.manage("shell", "-c", SET_UP)
    found = System(tree=bare_tree, token=made.split("TOKEN", 1)[1].strip())
    # The first request of each kind loads what a process keeps for good.
    small = make_dataset()
    upload(found, [("warm", to_bytes(small))])
    found.request("GET", f"{WEB}/studies/{small.StudyInstanceUID}/rendered", Accept="image/png")
    return found


# One file of more than two gigabytes ------------------------------------------------------------------------------------


def large_head() -> tuple[bytes, Any]:
    """Everything of the large file before its pixels, which are zeros but for the first word of each frame."""
    dataset = make_dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.7.3", Rows=ROWS, Columns=COLUMNS, NumberOfFrames=FRAMES, PixelData=b"\0\0"
    )
    content = to_bytes(dataset)
    return content[:-6] + (FRAMES * FRAME_BYTES).to_bytes(4, "little"), dataset


def frame_of(number: int) -> bytes:
    return number.to_bytes(2, "little") + bytes(FRAME_BYTES - 2)


def large_content(head: bytes) -> Iterator[bytes]:
    yield head
    for number in range(1, FRAMES + 1):
        yield frame_of(number)


def in_pieces(chunks: Iterable[bytes], *, size: int) -> Iterator[bytes]:
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            del waiting[:size]
    if waiting:
        yield bytes(waiting)


def test_a_file_of_two_gigabytes_comes_in_and_is_shown_with_flat_memory(system: System) -> None:
    head, dataset = large_head()
    total = len(head) + FRAMES * FRAME_BYTES
    assert total > 1 << 31
    digest = hashlib.sha256()
    with Watch(system.tree) as watch:
        upload_id = system.json("POST", f"{API}/uploads/")["id"]
        offset = 0
        answer: Any = None
        for piece in in_pieces(large_content(head), size=PIECE_BYTES):
            digest.update(piece)
            answer = system.json(
                "PUT", f"{API}/uploads/{upload_id}/pieces/large-one/?offset={offset}&total={total}&name=large.dcm",
                piece, Content_Type="application/octet-stream",
            )  # fmt: skip
            offset += len(piece)
            assert answer["size"] == offset
        assert answer["outcome"]["status"] == "stored", answer
        system.json("POST", f"{API}/uploads/{upload_id}/close/")
        series = f"{WEB}/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        instance = f"{series}/instances/{dataset.SOPInstanceUID}"
        status, frame = system.request("GET", f"{instance}/frames/{FRAMES}", Accept="application/octet-stream")
        assert (status, frame) == (200, frame_of(FRAMES))
        assert system.request("GET", f"{instance}/frames/7/rendered", Accept="image/jpeg")[0] == 200
        whole = system.digest(instance, Accept="application/dicom; transfer-syntax=*")
        assert whole == (total, digest.hexdigest())
        listed = f"{API}/studies/{dataset.StudyInstanceUID}/"
        system.wait(lambda: system.json("GET", listed)["settled_at"], what="the study settles")
        shown = f"{API}/studies/{dataset.StudyInstanceUID}/series/"
        system.wait(lambda: system.json("GET", shown)[0]["thumbnail"], what="its picture is made")
    assert watch.growth_mb < GROWTH_MB, (watch.first, watch.most)
    print(f"2 GB upload: no process grew by more than {watch.growth_mb:.0f} MB")


def test_a_file_of_two_gigabytes_comes_in_by_stow_with_flat_memory(system: System) -> None:
    head, dataset = large_head()
    begin = b"--edge\r\nContent-Type: application/dicom\r\n\r\n"
    end = b"\r\n--edge--\r\n"
    length = len(begin) + len(head) + FRAMES * FRAME_BYTES + len(end)

    def body() -> Iterator[bytes]:
        yield begin
        yield from large_content(head)
        yield end

    with Watch(system.tree) as watch:
        status, content = system.request(
            "POST", f"{WEB}/studies", body(), Content_Length=str(length), Accept="application/dicom+json",
            Content_Type='multipart/related; type="application/dicom"; boundary=edge',
        )  # fmt: skip
    assert status == 200, content[:500]
    assert json.loads(content)["00081199"]["Value"][0]["00081155"]["Value"] == [str(dataset.SOPInstanceUID)]
    assert watch.growth_mb < GROWTH_MB, (watch.first, watch.most)
    print(f"2 GB STOW: no process grew by more than {watch.growth_mb:.0f} MB")


# Very many small files --------------------------------------------------------------------------------------------------


def tiny_files(count: int) -> Iterator[tuple[str, bytes]]:
    """Small instances of one study in series of 1,000, and now and then a file that is none."""
    study = generate_uid()
    template = make_dataset(
        StudyInstanceUID=study, PatientID=f"CROWD-{study[-12:]}", Rows=2, Columns=2, PixelData=bytes(8)
    )
    template.SOPInstanceUID, template.SeriesInstanceUID = "1.2.3." + "7" * 20, "1.2.4." + "8" * 20
    content = to_bytes(template)
    base = time.time_ns() % 10**10
    for number in range(count):
        if number % 100 == 99:
            yield f"disc/readme{number}.txt", b"not an image " * 20
            continue
        name = f"1.2.3.1{base:010d}{number:09d}".encode()
        series = f"1.2.4.1{base:010d}{number // 1000:09d}".encode()
        yield (
            f"disc/IM{number:06d}",
            content.replace(b"1.2.3." + b"7" * 20, name).replace(b"1.2.4." + b"8" * 20, series),
        )


def upload(system: System, files: Iterable[tuple[str, bytes]]) -> dict[str, Any]:
    """As the page does it: packs of small files, one after the other; returns the upload."""
    upload_id = system.json("POST", f"{API}/uploads/")["id"]
    pack: list[bytes] = []

    def send() -> None:
        for one in system.json(
            "POST", f"{API}/uploads/{upload_id}/files/", b"".join(pack), Content_Type="application/octet-stream"
        ):
            counts[one["status"]] = counts.get(one["status"], 0) + 1
        pack.clear()

    counts: dict[str, int] = {}
    for name, content in files:
        pack.append(json.dumps({"id": name, "name": name, "size": len(content)}).encode() + b"\n" + content)
        if len(pack) == 200:
            send()
    if pack:
        send()
    found: dict[str, Any] = system.json("POST", f"{API}/uploads/{upload_id}/close/")
    return {**found, "counts": counts}


def instances_of(system: System, study: str) -> int:
    found: int = system.json("GET", f"{API}/studies/{study}/")["instance_count"]
    return found


def test_very_many_small_files_come_in_as_a_folder(system: System) -> None:
    bad = HOW_MANY // 100
    begun = time.monotonic()
    with Watch(system.tree) as watch:
        done = upload(system, tiny_files(HOW_MANY))
    seconds = time.monotonic() - begun
    assert done["counts"] == {"stored": HOW_MANY - bad, "refused": bad}
    assert (done["received"], done["stored"], done["refused"]) == (HOW_MANY, HOW_MANY - bad, bad)
    assert instances_of(system, done["studies"][0]["study_instance_uid"]) == HOW_MANY - bad
    assert watch.growth_mb < GROWTH_MB, (watch.first, watch.most)
    print(f"folder of {HOW_MANY}: {seconds:.0f} s, {HOW_MANY / seconds:.0f} files/s, grew {watch.growth_mb:.0f} MB")


def test_very_many_small_files_come_in_as_one_zip(system: System, tmp_path: Path) -> None:
    bad = HOW_MANY // 100
    packed, first = tmp_path / "disc.zip", b""
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in tiny_files(HOW_MANY):
            target.writestr(name, content)
            first = first or content
    uid = str(dcmread(io.BytesIO(first)).StudyInstanceUID)
    total = packed.stat().st_size
    begun = time.monotonic()
    with Watch(system.tree) as watch:
        upload_id = system.json("POST", f"{API}/uploads/")["id"]
        offset = 0
        answer: Any = None
        with packed.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                answer = system.json(
                    "PUT", f"{API}/uploads/{upload_id}/pieces/disc-zip/?offset={offset}&total={total}&name=disc.zip",
                    piece, Content_Type="application/octet-stream",
                )  # fmt: skip
                offset += len(piece)
        assert answer["outcome"]["status"] == "unpacking", answer
        system.json("POST", f"{API}/uploads/{upload_id}/close/")
        address = f"{API}/uploads/{upload_id}/"
        system.wait(
            lambda: system.json("GET", address)["unpacking"][0]["state"] not in ("queued", "running"),
            what="the zip is unpacked", patience_seconds=1700,
        )  # fmt: skip
    seconds = time.monotonic() - begun
    done = system.json("GET", address)
    assert done["unpacking"][0]["done"] == done["unpacking"][0]["total"] == HOW_MANY, done["unpacking"]
    assert (done["received"], done["stored"], done["refused"]) == (HOW_MANY, HOW_MANY - bad, bad)
    assert instances_of(system, uid) == HOW_MANY - bad
    system.wait(lambda: system.json("GET", address)["state"] == "indexed", what="the delivery ends")
    assert watch.growth_mb < GROWTH_MB, (watch.first, watch.most)
    print(f"zip of {HOW_MANY}: {seconds:.0f} s, {HOW_MANY / seconds:.0f} files/s, grew {watch.growth_mb:.0f} MB")
