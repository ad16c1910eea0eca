"""QIDO-RS keys with odd values: numbers, dates, times, and what the client takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.archive.factories import deliver, make_archive
from tests.dicomweb.factories import Door, make_reader
from tests.dicomweb.raw import Written, element

pytestmark = pytest.mark.django_db


def dated(date: bytes, time: bytes, **extra: bytes) -> Written:
    return Written(
        patient_id=date + b"/" + time,
        extra={
            0x00080020: element(0x00080020, "DA", date),
            0x00080030: element(0x00080030, "TM", time),
            0x00080021: element(0x00080021, "DA", date),
            0x00080031: element(0x00080031, "TM", time),
            0x0008002A: element(0x0008002A, "DT", extra.get("moment", b"")),
        },
    )


@pytest.fixture
def door() -> Door:
    files = [
        dated(b"19930430", b"123010", moment=b"20051231235959"),
        dated(b"1993.04.30", b"12:30:10", moment=b"2010"),
        dated(b"UNKNOWN", b"UNKNOWN", moment=b"UNKNOWN"),
        dated(b"20240131", b"0930", moment=b"20240131"),
        dated(b"20240131", b"", moment=b"19991231"),
    ]
    archive = make_archive()
    deliver(archive, [one.content() for one in files])
    deliver(make_archive(), [one.content() for one in files])
    return Door(archive, user=make_reader(archive))


def found(door: Door, path: str) -> list[str]:
    return sorted(row["00100020"]["Value"][0] for row in door.json(path))


OLD, NEW, NONE, LATE, UNTIMED = (
    "1993.04.30/12:30:10", "19930430/123010", "UNKNOWN/UNKNOWN", "20240131/0930", "20240131/",
)  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("StudyDate=19930430", [OLD, NEW]),
        ("StudyDate=1993.04.30", [OLD, NEW]),
        ("StudyDate=19930101-19931231", [OLD, NEW]),
        ("StudyDate=19930430-", [OLD, NEW, UNTIMED, LATE]),
        ("StudyDate=-20000101", [OLD, NEW]),
        ("StudyTime=123010", [OLD, NEW]),
        ("StudyTime=12:30:10", [OLD, NEW]),
        ("StudyTime=12", [OLD, NEW]),
        ("StudyTime=09-", [OLD, NEW, LATE]),
        ("StudyTime=-12", [OLD, NEW, LATE]),
        ("StudyTime=-13", [OLD, NEW, LATE]),
        ("StudyDate=19930430-20240131&StudyTime=12-10", [OLD, NEW, LATE]),
        ("StudyDate=19930430-20240201&StudyTime=13-10", [UNTIMED, LATE]),
        ("SeriesDate=19930430", [OLD, NEW]),
        ("SeriesDate=19930101-19931231", [OLD, NEW]),
        ("SeriesDate=19930430-", [OLD, NEW, UNTIMED, LATE]),
        ("SeriesTime=1230-1231", [OLD, NEW]),
        ("SeriesTime=09-", [OLD, NEW, LATE]),
        ("AcquisitionDateTime=2000-2010", [OLD, NEW]),
        ("AcquisitionDateTime=2000-", [OLD, NEW, LATE]),
        ("AcquisitionDateTime=-2010", [OLD, NEW, UNTIMED]),
        # 0930 is a whole minute and 2010 a whole year: they are found by each moment in it.
        ("StudyTime=093015-", [OLD, NEW, LATE]),
        ("StudyTime=093015.5-093016", [LATE]),
        ("StudyTime=093100-", [OLD, NEW]),
        ("StudyTime=092000-092959.999999", []),
        ("StudyTime=093030", [LATE]),
        ("StudyDate=20240131-20240201&StudyTime=093059-020000", [LATE]),
        ("StudyDate=20240131-20240201&StudyTime=093100-020000", []),
        ("SeriesTime=093015-", [OLD, NEW, LATE]),
        ("SeriesTime=123010.25-", [OLD, NEW]),
        ("SeriesTime=123011-", []),
        ("AcquisitionDateTime=20100630-20100701", [OLD]),
        ("AcquisitionDateTime=20240131120000.5-20240131120001", [LATE]),
        ("AcquisitionDateTime=20240131120000%2B0100-", [LATE]),
        ("AcquisitionDateTime=20240201-", []),
    ],
)
def test_dates_and_times_are_found_in_either_form_and_nothing_else_is_in_a_range(
    door: Door, query: str, expected: list[str]
) -> None:
    assert found(door, f"/studies?{query}") == sorted(expected)


@pytest.mark.parametrize(
    "query",
    [
        "SliceThickness=1e999",
        "SliceThickness=-1e999",
        "SliceThickness=1e400%5C2",
        "InstanceNumber=99999999999999999999",
        "SliceThickness=nan",
        "SliceThickness=1_0",
        "InstanceNumber=١",
    ],
)
@pytest.mark.parametrize("level", ["instances", "series", "studies"])
def test_a_number_that_is_none_is_the_clients_mistake(door: Door, level: str, query: str) -> None:
    assert door.get(f"/{level}?{query}").status_code == 400


REVERSED = [
    "StudyTime=220000-020000",
    "StudyDate=19930430&StudyTime=220000-020000",
    "StudyDate=19930430-19930430&StudyTime=220000-020000",
    "StudyDate=19930430-19930501&SeriesTime=220000-020000",
    "SeriesTime=2200-20",
    "AcquisitionDateTime=2010-2009",
]


@pytest.mark.parametrize("query", REVERSED)
def test_a_range_that_ends_before_it_begins_is_the_clients_mistake(door: Door, query: str) -> None:
    answer = door.get(f"/instances?{query}")
    assert answer.status_code == 400
    assert "ends before it begins" in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    ["StudyDate=19930430-&StudyTime=22-02", "StudyDate=19930430-19930501&StudyTime=22-02", "StudyTime=2200-22"],
)
def test_a_range_across_midnight_is_of_moments_when_it_is_of_days(door: Door, query: str) -> None:
    assert door.get(f"/studies?{query}").status_code in (200, 204)


@pytest.mark.parametrize("query", ["SliceThickness=1e308", "InstanceNumber=18446744073709551615", "Rows=4294967295"])
def test_the_greatest_numbers_are_asked_for_without_harm(door: Door, query: str) -> None:
    assert door.json(f"/instances?{query}") == []


@pytest.mark.parametrize(
    "accept",
    [
        "multipart/related",
        "multipart/*",
        'multipart/related; type="*/*"',
        'multipart/related; type="application/dicom+xml"',
        "multipart/related; type=application/dicom+xml; q=0.5, text/html",
    ],
)
def test_a_multipart_of_whatever_type_is_met_by_xml(door: Door, accept: str) -> None:
    response: Any = door.get("/studies", accept=accept)
    assert response.status_code == 200
    assert response["Content-Type"].startswith('multipart/related; type="application/dicom+xml"')


@pytest.mark.parametrize("accept", ['multipart/related; type="image/jpeg"', "multipart/mixed", "text/html"])
def test_what_no_search_can_give_is_not_acceptable(door: Door, accept: str) -> None:
    assert door.get("/studies", accept=accept).status_code == 406
