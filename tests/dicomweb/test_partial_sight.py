"""Who sees a part of an archive learns nothing about the rest: not by a key, a count, a picture, an order or a header."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from PIL import Image
from pydicom.uid import generate_uid

from archive.models import Instance, Series, Study
from core.tenancy import tenant
from tests.archive.factories import deliver, make_series
from tests.dicomweb.factories import Door, content, make_reader, settle
from tests.teaching.factories import House, make_case, make_house, make_study, publish

pytestmark = pytest.mark.django_db

BASIC_TEXT_SR = "1.2.840.10008.5.1.4.1.1.88.11"
NO_IMAGE = dict.fromkeys(
    ("Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
     "PhotometricInterpretation")
)  # fmt: skip
#: Texts in the headers of the images of a case, each with a word of its own.
TEXTS = {
    "StudyDescription": "Oncoword follow-up",
    "SeriesDescription": "Seriesword sagittal",
    "ProtocolName": "Protoword",
    "ImageComments": "Commentword",
    "RequestedProcedureDescription": "Requestword",
    "PerformedProcedureStepDescription": "Performedword",
    "PatientName": "Nameword^Test",
    "InstitutionName": "Instituteword",
    "StationName": "Stationword",
    "Manufacturer": "Makerword",
    "BodyPartExamined": "BODYWORD",
    "AccessionNumber": "ACCWORD",
    "StudyID": "IDWORD",
    "OperatorsName": "Operatorword",
    "ReferringPhysicianName": "Referrerword",
    "StudyDate": "20110203",
    "SeriesDate": "20110204",
    "AcquisitionDate": "20110205",
    "ContentDate": "20110206",
    "StudyTime": "111213",
    "PatientID": "PIDWORD",
    "PatientAge": "042Y",
    "DerivationDescription": "Deriveword",
    "BurnedInAnnotation": "YESWORD",
}
WORDS = [value.split("^")[0].split()[0].lower() for value in TEXTS.values()]


@dataclass
class Place:
    house: House
    study: Study
    report: Series
    drawing: Series
    learner: Door
    reader: Door


def hide(house: House, study: Study) -> tuple[Series, Series]:
    """A report that says what there is to find, and a segmentation that shows it, before all other series."""
    with tenant(house.organisation):
        patient = {"PatientID": study.patient.patient_id, "StudyInstanceUID": study.study_instance_uid}
    report = make_series(
        count=1, Modality="SR", SOPClassUID=BASIC_TEXT_SR, PixelData=None, SeriesNumber=0,
        SeriesDescription="Xanthogranuloma confirmed", PerformedProcedureStepDescription="Xanthogranuloma",
        SeriesInstanceUID="1.2.3.99", ContentLabel="XANTHO", BodyPartExamined="PLEXUS", **NO_IMAGE, **patient,
    )  # fmt: skip
    drawing = make_series(
        count=1, Modality="SEG", SeriesNumber=0, SeriesDescription="Xanthogranuloma", SeriesInstanceUID="1.2.3.98",
        Rows=32, Columns=32, PixelData=np.full(1024, 4000, np.uint16).tobytes(), **patient,
    )  # fmt: skip
    _delivery, outcomes = deliver(house.archive, [*report, *drawing])
    assert [outcome.status for outcome in outcomes] == ["stored", "stored"], outcomes
    settle(house.archive)
    with tenant(house.organisation):
        rows = Series.objects.filter(study=study)
        return rows.get(modality="SR"), rows.get(modality="SEG")


def make_place() -> Place:
    house = make_house()
    study = make_study(house.archive)
    publish(house, make_case(house, study=study))
    report, drawing = hide(house, study)
    return Place(
        house, study, report, drawing, Door(house.archive, user=house.learner), Door(house.archive, user=make_reader(house.archive))
    )  # fmt: skip


@pytest.fixture
def place() -> Place:
    """Beside it the same in another organisation: whose report answers is then a question, too."""
    make_place()
    return make_place()


KEYS = [
    "SeriesDescription=Xantho*",
    "Modality=SR",
    "Modality=SEG",
    "ModalitiesInStudy=SR",
    "ModalitiesInStudy=S*",
    "ModalitiesInStudy=MR\\SR&SeriesNumber=0",
    f"SOPClassesInStudy={BASIC_TEXT_SR}",
    f"SOPClassUID={BASIC_TEXT_SR}",
    "SeriesInstanceUID=1.2.3.99",
    "BodyPartExamined=PLEXUS",
    "PerformedProcedureStepDescription=Xantho*",
    "ContentLabel=XAN*",
    "SeriesNumber=0",
    "Rows=32",
    "NumberOfStudyRelatedSeries=3",
    "NumberOfStudyRelatedInstances=5",
]


@pytest.mark.parametrize("level", ["studies", "series", "instances"])
def test_no_key_finds_what_the_asker_does_not_see(place: Place, level: str) -> None:
    for key in KEYS:
        assert content(place.learner.get(f"/{level}?{key}")) in (b"[]", b""), key
        assert place.reader.json(f"/{level}?{key}") != [], key


def test_within_a_study_no_key_finds_a_hidden_series_either(place: Place) -> None:
    for address in (f"/studies/{place.study.study_instance_uid}/{level}" for level in ("series", "instances")):
        for key in KEYS:
            found = content(place.learner.get(f"{address}?{key}"))
            assert found in (b"[]", b""), (address, key)


def test_counts_and_modalities_are_those_of_what_is_seen(place: Place) -> None:
    for query in ("", "?includefield=all", "?ModalitiesInStudy=MR", "?NumberOfStudyRelatedSeries=1",
                  "?NumberOfStudyRelatedInstances=3", "?SeriesNumber=1"):  # fmt: skip
        (row,) = place.learner.json(f"/studies{query}")
        assert row["00080061"]["Value"] == ["MR"]
        assert row["00201206"]["Value"] == [1]
        assert row["00201208"]["Value"] == [3]
    (one,) = place.learner.json("/series?NumberOfSeriesRelatedInstances=3")
    assert (one["00080061"]["Value"], one["00201206"]["Value"], one["00201209"]["Value"]) == (["MR"], [1], [3])
    for row in place.learner.json("/instances"):
        assert (row["00080061"]["Value"], row["00201206"]["Value"], row["00201209"]["Value"]) == (["MR"], [1], [3])
    (whole,) = place.reader.json("/studies")
    assert (whole["00080061"]["Value"], whole["00201206"]["Value"]) == (["MR", "SEG", "SR"], [3])


def test_the_picture_of_a_study_is_of_a_series_that_is_seen(place: Place) -> None:
    address = f"/studies/{place.study.study_instance_uid}/thumbnail"
    shown = Image.open(io.BytesIO(content(place.learner.get(address))))
    hidden = Image.open(io.BytesIO(content(place.reader.get(address))))
    # The segmentation is first of all and of another size.
    assert shown.size != hidden.size or shown.tobytes() != hidden.tobytes()
    with tenant(place.house.organisation):
        seen = Series.objects.get(study=place.study, modality="MR")
    own = content(
        place.learner.get(f"/studies/{place.study.study_instance_uid}/series/{seen.series_instance_uid}/thumbnail")
    )
    assert content(place.learner.get(address)) == own


def test_what_is_fetched_of_a_study_leaves_the_hidden_out(place: Place) -> None:
    root = f"/studies/{place.study.study_instance_uid}"
    models = place.learner.json(f"{root}/metadata")
    assert {model["00080060"]["Value"][0] for model in models} == {"MR"}
    assert len(models) == 3
    for series in (place.report, place.drawing):
        for rest in ("", "/metadata", "/rendered", "/thumbnail", "/instances"):
            assert place.learner.get(f"{root}/series/{series.series_instance_uid}{rest}").status_code == 404


@pytest.fixture
def written() -> Place:
    """A case whose images say a lot in their headers."""
    house = make_house()
    study = make_study(house.archive, **TEXTS)
    publish(house, make_case(house, study=study))
    settle(house.archive)
    with tenant(house.organisation):
        series = Series.objects.get(study=study)
    return Place(
        house, study, series, series, Door(house.archive, user=house.learner), Door(house.archive, user=make_reader(house.archive))
    )  # fmt: skip


def addresses(place: Place) -> dict[str, str]:
    study = f"/studies/{place.study.study_instance_uid}"
    series = f"{study}/series/{place.report.series_instance_uid}"
    with tenant(place.house.organisation):
        image = Instance.objects.filter(series=place.report).earliest("instance_number").sop_instance_uid
    instance = f"{series}/instances/{image}"
    return {"study": study, "series": series, "instance": instance}


def answers(place: Place) -> list[str]:
    named = addresses(place)
    asked = [f"{one}/metadata" for one in named.values()]
    searches = ["/studies", "/series", "/instances", f"{named['study']}/series", f"{named['study']}/instances",
                f"{named['series']}/instances"]  # fmt: skip
    every = ",".join(TEXTS)
    return asked + [f"{one}?{query}" for one in searches for query in ("", "includefield=all", f"includefield={every}")]


def test_a_reader_of_an_unknown_gets_no_text_and_no_date_that_came_with_the_images(written: Place) -> None:
    for number, address in enumerate(answers(written)):
        for accept in ("application/dicom+json", 'multipart/related; type="application/dicom+xml"')[: 1 + (number < 4)]:
            text = content(written.learner.get(address, accept=accept)).decode().lower()
            assert [word for word in WORDS if word in text] == [], (address, accept)
    # Whoever reads the archive gets them all.
    text = content(written.reader.get(f"{addresses(written)['study']}/metadata")).decode().lower()
    assert [word for word in WORDS if word not in text] == []


def test_a_reader_of_an_unknown_gets_what_draws_the_images(written: Place) -> None:
    models = written.learner.json(f"{addresses(written)['series']}/metadata")
    for tag in ("00280010", "00280011", "00280030", "00280100", "00200032", "00200037", "00200052", "00200013", "7FE00010",
                "00080016", "00080018", "0020000D", "0020000E", "00080060"):  # fmt: skip
        assert all("Value" in model[tag] or "BulkDataURI" in model[tag] for model in models), tag
    named = addresses(written)
    for rest in ("/frames/1", "/rendered", "/thumbnail", "/frames", "/bulkdata/7FE00010"):
        assert written.learner.get(named["instance"] + rest).status_code == 200, rest


def test_no_file_is_handed_to_a_reader_of_an_unknown(written: Place) -> None:
    for address in addresses(written).values():
        refused = written.learner.get(address)
        assert (refused.status_code, refused.json()["code"]) == (403, "withheld")
        assert written.reader.get(address).status_code == 200
    for path in ("00081030", "00204000", "00100010", "00321064/0/00080104"):
        refused = written.learner.get(f"{addresses(written)['instance']}/bulkdata/{path}")
        assert refused.status_code in (403, 404)


def test_what_is_withheld_is_no_key_to_search_by(written: Place) -> None:
    for number, (keyword, value) in enumerate(TEXTS.items()):
        has_wildcards = not keyword.endswith(("Date", "Time", "Age"))
        level = ("studies", "series", "instances")[number % 3]
        mine, all_of_it = (
            door.get(f"/{level}?{keyword}={value[:3] + '*' if has_wildcards else value}")
            for door in (written.learner, written.reader)
        )
        # An attribute that the index does not keep narrows nothing, for anybody.
        if "Warning" not in all_of_it:
            assert content(mine) in (b"[]", b""), (level, keyword)
            assert content(all_of_it) not in (b"[]", b""), (level, keyword)


def test_the_order_of_a_list_does_not_tell_dates() -> None:
    def order(dates: tuple[str, str, str]) -> list[int]:
        house = make_house()
        uids = []
        for date in dates:
            study = make_study(house.archive, StudyDate=date, StudyInstanceUID=generate_uid())
            publish(house, make_case(house, study=study))
            uids.append(study.study_instance_uid)
        rows = Door(house.archive, user=house.learner).json("/studies")
        return [uids.index(row["0020000D"]["Value"][0]) for row in rows]

    assert order(("20200101", "20210101", "20220101")) == order(("20220101", "20200101", "20210101"))


def test_who_has_another_reason_sees_the_study_with_everything_in_it(written: Place) -> None:
    """An educator, a reviewer of the library, and a learner who also reads the archive."""
    house = written.house
    for person in (house.educator, house.reviewer):
        door = Door(house.archive, user=person)
        assert "Oncoword" in content(door.get("/studies")).decode()
        assert len(door.json("/studies?StudyDescription=Onco*")) == 1
        assert door.get(addresses(written)["instance"]).status_code == 200


def test_of_two_tenants_neither_finds_the_other(written: Place) -> None:
    other = make_place()
    assert {row["0020000D"]["Value"][0] for row in written.learner.json("/studies")} == {
        written.study.study_instance_uid
    }
    assert written.learner.get(addresses(other)["study"]).status_code == 404
    here = Door(other.house.archive, user=written.house.learner)
    assert here.get("/studies").status_code == 404


def test_who_sees_everything_pays_nothing_for_it(place: Place) -> None:
    for address in ("/studies?Modality=MR&SeriesDescription=*", "/series?Rows=16", "/studies?ModalitiesInStudy=SR"):
        with CaptureQueriesContext(connection) as asked:
            place.reader.json(address)
        of_images = [one["sql"] for one in asked if 'FROM "archive_s' in one["sql"]]
        assert len(of_images) == 1
        assert "teaching" not in of_images[0]


def test_one_image_that_is_seen_opens_no_other_of_its_series(written: Place) -> None:
    """An image that joined the series after the case was published is not of the case, before and after a seen one."""
    make_place()
    with tenant(written.house.organisation):
        patient = {"PatientID": written.study.patient.patient_id, "StudyInstanceUID": written.study.study_instance_uid}
    late = make_series(count=1, SeriesInstanceUID=written.report.series_instance_uid, SeriesNumber=1, **patient)
    _delivery, outcomes = deliver(written.house.archive, late)
    assert [outcome.status for outcome in outcomes] == ["stored"], outcomes
    settle(written.house.archive)
    with tenant(written.house.organisation):
        every = Instance.objects.filter(series=written.report).order_by("pk")
        hidden = every.latest("pk").sop_instance_uid
        uids = [one.sop_instance_uid for one in every]
    assert len(uids) == 4
    root = f"/studies/{written.study.study_instance_uid}/series/{written.report.series_instance_uid}/instances"
    for _round in range(2):
        for rest in ("/frames/1", "/rendered", "/metadata", "/thumbnail"):
            found = {uid: written.learner.get(f"{root}/{uid}{rest}").status_code for uid in uids}
            assert found == {uid: 404 if uid == hidden else 200 for uid in uids}, rest
            assert written.reader.get(f"{root}/{hidden}{rest}").status_code == 200, rest
