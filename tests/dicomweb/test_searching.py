"""QIDO-RS: what matches, what is returned, and that nobody finds what is not theirs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import generate_uid

from archive.domain.text import fold
from archive.models import Study
from core.tenancy import tenant
from dicomweb.domain.levels import Level
from dicomweb.domain.query import parse
from dicomweb.queries import conditions, search_studies, sight_of
from dicomweb.queries.patterns import indexed_words
from tests.archive.factories import deliver, make_archive, make_dataset, to_bytes
from tests.dicomweb.factories import Door, content, make_reader

pytestmark = pytest.mark.django_db


def request_item(step: str) -> Sequence:
    item = Dataset()
    item.ScheduledProcedureStepID = step
    return Sequence([item])


@pytest.fixture
def door() -> Door:
    """Five studies with something to find in each; and another tenant with the same patients."""
    archive = make_archive()
    shared: dict[str, Any] = {
        "StudyInstanceUID": "1.2.3.1",
        "PatientName": "Müller^Jörg",
        "PatientID": "P_1",
        "StudyDate": "20240131",
        "StudyTime": "101500",
        "AccessionNumber": "A%1",
        "StudyDescription": "Knee left",
    }
    datasets = [
        make_dataset(
            **shared,
            Modality="MR",
            SeriesInstanceUID="1.2.3.1.1",
            SeriesNumber=1,
            SOPInstanceUID="1.2.3.1.1.1",
            RequestAttributesSequence=request_item("STEP-7"),
        ),
        make_dataset(
            **shared,
            Modality="MR",
            SeriesInstanceUID="1.2.3.1.1",
            SeriesNumber=1,
            SOPInstanceUID="1.2.3.1.1.2",
            InstanceNumber=2,
        ),
        make_dataset(
            **shared, Modality="SR", SeriesInstanceUID="1.2.3.1.2", SeriesNumber=2, SOPInstanceUID="1.2.3.1.2.1"
        ),
        make_dataset(
            StudyInstanceUID="1.2.3.2",
            PatientName="Mueller^Anna",
            PatientID="PX1",
            StudyDate="20240201",
            StudyTime="0930",
            Modality="CT",
            AccessionNumber="A21",
            StudyDescription="Head",
        ),
        make_dataset(
            StudyInstanceUID="1.2.3.3",
            PatientName="Yamada^Tarou=山田^太郎=やまだ^たろう",
            PatientID="P3",
            StudyDate="20230101",
            StudyTime="235959.5",
            Modality="CT",
            SpecificCharacterSet="ISO_IR 192",
            AccessionNumber="a%1",
        ),
        make_dataset(
            StudyInstanceUID="1.2.3.4",
            PatientName="",
            PatientID="",
            StudyDate="",
            StudyTime="",
            Modality="US",
            AccessionNumber="",
        ),
        make_dataset(
            StudyInstanceUID="1.2.3.5",
            PatientName="Smith^John",
            PatientID="P5",
            StudyDate="20240131",
            StudyTime="180000",
            Modality="XA",
            AccessionNumber="B5",
            StudyDescription="Knee right",
        ),
    ]
    deliver(archive, [to_bytes(dataset) for dataset in datasets])
    other = make_archive()
    deliver(other, [to_bytes(make_dataset(PatientName="Smith^Other", StudyInstanceUID="9.9.9", StudyDate="20240131"))])
    return Door(archive, user=make_reader(archive))


def found(door: Door, query: str) -> list[str]:
    rows = door.json(f"/studies?{query}" if query else "/studies")
    return sorted(row["0020000D"]["Value"][0].removeprefix("1.2.3.") for row in rows)


def test_a_letter_without_a_capital_is_found_by_wildcards() -> None:
    archive = make_archive()
    deliver(archive, [to_bytes(make_dataset(StudyDescription="Fußgelenk links", PatientID="STRAß-1"))])
    door = Door(archive, user=make_reader(archive))
    for query in (
        "StudyDescription=" + quote("Fuß*"),
        "StudyDescription=" + quote("*ßgelenk*"),
        "PatientID=" + quote("*ß-?"),
    ):
        assert len(door.json(f"/studies?{query}")) == 1, query
    for query in ("StudyDescription=" + quote("FUSS*"), "StudyDescription=" + quote("fuß*")):
        assert door.json(f"/studies?{query}") == [], query


@pytest.mark.parametrize(
    ("query", "studies"),
    [
        ("", "1 2 3 4 5"),
        ("PatientID=P_1", "1"),
        ("00100020=P_1", "1"),
        ("PatientID=p_1", ""),
        ("PatientID=P*", "1 2 3 5"),
        ("PatientID=P?1", "1 2"),
        ("PatientID=*", "1 2 3 4 5"),
        ("PatientID=", "1 2 3 4 5"),
        ("AccessionNumber=A%251", "1"),
        ("AccessionNumber=A%25*", "1"),
        ("AccessionNumber=A*1", "1 2"),
        ("PatientName=muller*", "1"),
        ("PatientName=M%C3%9CLLER%5EJ%C3%B6rg", "1"),
        ("PatientName=Muller", ""),
        ("PatientName=*anna*", "2"),
        ("PatientName=" + quote("山田*"), "3"),
        ("PatientName=" + quote("やまだ^たろう"), "3"),
        ("PatientName=taro*", ""),
        ("StudyDate=20240131", "1 5"),
        ("StudyDate=20240131-", "1 2 5"),
        ("StudyDate=-20231231", "3"),
        ("StudyDate=20240101-20240131", "1 5"),
        ("StudyDate=2024.01.31", "1 5"),
        ("StudyDate=20240131&StudyTime=10-12", "1"),
        ("StudyDate=20240131&StudyTime=1015", "1"),
        ("StudyTime=-0930", "2"),
        ("StudyDate=20240131-20240201&StudyTime=1200-0900", "5"),
        ("StudyDate=20240131-20240201&StudyTime=1200-0930", "2 5"),
        ("ModalitiesInStudy=CT", "2 3"),
        ("ModalitiesInStudy=CT%5CSR", "1 2 3"),
        ("ModalitiesInStudy=CT,SR", "1 2 3"),
        ("ModalitiesInStudy=?R", "1"),
        ("StudyInstanceUID=1.2.3.1,1.2.3.4", "1 4"),
        ("StudyInstanceUID=1.2.3.1%5C1.2.3.5", "1 5"),
        ("StudyDescription=Knee*", "1 3 4 5"),
        ("StudyDescription=*right", "5"),
        ("StudyDescription=knee*", ""),
        ("Modality=SR", "1"),
        ("SeriesDescription=PD*&Modality=CT", "2 3"),
        ("SOPInstanceUID=1.2.3.1.1.2", "1"),
        ("SOPInstanceUID=1.2.3.1.1.2&Modality=SR", ""),
        ("NumberOfStudyRelatedInstances=3", "1"),
        ("RequestAttributesSequence.ScheduledProcedureStepID=STEP-7", "1"),
        ("00400275.00400009=STEP*", "1"),
        ("RequestAttributesSequence.ScheduledProcedureStepID=STEP-8", ""),
        ("SOPClassesInStudy=1.2.840.10008.5.1.4.1.1.4&Modality=US", "4"),
        ("SpecificCharacterSet=ISO_IR+100&PatientID=P5", "5"),
        ("TimezoneOffsetFromUTC=%2B0100&PatientID=P5", "5"),
        ("PatientID=' OR 1=1 --", ""),
        ("PatientName=%25", ""),
    ],
)
def test_a_search_finds_exactly_what_matches(door: Door, query: str, studies: str) -> None:
    assert found(door, query) == studies.split()


BAD_QUERIES = {
    "limit=-1": "limit must be a whole number",
    "limit=abc": "limit must be a whole number",
    "offset=1.5": "offset must be a whole number",
    "fuzzymatching=perhaps": "must be true or false",
    "Pateint=x": "neither an attribute of DICOM nor a parameter",
    "0010002=x": "neither an attribute",
    "StudyDate=yesterday": "must be a date",
    "StudyDate=20240201-20240101": "ends before it begins",
    "StudyDate=-": "without a beginning and an end",
    "StudyTime=25x": "must be a time",
    "StudyInstanceUID=abc": "must be a UID",
    "StudyInstanceUID=1.2.*": "must be a UID",
    "PatientID=a&PatientID=b": "given twice",
    "PatientID=a%00b": "NUL",
    "SeriesNumber=one": "must be a number",
    "RequestAttributesSequence=x": "is a sequence",
    "PatientID.StudyID=x": "is not a sequence",
    "PixelData=x": "cannot be searched",
    "00091001=x": "private or unknown",
    "includefield=Nonsense": "neither an attribute",
    "PatientID=%ff": "UTF-8",
}


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_query_that_makes_no_sense_is_answered_with_a_sentence(door: Door, query: str) -> None:
    response = door.get(f"/studies?{query}")
    assert response.status_code == 400
    assert response["Content-Type"] == "application/problem+json"
    assert BAD_QUERIES[query] in response.json()["detail"]


def test_pages_are_stable_and_the_rest_is_announced(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [row["0020000D"]["Value"][0] for row in door.json("/studies")]
    paged = [door.json(f"/studies?limit=2&offset={offset}") for offset in (0, 2, 4, 6)]
    assert [row["0020000D"]["Value"][0] for page in paged for row in page] == whole
    assert "Warning" not in door.get("/studies?limit=2")
    from dicomweb.domain.levels import Level
    from dicomweb.views import search

    monkeypatch.setitem(search.MOST, Level.STUDY, 3)
    response = door.get("/studies")
    assert len(response.json()) == 3
    assert "There are 2 additional results that can be requested." in response["Warning"]
    assert door.json("/studies?limit=0") == []


def test_fields_are_the_default_ones_and_those_asked_for(door: Door) -> None:
    (row,) = door.json("/studies?PatientID=P_1")
    assert row["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jörg"}]}
    assert row["00080061"]["Value"] == ["MR", "SR"]
    assert row["00201206"]["Value"] == [2] and row["00201208"]["Value"] == [3]
    assert row["00080005"]["Value"] == ["ISO_IR 192"]
    assert row["00081190"]["Value"] == [f"http://testserver{door.root}/studies/1.2.3.1"]
    (empty,) = door.json("/studies?StudyInstanceUID=1.2.3.4")
    assert empty["00100010"] == {"vr": "PN"} and empty["00080020"] == {"vr": "DA"}
    (series,) = door.json("/studies/1.2.3.1/series?Modality=MR")
    assert "00180015" not in series
    for query in (
        "includefield=BodyPartExamined",
        "includefield=00180015,00081030",
        "includefield=all",
        "BodyPartExamined=",
    ):
        (series,) = door.json(f"/studies/1.2.3.1/series?Modality=MR&{query}")
        assert series["00180015"]["Value"] == ["KNEE"], query
    (series,) = door.json("/studies/1.2.3.1/series?Modality=MR&includefield=StudyDescription")
    assert series["00081030"]["Value"] == ["Knee left"]


def test_each_level_answers_below_its_parent_and_across_the_archive(door: Door) -> None:
    assert len(door.json("/studies/1.2.3.1/series")) == 2
    assert len(door.json("/studies/1.2.3.1/instances")) == 3
    assert len(door.json("/studies/1.2.3.1/series/1.2.3.1.1/instances")) == 2
    rows = door.json("/series?PatientID=P_1&Modality=MR")
    assert [row["0020000E"]["Value"][0] for row in rows] == ["1.2.3.1.1"]
    assert rows[0]["00100020"]["Value"] == ["P_1"] and rows[0]["00201209"]["Value"] == [2]
    rows = door.json("/instances?StudyInstanceUID=1.2.3.1&Modality=SR")
    assert [row["00080018"]["Value"][0] for row in rows] == ["1.2.3.1.2.1"]
    assert rows[0]["00080060"]["Value"] == ["SR"] and rows[0]["00100020"]["Value"] == ["P_1"]
    assert door.get("/studies/1.2.3.99/series").status_code == 404
    assert door.get("/studies/1.2.3.2/series/1.2.3.1.1/instances").status_code == 404


def test_what_is_not_supported_is_said_in_a_warning(door: Door) -> None:
    response = door.get("/studies?fuzzymatching=true&PatientName=muller*")
    assert "fuzzymatching parameter is not supported" in response["Warning"]
    response = door.get("/studies?InstitutionalDepartmentName=x&AdmissionID=7&PatientID=P5")
    assert "AdmissionID" in response["Warning"] and len(response.json()) in (0, 1)


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        ("", 200, "application/dicom+json"),
        ("*/*", 200, "application/dicom+json"),
        ("application/dicom+json", 200, "application/dicom+json"),
        ("application/json", 200, "application/json"),
        ('multipart/related; type="application/dicom+xml"', 200, "multipart/related"),
        ("multipart/related; type=application/dicom+xml, application/dicom+json;q=0.5", 200, "multipart/related"),
        ("application/dicom+json;q=0, */*;q=0.1", 200, "application/dicom+json"),
        ("text/html", 406, "application/problem+json"),
        ("image/png", 406, "application/problem+json"),
        ('application/dicom+json; x="', 400, "application/problem+json"),
        ("nonsense", 400, "application/problem+json"),
        ("application/dicom+json;q=7", 400, "application/problem+json"),
    ],
)
def test_the_form_of_the_answer_follows_the_accept_header(door: Door, accept: str, status: int, kind: str) -> None:
    response = door.get("/studies?limit=1", accept=accept)
    assert response.status_code == status
    assert response["Content-Type"].startswith(kind)
    if kind == "multipart/related":
        assert b'keyword="PatientID"' in content(response)


def test_the_number_of_queries_does_not_grow_with_the_number_of_rows(door: Door) -> None:
    door.get("/studies")
    counts = []
    for path in ("/studies?limit=1", "/studies", "/instances?limit=1", "/instances", "/series?limit=1", "/series"):
        door.get(path)
        with CaptureQueriesContext(connection) as captured:
            door.get(path)
        counts.append(len(captured))
    assert counts[0] == counts[1] and counts[2] == counts[3] and counts[4] == counts[5]
    assert max(counts) <= 8, counts


def test_uids_are_found_that_only_this_tenant_has(door: Door) -> None:
    assert found(door, "PatientName=Smith*") == ["5"]
    assert door.json(f"/studies?StudyInstanceUID={generate_uid()}") == []


NAMES = [
    "Anderson^Persephone",
    "Müller^Jörg",
    "Mu\u0308ller^Anna",
    "STRASSER^Groß",
    "Wang^XiaoDong=王^小東",
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Hong^Gildong=洪^吉洞=홍^길동",
    "\u1112\u1169\u11bc^Jamo=\u1112\u1169\u11bc",
    "=김^희중",
    "ŁÓDŹ^Żaneta=Łódź^Persson",
    "O'Person_%\\^A=B^Per*son",
    "İnönü^İpek=ınönü^ipek",
    "Kelvin^\u212aate=\u212aelvin^Kate",
    "de la  Cruz^  Maria ",
    "\uff30\uff25\uff32\uff33^\uff26ull=\uff30\uff25\uff32\uff33\uff2f\uff2e",
    "",
]
PATTERNS = [
    "*ERS*", "*ers*", "*PERSON*", "Ander*", "*sep?one", "*son^per*", "M?ller*", "Müll*", "*Mu\u0308ll*", "*müller*", "*strass*",
    "*straß*", "*gro?*", "*groß", "wang*", "*^xiao*", "小東", "*小東*", "王^*", "*山田*", "やまだ*", "山田^太郎", "*洪*", "*길동",
    "*\u1112*", "*\u1169\u11bc*", "홍*", "김*", "*희중", "*łódź*", "łó*", "*żan*", "*person_%*", "*_%\\*", "*b^per*", "per\\*",
    "*inönü*", "ınönü*", "*ipek", "*İpe*", "*kate*", "*kelvin*", "*\u212aate*", "de la*", "*la  cruz*", "*cruz^  m*", "*maria*",
    "*\uff50\uff45\uff52\uff53*", "*PERS*", "*yamada^tarou=*", "*yamada=*", "*tarou*太郎*", "Yam*=*", "???", "**son", "*'person*",
]  # fmt: skip


def test_words_looked_up_first_change_nothing_that_a_name_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_archive()
    reader = make_reader(archive)
    deliver(archive, [to_bytes(make_dataset(PatientName="A^B"))])
    with tenant(archive.organisation):
        study = Study.objects.select_related("patient").get()
        for number, name in enumerate(NAMES):
            patient = study.patient
            patient.pk, patient.public_id, patient.patient_id = None, f"name{number}", f"N{number}"
            patient.save(force_insert=True)
            study.patient_name, study.search_name = name, fold(name)[:400]
            study.pk, study.public_id, study.study_instance_uid = None, f"name{number}", f"1.2.{number}"
            study.patient = patient
            study.save(force_insert=True)

        def found(pattern: str) -> list[str]:
            page = search_studies(user=reader, archive=archive, query=parse([("PatientName", pattern)]), most=100)
            return [row.patient_name for row in page.rows]

        narrowed = {pattern: found(pattern) for pattern in PATTERNS}
        monkeypatch.setattr(conditions, "indexed_words", lambda _pattern: [])
        assert {pattern: found(pattern) for pattern in PATTERNS} == narrowed
    # Not one list for all: most find a name, some none.
    assert sum(bool(names) for names in narrowed.values()) > 40
    assert set(narrowed["*ERS*"]) > {"Anderson^Persephone", "ŁÓDŹ^Żaneta=Łódź^Persson"}
    assert narrowed["*小東*"] == ["Wang^XiaoDong=王^小東"]


def test_a_part_of_a_name_is_looked_up_in_the_index_of_names() -> None:
    archive = make_archive()
    deliver(archive, [to_bytes(make_dataset(PatientName="A^B"))])
    with tenant(archive.organisation), connection.cursor() as cursor:
        patient = Study.objects.get(archive=archive).patient
        own = {"organisation": archive.organisation, "archive": archive, "patient": patient}
        # So many that every other index of the table is the longer way.
        Study.objects.bulk_create(
            Study(**own, study_instance_uid=f"1.9.{n}", search_name=f"NAME {n * 7919}", last_received_at=timezone.now())
            for n in range(3000)
        )
        cursor.execute("ANALYZE archive_study")
        sight = sight_of(user=make_reader(archive), archive=archive)
        cursor.execute("SET LOCAL enable_seqscan = off")
        for pattern in ("*ERS*", "*ers^jo?n*", "müll*", "*zzz*=*"):
            query = parse([("PatientName", pattern)])
            rows = Study.objects.filter(conditions.conditions(query, level=Level.STUDY, sight=sight))
            sql, parameters = rows.filter(archive=archive).query.sql_with_params()
            cursor.execute(f"EXPLAIN {sql}", parameters)
            assert "Index Scan on study_search_name" in "\n".join(line for (line,) in cursor.fetchall()), pattern


def test_words_for_the_index_are_whole_and_of_letters_that_fold_alone() -> None:
    assert indexed_words("*ers^jo?n*") == ["ERS"]
    assert indexed_words("Müller^Jörg") == ["MULLER", "JORG"]
    assert indexed_words("de la Cruz*straße=ab") == ["CRUZ", "STRASSE"]
    letters = ("山田太郎*", "홍길동", "\u1112\u1169\u11bc*", "王xyz", "\uff30\uff25\uff32", "\u212aelvin")
    for nothing in ("", "*", "ab*cd", *letters):
        assert indexed_words(nothing) == []
