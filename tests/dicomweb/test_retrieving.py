"""WADO-RS: forms, ranges, ETags, metadata, bulk data, rendered images."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from tests.dicomweb.factories import Door, content, make_reader, parts, paths, settle
from tests.dicomweb.zoo import EXPLICIT, coded, grey, j2k, native, palette, subsampled

pytestmark = pytest.mark.django_db

STUDY = {"StudyInstanceUID": "1.2.3", "PatientID": "P1", "PatientName": "Test^One"}


@pytest.fixture
def archive() -> Any:
    return make_archive()


@pytest.fixture
def door(archive: Any) -> Door:
    return Door(archive, user=make_reader(archive))


def put(archive: Any, *contents: bytes) -> list[Dataset]:
    _delivery, outcomes = deliver(archive, contents)
    assert {outcome.status for outcome in outcomes} == {"stored"}, outcomes
    return [dcmread(io.BytesIO(one), stop_before_pixels=True) for one in contents]


def three(archive: Any) -> list[Dataset]:
    return put(
        archive,
        *(
            to_bytes(
                make_dataset(**STUDY, SeriesInstanceUID=f"1.2.3.{series}", SeriesNumber=series, InstanceNumber=number)
            )
            for series, number in ((1, 1), (1, 2), (2, 1))
        ),
    )


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("", 200, 'multipart/related; type="application/dicom"'),
        ("*/*", 200, 'multipart/related; type="application/dicom"'),
        ('multipart/related; type="application/dicom"', 200, "multipart/related"),
        ("multipart/related; type=application/dicom", 200, "multipart/related"),
        ("multipart/related; type=application/dicom; transfer-syntax=*", 200, "multipart/related"),
        ("multipart/related;type=application/dicom;transfer-syntax=1.2.840.10008.1.2.1", 200, "multipart/related"),
        ("multipart/related; type=application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90", 406, ""),
        ("multipart/related; type=application/dicom; transfer-syntax=bogus", 406, ""),
        (
            "multipart/related; type=application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90, "
            "multipart/related; type=application/dicom;q=0.1",
            200,
            "multipart/related",
        ),
        ("application/dicom", 200, "application/dicom; transfer-syntax=1.2.840.10008.1.2.1"),
        ("application/dicom+json", 406, ""),
        ("image/jpeg", 406, ""),
        ("multipart/related; type=image/jp2", 406, ""),
    ],
)
def test_the_form_of_an_instance_follows_the_accept_header(
    archive: Any, door: Door, accept: str, status: int, content_type: str
) -> None:
    (dataset,) = put(archive, to_bytes(make_dataset()))
    response = door.get(paths(dataset)[2], accept=accept)
    assert response.status_code == status
    if status == 200:
        assert response["Content-Type"].startswith(content_type)
        body = content(response) if content_type.startswith("application") else parts(response)[0].content
        assert dcmread(io.BytesIO(body)).SOPInstanceUID == dataset.SOPInstanceUID
    by_parameter = door.client.get(f"{door.root}{paths(dataset)[2]}", {"accept": accept} if accept else {})
    assert by_parameter.status_code == status


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("", 200, "application/octet-stream"),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", 200, "application/octet-stream"),
        ('multipart/related; type="image/jp2"', 200, "image/jp2"),
        ("multipart/related; type=image/jp2; transfer-syntax=1.2.840.10008.1.2.4.90", 200, "image/jp2"),
        ('multipart/related; type="image/jls", multipart/related; type="image/*";q=0.3', 200, "image/jp2"),
        ('multipart/related; type="image/jpeg"', 406, ""),
        ("image/jp2", 200, "image/jp2"),
        ("application/octet-stream", 200, "application/octet-stream"),
        ("application/dicom", 406, ""),
    ],
)
def test_the_form_of_a_compressed_frame_follows_the_accept_header(
    archive: Any, door: Door, accept: str, status: int, kind: str
) -> None:
    image = grey()
    specimen = coded([image], [j2k(image)], "1.2.840.10008.1.2.4.90")
    (dataset,) = put(archive, specimen.content)
    response = door.get(f"{paths(dataset)[2]}/frames/1", accept=accept)
    assert response.status_code == status
    if status == 200 and response["Content-Type"].startswith("multipart"):
        assert parts(response)[0].headers["Content-Type"].startswith(kind)
    elif status == 200:
        assert response["Content-Type"].startswith(kind)


def test_frames_come_in_the_order_asked_for_and_are_counted_from_one(archive: Any, door: Door) -> None:
    images = [grey(shift=number) for number in range(4)]
    (dataset,) = put(archive, native(images, EXPLICIT).content)
    path = paths(dataset)[2]
    found = parts(door.get(f"{path}/frames/3,1"))
    assert [part.content for part in found] == [images[2].tobytes(), images[0].tobytes()]
    assert [part.headers["Content-Location"].rpartition("/")[2] for part in found] == ["3", "1"]
    assert len(parts(door.get(f"{path}/frames"))) == 4
    for numbers, status in (
        ("0", 400),
        ("5", 404),
        ("1,5", 404),
        ("x", 400),
        ("1,", 400),
        ("-1", 400),
        ("1" * 30, 400),
    ):
        assert door.get(f"{path}/frames/{numbers}").status_code == status, numbers


def test_a_list_names_each_frame_once_so_that_no_list_asks_for_more_than_the_image(archive: Any, door: Door) -> None:
    """PS3.18 10.4.1.1.6: a list of non-duplicate frame numbers."""
    (dataset,) = put(archive, native([grey(), grey()], EXPLICIT).content)
    path = paths(dataset)[2]
    for numbers in ("1,1", "1,2,1", "2,02", ",".join(["1"] * 9_000)):
        for kind in ("", "/rendered", "/thumbnail"):
            answer = door.get(f"{path}/frames/{numbers}{kind}", accept="*/*")
            assert answer.status_code == 400, (numbers[:10], kind)
            assert "once" in answer.json()["detail"]


def test_a_frame_is_not_sent_again_to_who_has_it_and_can_be_fetched_in_ranges(archive: Any, door: Door) -> None:
    (dataset,) = put(archive, native([grey()], EXPLICIT).content)
    path = f"{paths(dataset)[2]}/frames/1"
    whole = door.get(path)
    body, tag = content(whole), whole["ETag"]
    assert whole["Content-Length"] == str(len(body)) and whole["Accept-Ranges"] == "bytes"
    assert door.get(path, **{"if-none-match": tag}).status_code == 304
    assert door.get(path, **{"if-none-match": '"other"'}).status_code == 200
    first = door.get(path, range="bytes=0-99")
    assert first.status_code == 206 and first["Content-Range"] == f"bytes 0-99/{len(body)}"
    assert first["Content-Type"] == whole["Content-Type"]
    rest = door.get(path, range="bytes=100-")
    assert content(first) + content(rest) == body
    assert content(door.get(path, range="bytes=-10")) == body[-10:]
    assert door.get(path, range=f"bytes={len(body)}-").status_code == 416
    assert door.get(path, range="bytes=5-2").status_code == 200
    assert door.get(path, **{"range": "bytes=0-9", "if-range": '"other"'}).status_code == 200
    assert door.client.head(door.root + path)["Content-Length"] == str(len(body))


def test_metadata_is_the_whole_object_without_its_pixels(archive: Any, door: Door) -> None:
    item = Dataset()
    item.CodeValue, item.CodeMeaning = "T-A0100", "Brain 脳"
    dataset = make_dataset(
        PatientName="Yamada^Tarou=山田^太郎",
        ReferringPhysicianName="",
        PixelSpacing=[0.5, 0.25],
        ProcedureCodeSequence=Sequence([item]),
        ImageComments="",
    )
    dataset.add_new(0x00091001, "OB", b"\x01\x02" * 400)
    put(archive, to_bytes(dataset))
    (model,) = door.json(f"{paths(dataset)[2]}/metadata")
    assert model["00100010"]["Value"] == [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎"}]
    assert model["00280030"] == {"vr": "DS", "Value": [0.5, 0.25]}
    assert model["00080090"] == {"vr": "PN"}
    assert model["00081032"]["Value"][0]["00080104"]["Value"] == ["Brain 脳"]
    assert model["00080005"]["Value"] == ["ISO_IR 192"]
    assert model["00083002"]["Value"] == [EXPLICIT]
    address = model["00091001"]["BulkDataURI"]
    assert address.startswith(f"http://testserver{door.root}/studies/")
    response = door.client.get(address.removeprefix("http://testserver"))
    assert content(response) == b"\x01\x02" * 400
    (part,) = parts(
        door.client.get(
            address.removeprefix("http://testserver"),
            headers={"accept": 'multipart/related; type="application/octet-stream"'},
        )
    )
    assert part.content == b"\x01\x02" * 400
    pixels = door.client.get(model["7FE00010"]["BulkDataURI"].removeprefix("http://testserver"))
    # A document or a private element names people; pixels do not.
    assert "no-store" not in pixels["Cache-Control"]
    assert "no-store" in door.client.get(address.removeprefix("http://testserver"))["Cache-Control"]
    assert parts(pixels)[0].content == dataset.PixelData


def test_palette_tables_are_where_the_metadata_says(archive: Any, door: Door) -> None:
    (dataset,) = put(archive, palette().content)
    (model,) = door.json(f"{paths(dataset)[2]}/metadata")
    address = model["00281201"]["BulkDataURI"].removeprefix("http://testserver")
    response = door.client.get(address, headers={"accept": 'multipart/related; type="application/octet-stream"'})
    assert parts(response)[0].content == dataset.RedPaletteColorLookupTableData
    partial = door.client.get(address, headers={"range": "bytes=2-5", "accept": "application/octet-stream"})
    assert partial.status_code == 206 and content(partial) == dataset.RedPaletteColorLookupTableData[2:6]


def test_the_prepared_document_and_the_one_made_on_the_way_say_the_same(archive: Any, door: Door) -> None:
    datasets = three(archive)
    series = paths(datasets[0])[1]
    before = door.get(f"{series}/metadata")
    on_the_way = json.loads(content(before))
    settle(archive)
    prepared = door.get(f"{series}/metadata", **{"accept-encoding": "gzip"})
    assert prepared["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(content(prepared))) == on_the_way
    assert json.loads(content(door.get(f"{series}/metadata"))) == on_the_way
    assert len(on_the_way) == 2
    assert (
        door.get(f"{series}/metadata", **{"accept-encoding": "gzip", "if-none-match": prepared["ETag"]}).status_code
        == 304
    )
    deliver(archive, [to_bytes(make_dataset(**STUDY, SeriesInstanceUID="1.2.3.1", SeriesNumber=1, InstanceNumber=3))])
    after = door.get(f"{series}/metadata", **{"accept-encoding": "gzip", "if-none-match": prepared["ETag"]})
    assert after.status_code == 200 and len(json.loads(content(after))) == 3
    assert len(door.json(f"{paths(datasets[0])[0]}/metadata")) == 4


def test_metadata_of_subsampled_colour_says_rgb_prepared_or_not(archive: Any, door: Door) -> None:
    (dataset,) = put(archive, subsampled().content)
    _study, series, instance = paths(dataset)
    for address in (instance, series):
        (model,) = door.json(f"{address}/metadata")
        assert model["00280004"]["Value"] == ["RGB"]
    settle(archive)
    (model,) = door.json(f"{series}/metadata")
    assert model["00280004"]["Value"] == ["RGB"]


def test_metadata_comes_as_xml_too(archive: Any, door: Door) -> None:
    datasets = three(archive)
    found = parts(
        door.get(f"{paths(datasets[0])[0]}/metadata", accept='multipart/related; type="application/dicom+xml"')
    )
    assert len(found) == 3
    from xml.etree import ElementTree as ET

    for part in found:
        root = ET.fromstring(part.content)  # noqa: S314 -- our own document
        assert root.tag.endswith("NativeDicomModel")
        assert b'keyword="PatientName"' in part.content and b"<FamilyName>Test</FamilyName>" in part.content
    assert door.get(f"{paths(datasets[0])[0]}/metadata", accept="text/plain").status_code == 406


def test_a_study_comes_as_one_multipart_of_all_its_instances(archive: Any, door: Door) -> None:
    datasets = three(archive)
    study, series, _instance = paths(datasets[0])
    found = parts(door.get(study))
    assert [dcmread(io.BytesIO(part.content)).SOPInstanceUID for part in found] == [d.SOPInstanceUID for d in datasets]
    assert found[0].headers["Content-Location"] == f"http://testserver{door.root}{paths(datasets[0])[2]}"
    assert len(parts(door.get(series))) == 2
    assert door.get(study, accept="application/dicom").status_code == 406


def test_rendering_follows_window_viewport_and_quality(archive: Any, door: Door) -> None:
    image = np.tile(np.arange(256, dtype="<i2"), (128, 1))
    (dataset,) = put(archive, native([image], EXPLICIT, WindowCenter=128, WindowWidth=256).content)
    path = f"{paths(dataset)[2]}/rendered"

    def picture(query: str) -> Any:
        response = door.get(f"{path}?{query}", accept="image/png")
        assert response.status_code == 200, content(response)
        return np.asarray(Image.open(io.BytesIO(content(response))))

    assert list(picture("")[0, [0, 128, 255]]) == [0, 128, 255]
    hard = picture("window=100,2,linear")
    assert hard[0, 50] == 0 and hard[0, 150] == 255
    assert picture("viewport=64,64").shape == (32, 64)
    assert picture("viewport=64,64,0,0,64,64").shape == (64, 64)
    flipped = picture("viewport=256,128,0,0,-256,128")
    assert flipped[0, 0] == 255 and flipped[0, 255] == 0
    assert len(content(door.get(f"{path}?quality=1"))) < len(content(door.get(f"{path}?quality=100")))
    for query in (
        "window=1",
        "window=a,b,linear",
        "window=1,0,linear",
        "window=1,2,cubic",
        "viewport=0,5",
        "viewport=9",
        "viewport=99999,5",
        "viewport=5,5,999,999,5,5",
        "quality=0",
        "quality=x",
        "window=nan,1,linear",
    ):
        assert door.get(f"{path}?{query}").status_code == 400, query
    assert door.get(path, accept="application/json").status_code == 406


def test_thumbnails_exist_for_studies_series_and_instances_before_and_after_they_settle(
    archive: Any, door: Door
) -> None:
    datasets = three(archive)
    study, series, instance = paths(datasets[0])
    for _round in range(2):
        for address in (study, series, instance):
            for accept, form in (("", "JPEG"), ("image/png", "PNG"), ("image/jpeg", "JPEG")):
                response = door.get(f"{address}/thumbnail", accept=accept)
                assert Image.open(io.BytesIO(content(response))).format == form
        small = door.get(f"{series}/thumbnail?viewport=64,64")
        assert max(Image.open(io.BytesIO(content(small))).size) <= 64
        settle(archive)
    stored = door.get(f"{series}/thumbnail", accept="image/webp,*/*;q=0.5")
    assert stored["Content-Type"] == "image/webp"
    assert (
        door.get(f"{series}/thumbnail", **{"if-none-match": stored["ETag"], "accept": "image/webp"}).status_code == 304
    )


def test_an_object_without_pixels_has_metadata_but_no_picture(archive: Any, door: Door) -> None:
    report = make_dataset(
        SOPClassUID="1.2.840.10008.5.1.4.1.1.88.33",
        Modality="SR",
        PixelData=None,
        Rows=None,
        Columns=None,
        BitsAllocated=None,
        BitsStored=None,
        HighBit=None,
        PixelRepresentation=None,
        SamplesPerPixel=None,
        PhotometricInterpretation=None,
    )
    item = Dataset()
    item.ValueType, item.TextValue = "TEXT", "Finding"
    report.ContentSequence = Sequence([item])
    put(archive, to_bytes(report))
    path = paths(report)[2]
    (model,) = door.json(f"{path}/metadata")
    assert model["0040A730"]["Value"][0]["0040A160"]["Value"] == ["Finding"]
    assert "7FE00010" not in model
    assert door.get(f"{path}/frames/1").status_code == 404
    assert door.get(f"{path}/rendered").status_code == 406
    assert door.get(f"{path}/thumbnail").status_code == 404
    assert dcmread(io.BytesIO(parts(door.get(path))[0].content)).ContentSequence[0].TextValue == "Finding"


@pytest.mark.parametrize(
    "tail",
    [
        "00080018/0",
        "0008",
        "zzzzzzzz",
        "00081032/9/00080100",
        "00081032",
        "../../../etc/passwd",
        "7FE00011",
        "00091001/x/00091002",
    ],
)
def test_a_bulk_data_path_that_leads_nowhere_is_not_found(archive: Any, door: Door, tail: str) -> None:
    (dataset,) = put(archive, to_bytes(make_dataset()))
    assert door.get(f"{paths(dataset)[2]}/bulkdata/{tail}").status_code == 404


def test_the_number_of_queries_does_not_grow_with_the_number_of_instances(archive: Any, door: Door) -> None:
    datasets = three(archive)
    study, series, instance = paths(datasets[0])
    counts = {}
    for address in (
        study,
        series,
        f"{study}/metadata",
        f"{series}/metadata",
        f"{instance}/frames/1",
        f"{study}/rendered",
    ):
        content(door.get(address))
        with CaptureQueriesContext(connection) as captured:
            content(door.get(address))
        counts[address.rpartition("/")[2]] = len(captured)
    assert max(counts.values()) <= 12, counts
    before = dict(counts)
    deliver(
        archive,
        [
            to_bytes(make_dataset(**STUDY, SeriesInstanceUID="1.2.3.1", SeriesNumber=1, InstanceNumber=n))
            for n in range(5, 12)
        ],
    )
    for address in (study, series, f"{study}/rendered"):
        with CaptureQueriesContext(connection) as captured:
            content(door.get(address))
        assert len(captured) <= before[address.rpartition("/")[2]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    accept=st.one_of(
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80),
        st.sampled_from(['"', ";", "a/b;c", "*/*;q=1.0.0", 'multipart/related;type="application/dicom']),
    ),
    query=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=60),
    tail=st.sampled_from(
        [
            "/studies",
            "/series",
            "/instances",
            "/studies/1.2.3",
            "/studies/1.2.3/metadata",
            "/studies/1.2.3/rendered",
            "/studies/1.2.3/thumbnail",
        ]
    ),
)
def test_no_request_however_odd_is_a_server_error(archive: Any, door: Door, accept: str, query: str, tail: str) -> None:
    response = door.client.get(f"{door.root}{tail}?{query}", headers={"accept": accept})
    assert response.status_code in (200, 400, 404, 406), (response.status_code, accept, query)


@pytest.mark.parametrize("method", ["put", "delete", "patch", "options"])
def test_other_methods_are_not_allowed(archive: Any, door: Door, method: str) -> None:
    response = getattr(door.client, method)(f"{door.root}/studies/1.2.3")
    assert response.status_code == 405 and "GET" in response["Allow"]
    assert "Access-Control-Allow-Origin" not in response
