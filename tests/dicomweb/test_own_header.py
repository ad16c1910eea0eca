"""A study answers to its own header, whatever its patient is called by now (PS3.18 8.3.4, PS3.4 C.2.2.2)."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client

from archive.lists.studies import matching_studies
from archive.models import Patient, Study
from core.tenancy import tenant
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from tests.dicomweb.factories import Door, make_reader

pytestmark = pytest.mark.django_db

HEADERS = [
    {"PatientName": "Schmidt^Anna", "PatientSex": "F", "PatientBirthDate": "19700101", "StudyInstanceUID": "1.2.1"},
    {"PatientName": "Becker^Anna", "PatientSex": "F", "PatientBirthDate": "19700102", "StudyInstanceUID": "1.2.2"},
    {"PatientName": "Otto^Karl", "PatientSex": "M", "PatientBirthDate": "19700103", "StudyInstanceUID": "1.2.3"},
]


@pytest.fixture
def archive() -> Any:
    """One Patient ID, three names; the other tenant has the same UIDs under other names."""
    archive = make_archive()
    for header in HEADERS:
        deliver(archive, [to_bytes(make_dataset(PatientID="RENAMED", **header))])
        other = {**header, "PatientName": "Stranger^One"}
        deliver(make_archive(), [to_bytes(make_dataset(PatientID="RENAMED", **other))])
    return archive


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("PatientName=Otto*", ["1.2.3"]),
        ("PatientName=Schmidt^Anna", ["1.2.1"]),
        ("PatientName=schmidt*", ["1.2.1"]),
        ("PatientName=*Anna", ["1.2.1", "1.2.2"]),
        ("PatientSex=M", ["1.2.3"]),
        ("PatientSex=F", ["1.2.1", "1.2.2"]),
        ("PatientBirthDate=19700102", ["1.2.2"]),
        ("PatientBirthDate=19700102-", ["1.2.2", "1.2.3"]),
        ("PatientName=Stranger*", []),
        ("", ["1.2.1", "1.2.2", "1.2.3"]),
    ],
)
def test_each_study_is_found_by_what_it_answers(archive: Any, key: str, expected: list[str]) -> None:
    door = Door(archive, user=make_reader(archive))
    for path in (f"/studies?PatientID=RENAMED&{key}", f"/series?PatientID=RENAMED&{key}", f"/instances?{key}"):
        rows = door.json(path)
        assert sorted(row["0020000D"]["Value"][0] for row in rows) == expected
    said = {header["StudyInstanceUID"]: header for header in HEADERS}
    for row in door.json(f"/studies?{key}"):
        own = said[row["0020000D"]["Value"][0]]
        assert row["00100010"]["Value"][0]["Alphabetic"] == own["PatientName"]
        assert row["00100040"]["Value"] == [own["PatientSex"]]
        assert row["00100030"]["Value"] == [own["PatientBirthDate"]]


def test_the_patient_has_the_latest_name_and_the_study_list_shows_each_its_own(archive: Any) -> None:
    with tenant(archive.organisation):
        patient = Patient.objects.get(archive=archive)
        assert (patient.patient_name, patient.search_name, patient.sex) == ("Otto^Karl", "OTTO KARL", "M")
        for word, expected in (("Otto", ["1.2.3"]), ("schmidt", ["1.2.1"]), ("Anna", ["1.2.1", "1.2.2"])):
            rows = Study.objects.filter(pk__in=matching_studies(archive=archive, word=word))
            assert sorted(rows.values_list("study_instance_uid", flat=True)) == expected
    client = Client()
    client.force_login(make_reader(archive))
    page = client.get(f"/o/{archive.organisation.slug}/archive/{archive.slug}/studies/").content.decode()
    assert "Schmidt" in page and "Becker" in page and "Otto" in page and "Stranger" not in page


def test_a_study_that_is_named_later_answers_to_that_name() -> None:
    archive = make_archive()
    shared = {"StudyInstanceUID": "1.2.9"}
    deliver(archive, [to_bytes(make_dataset(PatientID=None, PatientName=None, PatientSex=None, **shared))])
    deliver(archive, [to_bytes(make_dataset(PatientID="LATE", PatientName="Late^Name", PatientSex="F", **shared))])
    (row,) = Door(archive, user=make_reader(archive)).json("/studies?PatientName=Late*&PatientSex=F&PatientID=LATE")
    assert row["00100010"]["Value"] == [{"Alphabetic": "Late^Name"}]
    assert row["00201208"]["Value"] == [2]


@pytest.mark.django_db(transaction=True)
def test_studies_of_an_older_release_get_the_names_of_their_own_headers() -> None:
    archive = make_archive()
    header = {"PatientName": "Yamada^Tarou=山田^太郎", "PatientSex": "M", "StudyDate": "20240131"}
    deliver(archive, [to_bytes(make_dataset(PatientID="OLD", **header))])
    with tenant(archive.organisation):
        study = Study.objects.get(archive=archive)
        attributes = {**study.attributes, "00080020": {"vr": "DA", "Value": ["1993.04.30"]}}
        Study.objects.filter(pk=study.pk).update(
            patient_name="", search_name="", sex="", birth_date="", study_date="1993.04.", attributes=attributes
        )
    migration = importlib.import_module("archive.migrations.0008_studies_own_patient")
    with connection.schema_editor() as editor:
        migration.fill(apps, editor)
    with tenant(archive.organisation):
        study.refresh_from_db()
    assert (study.patient_name, study.sex, study.birth_date) == ("Yamada^Tarou=山田^太郎", "M", "19700101")
    assert "山田" in study.search_name and study.study_date == "19930430"
