"""The study list of an archive too long to be counted: it reads what it shows, and offers what there is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from access.models import User
from access.services import grant_role
from archive import queries
from archive.lists import StudyTable
from archive.models import Archive, Patient, Series, Study
from archive.services import settle
from archive.views.studies import change_mark
from core.db.distinct import distinct_values
from core.tenancy import signed_in, tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import deliver, make_archive, make_dataset, make_series, to_bytes
from tests.teaching.factories import make_house, publish

pytestmark = pytest.mark.django_db

STUDIES, LIMIT = 3000, 200
#: What a query of the page may touch: what is counted before counting stops, or a few rows for each that is shown.
FEW = 500
KINDS = (("MR", "KNEE"), ("CT", "HEAD"), ("US", ""), ("MR", "HEAD"))


@dataclass
class Long:
    archive: Archive
    reader: User
    other: Archive

    def url(self, name: str, query: str = "") -> str:
        place = {"organisation": self.archive.organisation.slug, "archive": self.archive.slug}
        return f"{reverse(f'archive:{name}', kwargs=place)}{query}"


def fill(archive: Archive, *, count: int, kinds: tuple[tuple[str, str], ...] = KINDS) -> None:
    now = timezone.now()
    own = {"organisation_id": archive.organisation_id, "archive": archive}
    with tenant(archive.organisation):
        patients = Patient.objects.bulk_create(
            Patient(**own, patient_id=f"P{n}", search_name=f"NAME{n}") for n in range(count)
        )
        studies = Study.objects.bulk_create(
            Study(
                **own, patient=patient, study_instance_uid=f"1.2.{n}", accession_number=f"A{n}",
                study_date=(date(2000, 1, 1) + timedelta(days=n % 997)).strftime("%Y%m%d"),
                modalities=[kinds[n % len(kinds)][0]], body_parts=[part for part in [kinds[n % len(kinds)][1]] if part],
                # Ten come at the same moment.
                last_received_at=now - timedelta(minutes=n // 10), settled_at=now - timedelta(minutes=n // 10),
            )
            for n, patient in enumerate(patients)
        )  # fmt: skip
        Series.objects.bulk_create(
            Series(
                **own, study=study, series_instance_uid=f"1.3.{n}",
                modality=kinds[n % len(kinds)][0], body_part=kinds[n % len(kinds)][1],
            )
            for n, study in enumerate(studies)
        )  # fmt: skip


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> Long:
    """A long archive, a shorter one of the same organisation, and one of another, each with a modality of its own."""
    monkeypatch.setattr(StudyTable, "count_limit", LIMIT)
    ours, theirs = make_organisation(), make_organisation()
    archive, neighbour, foreign = make_archive(ours), make_archive(ours), make_archive(theirs)
    fill(archive, count=STUDIES)
    fill(neighbour, count=400, kinds=(("NM", "NECK"), *KINDS))
    fill(foreign, count=400, kinds=(("XA", "HEART"), *KINDS))
    reader = make_member(ours)
    grant_role(actor=None, container=archive, role="reader", user=reader)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE archive_study, archive_series, archive_patient")
    return Long(archive, reader, foreign)


def touched(plan: dict[str, Any]) -> int:
    """Rows of tables that a plan reads, also those that it then leaves out."""
    own = 0
    if "Relation Name" in plan:
        own = int(plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)))
    return own + sum(touched(one) for one in plan.get("Plans", ()))


def plans(long: Long, url: str) -> dict[str, dict[str, Any]]:
    """The plan of each query that a page asks of studies, series and patients, as the application's role runs it."""
    client = Client()
    client.force_login(long.reader)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    asked = [one["sql"] for one in captured if 'FROM "archive_s' in one["sql"] or 'FROM "archive_p' in one["sql"]]
    found = {}
    with signed_in(user_id=long.reader.pk), tenant(long.archive.organisation), connection.cursor() as cursor:
        for sql in asked:
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + sql.replace("%", "%%"))
            answer = cursor.fetchone()[0]
            found[sql] = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    return found


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("study-list", ""),
        ("study-list", "?page=2"),
        ("study-list", "?sort=received"),
        ("study-list", "?sort=-date"),
        ("study-list", "?view=grid"),
        ("study-changes", "?since=0"),
    ],
)
def test_no_query_of_a_page_walks_the_whole_archive(long: Long, name: str, query: str) -> None:
    found = plans(long, long.url(name, query))
    assert len(found) >= (4 if name == "study-list" else 1)
    for sql, plan in found.items():
        assert touched(plan) <= FEW, sql


