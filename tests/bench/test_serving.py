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
        "wsgi",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "2",
        "--blocking-threads",
        "8",
        "pacsweb.wsgi:application",
    ]
    with peers.process(command, port=port, cwd=ROOT, env=environment()):
        yield f"http://127.0.0.1:{port}"


def milliseconds(work: Callable[[], Any], *, times: int) -> float:
    """The median of some runs."""
    found = []
    for _unused in range(times):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return statistics.median(found)


def measure(
    session: requests.Session, root: str, *, study: str, one: str, uids: list[str], searches: bool
) -> list[float]:
    def get(path: str, accept: str = "application/dicom+json") -> requests.Response:
        response = session.get(root + path, headers={"Accept": accept})
        assert response.status_code == 200, (response.status_code, response.text[:200])
        return response

    address = f"/studies/{study}/series/{one}"
    frame = "multipart/related; type=application/octet-stream; transfer-syntax=*"
    numbers = iter(range(10_000))

    def next_frame() -> None:
        get(f"{address}/instances/{uids[next(numbers) % len(uids)]}/frames/1", frame)

    began = time.perf_counter()
    assert len(get(f"{address}/metadata").json()) == len(uids)
    first = (time.perf_counter() - began) * 1000
    return [
        first,
        milliseconds(lambda: get(f"{address}/metadata").content, times=5),
        milliseconds(next_frame, times=60),
        milliseconds(lambda: get(f"{address}/instances/{uids[0]}/rendered", "image/jpeg").content, times=20),
        milliseconds(lambda: get(f"{address}/instances").content, times=3),
        *(
            [
                milliseconds(lambda: get("/studies?PatientID=Q005000"), times=20),
                milliseconds(lambda: get("/studies?PatientName=name12*&limit=101"), times=20),
                milliseconds(
                    lambda: get("/studies?StudyDate=20200101-20201231&ModalitiesInStudy=MR&limit=101"), times=20
                ),
            ]
            if searches
            else []
        ),
    ]


def test_serving(tmp_path: Path) -> None:
    archive = make_archive()
    study, one, files, uids = series(INSTANCES)
    deliver(archive, files)
    settle(archive)
    many_studies(archive, STUDIES)
    columns = [
        f"metadata of {INSTANCES}, first",
        "again",
        "one frame (128 kB)",
        "rendered",
        f"QIDO {INSTANCES} instances",
    ]
    searches = [f"QIDO {STUDIES:,} studies: by id", "by name", "by date and modality"]
    rows: dict[str, list[float]] = {}
    with web_server() as server, requests.Session() as session:
        session.headers["Authorization"] = f"Bearer {make_token(make_reader(archive))}"
        root = f"{server}/o/{archive.organisation.slug}/dicomweb/{archive.slug}"
        session.get(f"{root}/studies?limit=1")
        rows["PACSWeb"] = measure(session, root, study=study, one=one, uids=uids, searches=True)
        print("\n" + peers.machine())
        for name, figure in zip(searches, rows["PACSWeb"][len(columns) :], strict=True):
            print(f"{name}: {figure:.1f} ms")
        body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + to_bytes(make_dataset()) + b"\r\n--b--\r\n"
        chunked = session.post(
            f"{root}/studies",
            data=iter([body[:700], body[700:]]),
            headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=b'},
        )
        print("a chunked payload from a reader is answered with", chunked.status_code)
    rows["PACSWeb"] = rows["PACSWeb"][: len(columns)]
    if peers.orthanc_binary():
        http = free_port()
        with peers.orthanc_server(tmp_path, dicom=free_port(), http=http), requests.Session() as session:
            for content in files:
                assert session.post(f"http://127.0.0.1:{http}/instances", data=content).status_code == 200
            root = f"http://127.0.0.1:{http}/dicom-web"
            rows["Orthanc 1.10 + DICOMweb"] = measure(session, root, study=study, one=one, uids=uids, searches=False)
    print(peers.table("DICOMweb, one client", columns, rows, base="PACSWeb", unit="ms", is_rate=False))
