"""DICOMweb: the web server as it runs, beside Orthanc with its DICOMweb plugin, on the same images."""

from __future__ import annotations

import contextlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests  # noqa: TID251 -- the client library that dicomweb-client is built on
from django.utils import timezone
from pydicom.uid import generate_uid

from archive.models import Archive, Patient, Study
from core.tenancy import tenant
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from tests.bench import peers
from tests.dicomweb.factories import make_reader, make_token, settle
from tests.dimse.test_processes import ROOT, environment, free_port

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]

INSTANCES = 1000
STUDIES = 10_000


def series(count: int) -> tuple[str, str, list[bytes], list[str]]:
    generator = np.random.default_rng(1)
    study, one = generate_uid(), generate_uid()
    files, uids = [], []
    for number in range(count):
        dataset = make_dataset(
            StudyInstanceUID=study,
            SeriesInstanceUID=one,
            PatientID="BENCH",
            PatientName="Bench",
            Rows=256,
            Columns=256,
            InstanceNumber=number + 1,
            PixelData=generator.integers(0, 4096, (256, 256), dtype=np.uint16).tobytes(),
            PixelSpacing=[0.7, 0.7],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, number],
        )
        uids.append(str(dataset.SOPInstanceUID))
        files.append(to_bytes(dataset))
    return study, one, files, uids


def many_studies(archive: Archive, count: int) -> None:
    """Rows of studies as the index would have them."""
    with tenant(archive.organisation):
        now = timezone.now()
        shared: dict[str, Any] = {"organisation": archive.organisation, "archive": archive}
        patients = Patient.objects.bulk_create(
            Patient(
                **shared,
                patient_id=f"Q{n:06d}",
                patient_name=f"Name{n % 997}^Given{n % 89}",
                search_name=f"NAME{n % 997} GIVEN{n % 89}",
            )
            for n in range(count)
        )
        Study.objects.bulk_create(
            (
                Study(
                    **shared,
                    patient=patient,
                    patient_name=patient.patient_name,
                    search_name=patient.search_name,
                    study_instance_uid=f"1.2.9.{n}",
                    study_date=f"20{n % 25:02d}{n % 12 + 1:02d}{n % 28 + 1:02d}",
                    modalities=["CT" if n % 3 else "MR"],
                    series_count=1,
                    instance_count=1,
                    last_received_at=now,
                    settled_at=now,
                    attributes={
                        "00100020": {"vr": "LO", "Value": [patient.patient_id]},
                        "00100010": {"vr": "PN", "Value": [{"Alphabetic": patient.patient_name}]},
                    },
                )
                for n, patient in enumerate(patients)
            ),
            batch_size=1000,
        )


@contextlib.contextmanager
def web_server() -> Iterator[str]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "granian",
        "--interface",
        "asginl",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "2",
        "pacsweb.asgi:application",
    ]
    with peers.process(command, port=port, cwd=ROOT, env=environment()):
        yield f"http://127.0.0.1:{port}"


def in_turn(works: dict[str, Callable[[], Any]], *, times: int) -> dict[str, float]:
    """The median milliseconds of each, asked one after the other: what else the machine does burdens all alike."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for _unused in range(times):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            found[name].append((time.perf_counter() - began) * 1000)
    return {name: statistics.median(taken) for name, taken in found.items()}


class Peer:
    """A DICOMweb root, and the questions that are measured."""

    def __init__(self, session: requests.Session, root: str, *, study: str, one: str, uids: list[str]) -> None:
        self.session, self.root, self.uids = session, root, uids
        self.series = f"/studies/{study}/series/{one}"
        self._numbers = iter(range(100_000))

    def get(self, path: str, accept: str = "application/dicom+json") -> requests.Response:
        response = self.session.get(self.root + path, headers={"Accept": accept})
        assert response.status_code == 200, (response.status_code, response.text[:200])
        return response

    def metadata(self) -> None:
        assert len(self.get(f"{self.series}/metadata").content) > len(self.uids)

    def _next(self) -> str:
        return f"{self.series}/instances/{self.uids[next(self._numbers) % len(self.uids)]}"

    def frame(self) -> None:
        self.get(f"{self._next()}/frames/1", "multipart/related; type=application/octet-stream; transfer-syntax=*")

    def rendered(self) -> None:
        self.get(f"{self._next()}/rendered", "image/jpeg")

    def instances(self) -> None:
        assert len(self.get(f"{self.series}/instances").json()) == len(self.uids)


QUESTIONS: dict[str, tuple[Callable[[Peer], None], int]] = {
    f"metadata of {INSTANCES}, first": (Peer.metadata, 1),
    "again": (Peer.metadata, 5),
    "one frame (128 kB)": (Peer.frame, 300),
    "rendered": (Peer.rendered, 200),
    f"QIDO {INSTANCES} instances": (Peer.instances, 5),
}


def test_serving(tmp_path: Path) -> None:
    archive = make_archive()
    study, one, files, uids = series(INSTANCES)
    deliver(archive, files)
    settle(archive)
    many_studies(archive, STUDIES)
    given: dict[str, Any] = {"study": study, "one": one, "uids": uids}
    with contextlib.ExitStack() as stack:
        session = stack.enter_context(requests.Session())
        session.headers["Authorization"] = f"Bearer {make_token(make_reader(archive))}"
        server = stack.enter_context(web_server())
        ours = Peer(session, f"{server}/o/{archive.organisation.slug}/dicomweb/{archive.slug}", **given)
        peer_list = {"PACSWeb": ours}
        if peers.orthanc_binary():
            http = free_port()
            stack.enter_context(peers.orthanc_server(tmp_path, dicom=free_port(), http=http))
            session = stack.enter_context(requests.Session())
            for content in files:
                assert session.post(f"http://127.0.0.1:{http}/instances", data=content).status_code == 200
            peer_list["Orthanc + DICOMweb"] = Peer(session, f"http://127.0.0.1:{http}/dicom-web", **given)
        ours.get("/studies?limit=1")
        print("\n" + peers.machine())
        searches = {
            "by id": "/studies?PatientID=Q005000",
            "by name": "/studies?PatientName=name12*&limit=101",
            "by date and modality": "/studies?StudyDate=20200101-20201231&ModalitiesInStudy=MR&limit=101",
        }
        for name, path in searches.items():
            taken = in_turn({name: lambda path=path: ours.get(path)}, times=20)[name]  # type: ignore[misc]
            print(f"QIDO {STUDIES:,} studies, {name}: {taken:.1f} ms")
        rows: dict[str, list[float]] = {name: [] for name in peer_list}
        for question, times in QUESTIONS.values():
            works = {name: (lambda peer=peer, question=question: question(peer)) for name, peer in peer_list.items()}
            for name, taken in in_turn(works, times=times).items():  # type: ignore[arg-type]
                rows[name].append(taken)
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + to_bytes(make_dataset()) + b"\r\n--b--\r\n"
        chunked = ours.session.post(
            f"{ours.root}/studies",
            data=iter([body[:700], body[700:]]),
            headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'},
        )
        print("a chunked payload from a reader is answered with", chunked.status_code)
    print(peers.table("DICOMweb, one client", list(QUESTIONS), rows, base="PACSWeb", unit="ms", is_rate=False))