def test_the_measure_of_these_tests_sees_a_walk(long: Long) -> None:
    found = plans(long, long.url("study-list", "?sort=size"))
    assert max(touched(plan) for plan in found.values()) >= STUDIES


def table(long: Long, query: str = "", *, rows: QuerySet[Study] | None = None, is_whole: bool = True) -> StudyTable:
    request = RequestFactory().get(f"/list/?{query}")
    request.organisation = long.archive.organisation  # type: ignore[attr-defined]
    request.user = long.reader
    if rows is None:
        rows = Study.objects.filter(archive=long.archive).select_related("patient")
    return StudyTable(request=request, queryset=rows, context={"archive": long.archive, "is_whole_archive": is_whole})


def offered(found: StudyTable) -> dict[str, dict[str, int | None]]:
    return {
        facet.filter.key: {option.value: option.count for option in facet.options}
        for facet in found.facets
        if facet.filter.key in ("modality", "body")
    }


UNCOUNTED = {"modality": dict.fromkeys(("CT", "MR", "US")), "body": dict.fromkeys(("HEAD", "KNEE"))}


def test_a_long_list_offers_every_value_of_its_archive_alone_and_counts_none(long: Long) -> None:
    with tenant(long.archive.organisation):
        found = table(long)
        assert not found.is_counted and found.count_words == "more than 200 studies"
        assert offered(found) == UNCOUNTED
        # As the rows themselves would say.
        assert offered(table(long, is_whole=False)) == UNCOUNTED
        # What is chosen stays offered, also when it is nothing that is there.
        assert offered(table(long, "modality=MR&modality=ZZ"))["modality"] == dict.fromkeys(("CT", "MR", "US", "ZZ"))


def test_values_within_another_filter_are_those_of_the_rows_that_it_leaves(long: Long) -> None:
    with tenant(long.archive.organisation):
        found = table(long, "modality=MR")
        assert not found.is_counted
        assert offered(found) == {"modality": UNCOUNTED["modality"], "body": UNCOUNTED["body"]}
        found = table(long, "modality=CT")
        assert not found.is_counted
        assert offered(found)["body"] == {"HEAD": None}
        assert offered(table(long, "modality=US"))["body"] == {}
        assert offered(table(long, "body=KNEE"))["modality"] == {"MR": None}


def test_counts_return_as_soon_as_the_list_is_short_enough(long: Long) -> None:
    with tenant(long.archive.organisation):
        found = table(long, "q=A29")
        # 29, 290 to 299 and 2900 to 2999, kinds in turn.
        assert found.is_counted and found.count == 111
        counted = offered(found)
        assert counted["modality"] == {"CT": 28, "MR": 55, "US": 28}
        assert counted["body"] == {"HEAD": 56, "KNEE": 27}
        narrowed = table(long, "q=A29&modality=CT")
        assert narrowed.count == 28
        assert offered(narrowed) == {"modality": counted["modality"], "body": {"HEAD": 28}}


def test_who_sees_a_part_is_offered_what_is_in_that_part(long: Long) -> None:
    with tenant(long.archive.organisation):
        every = Study.objects.filter(archive=long.archive).select_related("patient")
        few = every.filter(modalities=["CT"])
        part = table(long, rows=few.filter(pk__in=list(few.values_list("pk", flat=True)[:7])), is_whole=False)
        assert part.count == 7 and offered(part) == {"modality": {"CT": 7}, "body": {"HEAD": 7}}
        many = table(long, rows=few, is_whole=False)
        assert not many.is_counted
        assert offered(many) == {"modality": {"CT": None}, "body": {"HEAD": None}}


