"""STOW-RS: each instance gets its own answer, and nothing half-stored remains."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from archive import spool
from archive.domain import part10
from archive.intake.sources import add_source
from archive.models import Delivery, Instance, QuarantinedFile, Study
from archive.storage import storage
from core.tenancy import tenant
from dicomweb.domain.multipart import MultipartError, PartBegin, PartData, PartEnd, read_parts
from tests.archive.factories import make_archive, make_dataset, to_bytes
from tests.archive.test_intake import CLEAN
from tests.dicomweb.factories import Door, make_reader, make_token
from tests.dicomweb.raw import Written, element

pytestmark = pytest.mark.django_db

CONTENT_TYPE = 'multipart/related; type="application/dicom"; boundary="the boundary"'


def multipart(
    *contents: bytes, kind: str = "application/dicom", boundary: str = "the boundary", closed: bool = True
) -> bytes:
    body = b""
    for one in contents:
        body += f"--{boundary}\r\nContent-Type: {kind}\r\n\r\n".encode() + one + b"\r\n"
    return body + f"--{boundary}--\r\n".encode() if closed else body


@pytest.fixture
def archive() -> Any:
    return make_archive()


@pytest.fixture
def door(archive: Any) -> Door:
    return Door(archive, token=make_token(make_reader(archive, role="contributor")))


def post(door: Door, body: bytes, *, path: str = "/studies", content_type: str = CONTENT_TYPE, **headers: str) -> Any:
    return door.client.post(door.root + path, data=body, content_type=content_type, headers=headers)


def stored(archive: Any) -> list[str]:
    with tenant(archive.organisation):
        return sorted(Instance.objects.filter(archive=archive).values_list("sop_instance_uid", flat=True))


def spooled() -> list[str]:
    return [path.name for path in spool.spool_root().glob("*/*.dcm")] + [
        path.name for path in spool.spool_root().glob("*/*.part")
    ]


def uids(sequence: dict[str, Any]) -> list[str]:
    return [item["00081155"]["Value"][0] for item in sequence["Value"]]


def test_instances_are_stored_and_their_addresses_are_told(archive: Any, door: Door) -> None:
    datasets = [make_dataset(StudyInstanceUID="1.2.3", PatientID="P") for _unused in range(3)]
    response = post(door, multipart(*(to_bytes(one) for one in datasets)))
    assert response.status_code == 200
    assert response["Content-Type"] == "application/dicom+json"
    model = response.json()
    assert sorted(uids(model["00081199"])) == sorted(one.SOPInstanceUID for one in datasets) == stored(archive)
    assert model["00081190"]["Value"] == [f"http://testserver{door.root}/studies/1.2.3"]
    assert "00081198" not in model
    address = model["00081199"]["Value"][0]["00081190"]["Value"][0].removeprefix("http://testserver")
    assert door.client.get(address).status_code == 200
    with tenant(archive.organisation):
        delivery = Delivery.objects.get()
        assert (delivery.source, delivery.state) == ("stow", Delivery.State.CLOSED) or delivery.state == "indexed"
    assert spooled() == []


def test_the_same_again_is_a_success_and_stored_once(archive: Any, door: Door) -> None:
    body = multipart(to_bytes(make_dataset()))
    assert post(door, body).status_code == 200
    assert post(door, body).status_code == 200
    assert len(stored(archive)) == 1


def test_what_fails_is_told_and_the_rest_goes_in(archive: Any, door: Door) -> None:
    good, nameless = make_dataset(), make_dataset(StudyInstanceUID=None)
    other = make_dataset(
        SOPInstanceUID=good.SOPInstanceUID,
        PatientID=good.PatientID,
        StudyInstanceUID=good.StudyInstanceUID,
        SeriesInstanceUID=good.SeriesInstanceUID,
        StudyDescription="changed",
    )
    response = post(door, multipart(to_bytes(good), b"not DICOM at all", to_bytes(nameless), to_bytes(other), b""))
    assert response.status_code == 202
    model = response.json()
    assert uids(model["00081199"]) == [good.SOPInstanceUID]
    reasons = {item["00081155"]["Value"][0]: item["00081197"]["Value"] for item in model["00081198"]["Value"]}
    assert reasons == {good.SOPInstanceUID: [0xA901], nameless.SOPInstanceUID: [0xA900]}
    assert len(model["0008119A"]["Value"]) == 2
    assert stored(archive) == [good.SOPInstanceUID]


def test_when_all_fails_the_answer_is_conflict(archive: Any, door: Door) -> None:
    response = post(door, multipart(b"junk", b"more junk"))
    assert response.status_code == 409
    assert len(response.json()["0008119A"]["Value"]) == 2
    assert stored(archive) == [] and spooled() == []


def faulty(kind: str, dataset: Any) -> bytes:
    whole = to_bytes(dataset)
    match kind:
        case "cut in the pixels":
            return whole[:-100]
        case "cut in the header":
            return whole[: whole.index(b"\x10\0\x10\0PN") + 10]
        case "cut in front of the data set":
            return whole[: whole.index(b"\x08\0\x05\0CS") + 4]
        case "cut in the meta information":
            return whole[: whole.index(b"\x02\0\x10\0UI") + 12]
        case "a transfer syntax that lies":
            return whole.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0")
        case "deflated and cut":
            return to_bytes(dataset, transfer_syntax_uid="1.2.840.10008.1.2.1.99")[:-20]
        case "implicit and cut":
            return to_bytes(dataset, transfer_syntax_uid="1.2.840.10008.1.2")[:-20]
        case "no preamble and cut":
            return whole[whole.index(b"\x08\0\x05\0CS") : -20]
    return whole


FAULTS: dict[str, dict[str, Any]] = {
    "cut in the pixels": {},
    "cut in the header": {},
    "cut in front of the data set": {},
    "cut in the meta information": {},
    "a transfer syntax that lies": {},
    "deflated and cut": {},
    "implicit and cut": {},
    "no preamble and cut": {},
    "no pixel data": {"PixelData": None},
    "an invalid Study UID": {"StudyInstanceUID": "1.2.x"},
    "no Series UID": {"SeriesInstanceUID": None},
}


def test_a_refused_file_is_named_as_far_as_it_can_be_read(archive: Any, door: Door) -> None:
    made = {kind: make_dataset(**elements) for kind, elements in FAULTS.items()}
    response = post(door, multipart(*(faulty(kind, dataset) for kind, dataset in made.items())))
    assert response.status_code == 409
    model = response.json()
    assert "0008119A" not in model
    failed = {item["00081155"]["Value"][0]: item["00081150"]["Value"][0] for item in model["00081198"]["Value"]}
    assert failed == {dataset.SOPInstanceUID: dataset.SOPClassUID for dataset in made.values()}
    with tenant(archive.organisation):
        kept = QuarantinedFile.objects.filter(archive=archive).values_list("sop_instance_uid", flat=True)
        assert sorted(kept) == sorted(failed)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_named_or_not(body: bytes, has_preamble: bool) -> None:
    content = bytes(128) + b"DICM" + body if has_preamble else body
    names = part10.names_of(content, len(content))
    assert all(name == "" or len(name) <= 64 for name in names)


def test_an_instance_of_another_study_than_the_address_fails_alone(archive: Any, door: Door) -> None:
    mine, foreign = make_dataset(StudyInstanceUID="1.2.3"), make_dataset(StudyInstanceUID="1.2.4")
    response = post(door, multipart(to_bytes(mine), to_bytes(foreign)), path="/studies/1.2.3")
    assert response.status_code == 202
    assert uids(response.json()["00081198"]) == [foreign.SOPInstanceUID]
    assert response.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA900]
    assert "0008119A" not in response.json()
    assert stored(archive) == [mine.SOPInstanceUID]
    with tenant(archive.organisation):
        kept = QuarantinedFile.objects.get()
        assert kept.code == "study-mismatch"
        with storage().open(kept.storage_key) as file:
            assert file.read() == to_bytes(foreign)


def test_one_instance_may_come_without_a_multipart(archive: Any, door: Door) -> None:
    dataset = make_dataset()
    assert post(door, to_bytes(dataset), content_type="application/dicom").status_code == 200
    assert stored(archive) == [dataset.SOPInstanceUID]


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("", b"x", 415),
        ('multipart/related; type="application/dicom+json"; boundary=b', multipart(b"[]", boundary="b"), 415),
        ("multipart/form-data; boundary=b", multipart(b"x", boundary="b"), 415),
        ('multipart/related; type="application/dicom"', b"x", 400),
        ("multipart/related; type=application/dicom; boundary=" + "x" * 80, b"x", 400),
        (CONTENT_TYPE, b"\r\n", 400),
        (CONTENT_TYPE, b"no delimiter anywhere", 400),
        (CONTENT_TYPE, multipart(), 400),
        (CONTENT_TYPE, b"--the boundaryxx\r\n\r\nx\r\n--the boundary--", 400),
        (CONTENT_TYPE, b"--the boundary\r\nno colon\r\n\r\nx\r\n--the boundary--", 400),
        (CONTENT_TYPE, b"--the boundary\r\n" + b"A: b\r\n" * 9000 + b"\r\nx\r\n--the boundary--", 400),
        ("application/dicom", b"\0", 409),
        ('multipart/related; type="application/dicom', b"x", 400),
    ],
)
def test_a_payload_that_is_none_is_refused(
    archive: Any, door: Door, content_type: str, body: bytes, status: int
) -> None:
    response = post(door, body, content_type=content_type)
    assert response.status_code == status, response.content
    assert stored(archive) == [] and spooled() == []


def test_a_payload_that_ends_too_early_stores_nothing(archive: Any, door: Door) -> None:
    response = post(door, multipart(to_bytes(make_dataset()), to_bytes(make_dataset()), closed=False)[:-40])
    assert response.status_code == 400
    assert stored(archive) == [] and spooled() == []


def test_a_part_of_another_type_fails_alone(archive: Any, door: Door) -> None:
    body = multipart(to_bytes(make_dataset()), closed=False) + multipart(b"hello", kind="text/plain")
    assert post(door, body).status_code == 202
    assert len(stored(archive)) == 1


def test_the_answer_can_be_xml_and_other_wishes_are_refused_before_anything_is_stored(archive: Any, door: Door) -> None:
    body = multipart(to_bytes(make_dataset()))
    assert post(door, body, accept="image/png").status_code == 406
    assert stored(archive) == []
    response = post(door, body, accept='multipart/related; type="application/dicom+xml"')
    assert response.status_code == 200 and b"NativeDicomModel" in b"".join(response.streaming_content)


def test_a_session_may_store_from_our_own_pages_only(archive: Any) -> None:
    user = make_reader(archive, role="contributor")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    address = f"/o/{archive.organisation.slug}/dicomweb/{archive.slug}/studies"
    body = multipart(to_bytes(make_dataset()))
    for origin in ("https://evil.example", "http://testserver.evil.example", "null", "https://testserver"):
        refused = client.post(address, data=body, content_type=CONTENT_TYPE, headers={"origin": origin})
        assert refused.status_code == 403, origin
    assert client.post(address, data=body, content_type=CONTENT_TYPE).status_code == 403
    accepted = client.post(address, data=body, content_type=CONTENT_TYPE, headers={"origin": "http://testserver"})
    assert accepted.status_code == 200
    assert len(stored(archive)) == 1


@given(
    payloads=st.lists(st.binary(max_size=300), max_size=5),
    read_size=st.integers(1, 64),
    boundary=st.from_regex(r"\A[A-Za-z0-9'()+_,./:=?-]{1,70}\Z"),
    preamble=st.sampled_from([b"", b"\r\n", b"a preamble\r\n"]),
)
def test_the_parser_returns_what_was_written_whatever_the_pieces(
    payloads: list[bytes], read_size: int, boundary: str, preamble: bytes
) -> None:
    delimiter = b"\r\n--" + boundary.encode()
    if any(delimiter in b"\r\n" + payload + b"\r\n" for payload in payloads) or delimiter in b"\r\n" + preamble:
        return
    import io

    body = preamble + multipart(*payloads, boundary=boundary)
    found: list[bytes] = []
    for event in read_parts(io.BytesIO(body), boundary=boundary, read_size=read_size):
        if isinstance(event, PartBegin):
            assert event.headers == {"content-type": "application/dicom"}
            found.append(b"")
        elif isinstance(event, PartData):
            found[-1] += bytes(event.data)
        else:
            assert isinstance(event, PartEnd)
    assert found == payloads


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_are_a_multipart_or_an_error(body: bytes, read_size: int) -> None:
    import io

    try:
        for _event in read_parts(io.BytesIO(b"--b\r\n" + body), boundary="b", read_size=read_size):
            pass
    except MultipartError:
        pass


def directory(*, sop_class: str = "1.2.840.10008.1.3.10") -> bytes:
    written = Written(sop_class=sop_class)
    written.elements = {0x00041130: element(0x00041130, "CS", b"A_DISC")}
    return written.content()


def test_what_is_left_out_is_no_success(archive: Any, door: Door) -> None:
    response = post(door, multipart(directory()))
    assert response.status_code == 409
    (failure,) = response.json()["0008119A"]["Value"]
    assert failure["00081197"]["Value"] == [0x0122]
    assert "00081199" not in response.json() and stored(archive) == []
    good = make_dataset()
    response = post(door, multipart(to_bytes(good), directory()))
    assert response.status_code == 202
    assert uids(response.json()["00081199"]) == [good.SOPInstanceUID] == stored(archive)


def test_a_de_identified_archive_answers_for_each_instance_that_may_name_a_patient() -> None:
    archive = make_archive(purpose="trial")
    person = make_reader(archive, role="contributor")
    door = Door(archive, token=make_token(person))
    refused = post(door, multipart(to_bytes(make_dataset())))
    assert refused.status_code == 403
    assert stored(archive) == []
    add_source(actor=None, archive=archive, kind="person", user=person)
    clean, clear = make_dataset(**CLEAN), make_dataset(**{**CLEAN, "PatientName": "Schmidt^Anna"})
    answer = post(door, multipart(to_bytes(clear)))
    assert answer.status_code == 409
    (failed,) = answer.json()["00081198"]["Value"]
    assert failed["00081155"]["Value"] == [clear.SOPInstanceUID]
    assert failed["00081197"]["Value"] == [0x0124]
    assert "PatientName" in str(failed["00000902"])
    assert "Schmidt" not in answer.content.decode()
    assert post(door, multipart(to_bytes(clean), to_bytes(clear))).status_code == 202
    assert stored(archive) == [clean.SOPInstanceUID]


def test_one_instance_is_stored_with_few_statements_and_nobody_asks_what_came_of_what_has_just_begun(
    archive: Any, door: Door
) -> None:
    dataset = make_dataset()
    assert post(door, multipart(to_bytes(dataset))).status_code == 200
    dataset.SOPInstanceUID = generate_uid()
    with CaptureQueriesContext(connection) as asked:
        assert post(door, multipart(to_bytes(dataset))).status_code == 200
    statements = [query["sql"] for query in asked.captured_queries]
    assert len(statements) <= 30, statements
    before = statements[: next(at for at, sql in enumerate(statements) if "pg_advisory_lock" in sql)]
    assert not [sql for sql in before if 'FROM "archive_study"' in sql]
    with tenant(archive.organisation):
        delivery = Delivery.objects.filter(archive=archive).latest("opened_at")
        study = Study.objects.get(archive=archive)
        assert delivery.audit_studies == [study.public_id], "and of what came of it the trail knows"