def test_only_who_sees_the_whole_archive_is_answered_by_its_series() -> None:
    house = make_house()
    with tenant(house.organisation):
        publish(house)
        deliver(house.archive, make_series(count=1))
        grant_role(actor=None, container=house.archive, role="reader", user=house.member)
    for person, is_whole in ((house.member, True), (house.educator, True), (house.learner, False)):
        with signed_in(user_id=person.pk), tenant(house.organisation):
            seen = queries.studies_seen(user=person, archive=house.archive)
            assert seen.is_whole == is_whole
            assert seen.is_whole == (seen.rows.count() == Study.objects.filter(archive=house.archive).count())


def test_studies_of_one_moment_stand_in_one_order_on_all_pages(long: Long) -> None:
    with tenant(long.archive.organisation):
        expected = sorted(
            Study.objects.filter(archive=long.archive).values_list("last_received_at", "pk"), reverse=True
        )[:100]
        shown = [row for page in "1234" for row in table(long, f"page={page}&per=25").objects]
        assert [(row.last_received_at, row.pk) for row in shown] == expected


def test_the_mark_of_change_differs_when_a_study_comes_and_when_it_settles() -> None:
    archive = make_archive()
    marks = []

    def mark() -> None:
        with tenant(archive.organisation):
            marks.append(change_mark(archive))

    mark()
    deliver(archive, make_series(count=1))
    mark()
    with tenant(archive.organisation):
        Study.objects.update(last_received_at=timezone.now() - timedelta(seconds=60))
    mark()
    with tenant(archive.organisation):
        assert settle.claim(study_id=Study.objects.get().pk)
    mark()
    deliver(make_archive(archive.organisation), make_series(count=1))
    mark()
    assert len(set(marks[:4])) == 4 and marks[3] == marks[4]


def test_distinct_values_are_those_that_the_database_would_name(long: Long) -> None:
    odd = ["%", "%s", "'; DROP", "A B", "É", "ß", "step.value", "山田", "\\"]
    with tenant(long.archive.organisation):
        template = Series.objects.filter(archive=long.archive)[0]
        for number, value in enumerate(odd):
            template.pk, template.public_id, template.series_instance_uid = None, f"odd{number}", f"1.9.{number}"
            template.body_part = value
            template.save(force_insert=True)
        rows = Series.objects.filter(archive=long.archive)
        expected = list(rows.exclude(body_part="").order_by("body_part").values_list("body_part", flat=True).distinct())
        assert set(odd) < set(expected)
        assert distinct_values(rows, "body_part", most=100) == expected
        assert distinct_values(rows, "body_part", most=3) == expected[:3]
        assert distinct_values(rows.filter(body_part="%s"), "body_part", most=100) == ["%s"]
        assert distinct_values(rows.filter(pk=0), "body_part", most=100) == []
        # Another organisation's archive, asked for by name: the wall and the scope both say no.
        assert distinct_values(Series.objects.filter(archive=long.other), "modality", most=100) == []


def test_a_series_that_was_refused_leaves_no_modality_in_its_study() -> None:
    archive = make_archive()
    shared = {"StudyInstanceUID": "1.2.3", "PatientID": "P1", "PatientName": "A^B"}
    deliver(archive, [to_bytes(make_dataset(**shared, SeriesInstanceUID="1.2.3.1", SOPInstanceUID="1.2.3.1.1"))])
    # The same image under another series is refused; beside it comes one that is taken.
    files = [
        make_dataset(**shared, SeriesInstanceUID="1.2.3.2", SOPInstanceUID="1.2.3.1.1", Modality="NM", BodyPartExamined="NECK"),
        make_dataset(**shared, SeriesInstanceUID="1.2.3.3", SOPInstanceUID="1.2.3.3.1", Modality="CT"),
    ]  # fmt: skip
    deliver(archive, [to_bytes(one) for one in files])
    with tenant(archive.organisation):
        study = Study.objects.get()
        assert study.modalities == ["CT", "MR"] and study.body_parts == ["KNEE"]
        assert sorted(study.series.values_list("modality", flat=True)) == study.modalities
