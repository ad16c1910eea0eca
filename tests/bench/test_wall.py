"""What the permission filter and the wall in the database cost: 10,000 people, 1,000 archives, 200,000 studies.

Each list is measured four ways in one run: without filter and without wall; as the page and DICOMweb ask it, behind the wall,
for a reader of the archive and for a learner who sees some of its studies for cases; and with the filter as a condition on
every row of the list (`access.queries.visible_to`), which is what lists avoid. At last the same as a person and a program
meet it: whole requests, with and without.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, QuerySet
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access.models import User
from access.queries import visible_to
from access.services import grant_role
from archive import queries as archive_queries
from archive.lists.studies import matching_studies
from archive.models import Archive, Patient, Series, Study
from archive.queries import VIEW
from core import wall
from core.tenancy import all_tenants, signed_in, tenant
from dicomweb import queries as dicomweb_queries
from dicomweb.domain.levels import Level
from dicomweb.domain.query import parse
from dicomweb.queries import sight
from dicomweb.queries.conditions import conditions
from tests import superuser
from tests.access.factories import make_organisation, make_user
from tests.archive.factories import deliver, make_archive, make_series
from tests.teaching.factories import House, make_house, publish

pytestmark = [pytest.mark.bench, pytest.mark.django_db(transaction=True), pytest.mark.timeout(3600)]

PEOPLE, ARCHIVES, STUDIES, LARGEST = 10_000, 1_000, 200_000, 100_000
CASES = 20
# Half of the examinations are MR, the others of nine modalities; of forty parts of the body.
MODALITY = "CASE WHEN n % 2 = 0 THEN 'MR' ELSE ('{CT,CR,DX,US,MG,NM,PT,XA,OT}'::text[])[1 + n / 2 % 9] END"
BODY_PART = "'PART' || (n / 3 % 40)"
ROUNDS, RUNS = 8, 6


def multiply(model: Any, *, template: Any, count: int, source: str = "", **changed: str) -> None:
    """Copies of a row by one statement; `changed` gives SQL for columns, in which `n` is the number of the copy."""
    columns = [column.column for column in model._meta.concrete_fields if not column.primary_key]
    values = [changed.get(column, f't."{column}"') for column in columns]
    names = ", ".join(f'"{column}"' for column in columns)
    with all_tenants(), connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{model._meta.db_table}" ({names}) SELECT {", ".join(values)} '
            f'FROM "{model._meta.db_table}" t CROSS JOIN generate_series(1, {count}) n {source} WHERE t.id = {template.pk}'
        )


READERS = """
    WITH made AS (
        INSERT INTO auth_group (name)
        SELECT 'bench:' || a.id FROM archive_archive a WHERE a.ae_title LIKE 'BENCH%%' RETURNING id, name
    ), roles AS (
        INSERT INTO access_containerrole (organisation_id, group_id, container_kind, container_id, role)
        SELECT %(organisation)s, m.id, 'archive.archive', split_part(m.name, ':', 2)::bigint, 'reader' FROM made m
        RETURNING id, group_id, container_id
    ), rights AS (
        INSERT INTO archive_archivegroupobjectpermission (group_id, content_object_id, permission_id)
        SELECT r.group_id, r.container_id, p.id
          FROM roles r, auth_permission p JOIN django_content_type c ON c.id = p.content_type_id
         WHERE p.codename = 'view_archive' AND c.app_label = 'archive'
    )
    INSERT INTO access_rolegrant (organisation_id, container_role_id, user_id, source, granted_at)
    SELECT %(organisation)s, r.id, u.id, 'direct', now()
      FROM roles r JOIN access_user u ON u.id = %(reader)s OR u.username = 'person-' || r.container_id || '@bench'
"""
MEMBERS = """
    INSERT INTO access_membership (organisation_id, user_id, is_active, joined_at)
    SELECT %(organisation)s, id, true, now() FROM access_user WHERE username LIKE 'person-%%'
"""


def fill() -> House:
    """One organisation with everything, beside a small one; half of the studies in one archive, some of them in cases."""
    make_archive(make_organisation())
    house = make_house()
    organisation, largest, reader = house.organisation, house.archive, house.member
    deliver(largest, make_series(count=1))
    grant_role(actor=None, container=largest, role="reader", user=reader)
    with tenant(organisation):
        study = Study.objects.select_related("patient").get()
        series = study.series.get()
    for _case in range(CASES):
        publish(house)
    multiply(User, template=make_user(), count=PEOPLE, username="'person-' || n || '@bench'")
    multiply(
        Archive, template=largest, count=ARCHIVES - 1,
        slug="'bench-' || n", name="'Bench ' || n", ae_title="'BENCH' || n",
    )  # fmt: skip
    with all_tenants(), connection.cursor() as cursor:
        for statement in (MEMBERS, READERS):
            cursor.execute(statement, {"organisation": organisation.pk, "reader": reader.pk})
    multiply(
        Patient, template=study.patient, count=STUDIES, source="JOIN archive_archive a ON a.ae_title = 'BENCH' || (1 + n % 999)",
        archive_id=f"CASE WHEN n <= {LARGEST} THEN {largest.pk} ELSE a.id END",
        public_id="'p' || n", patient_id="'BENCH' || n", patient_name="'Name' || md5(n::text) || '^Given' || n % 977",
        search_name="'NAME' || upper(md5(n::text)) || ' GIVEN' || n % 977",
    )  # fmt: skip
    multiply(
        Study, template=study, count=STUDIES, source="JOIN archive_patient p ON p.public_id = 'p' || n",
        archive_id="p.archive_id", patient_id="p.id", patient_name="p.patient_name", search_name="p.search_name",
        public_id="'s' || n", study_instance_uid="'1.2.3.' || n",
        accession_number="'ACC' || n", description="'Examination ' || md5((n % 5003)::text)",
        study_date="to_char(date '2010-01-01' + n % 5000, 'YYYYMMDD')", study_date_parsed="date '2010-01-01' + n % 5000",
        modalities=f"jsonb_build_array({MODALITY})", body_parts=f"jsonb_build_array({BODY_PART})",
        last_received_at="now() - (n * 7919 % 300000) * interval '5 minutes'",
        settled_at="now() - (n * 7919 % 300000) * interval '5 minutes' + interval '10 seconds'",
    )  # fmt: skip
    multiply(
        Series, template=series, count=STUDIES, source="JOIN archive_study s ON s.public_id = 's' || n",
        archive_id="s.archive_id", study_id="s.id", public_id="'r' || n", series_instance_uid="'1.2.4.' || n",
        modality=MODALITY, body_part=BODY_PART,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    return house


def measure(ask: Callable[[], Any]) -> float:
    """Milliseconds, the least of several runs after one that warms up: what others do on the machine only adds."""
    ask()
    taken = []
    for _run in range(RUNS):
        begun = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - begun) * 1000)
    return min(taken)


def least(*rounds: dict[str, float]) -> dict[str, float]:
    return {name: min(one[name] for one in rounds) for name in rounds[0]}


def whole_requests(house: House) -> dict[str, Callable[[], Any]]:
    place = {"organisation": house.organisation.slug, "archive": house.archive.slug}
    page = reverse("archive:study-list", kwargs=place)
    search = f"/o/{place['organisation']}/dicomweb/{place['archive']}/studies"
    client = Client()
    client.force_login(house.member)

    def ask(address: str) -> Any:
        answer = client.get(address)
        assert answer.status_code == 200, answer.content[:300]
        return answer

    return {
        "page of the study list": lambda: ask(page),
        "page, by a word": lambda: ask(f"{page}?q=4f1a0"),
        "QIDO request by patient ID": lambda: ask(f"{search}?PatientID=BENCH777"),
        "QIDO request by date": lambda: ask(f"{search}?StudyDate=20150101-20150201&limit=50"),
    }


def taken_down() -> None:
    with wall.as_owner(connection):
        wall.drop_walls(connection)


def put_up() -> None:
    with wall.as_owner(connection):
        wall.raise_walls(connection)


def measure_requests(house: House, *, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole requests of a reader: as they are, and without wall and without asking what the reader may see in the list."""
    requests = whole_requests(house)
    rounds = []
    for _round in range(ROUNDS):
        taken_down()
        with monkeypatch.context() as patch:
            for module in (archive_queries, sight):
                patch.setattr(module, "may", lambda *_asked: True)
            plain = {name: measure(ask) for name, ask in requests.items()}
        put_up()
        rounds.append((plain, {name: measure(ask) for name, ask in requests.items()}))
    plain, asked = (least(*one) for one in zip(*rounds, strict=True))
    for name, unwalled in plain.items():
        print(f"{name:28}{unwalled:10.1f}{asked[name]:10.1f}{asked[name] / unwalled:8.2f}")


def test_cost_of_the_filter_and_of_the_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACSWEB_DATABASE_ADMIN_URL", superuser.url())
    house = fill()
    organisation, largest, reader, learner = house.organisation, house.archive, house.member, house.learner

    def first_page(rows: QuerySet[Study]) -> Any:
        return list(rows.select_related("patient").order_by("-study_date", "-pk")[:50])

    def unfiltered() -> QuerySet[Study]:
        return Study.objects.filter(archive=largest)

    def as_the_page_asks(user: User) -> QuerySet[Study]:
        return archive_queries.studies(user=user, archive=largest)

    def as_dicomweb_asks(user: User) -> QuerySet[Study]:
        # Each request loads the archive anew; what one has found out about it ends with the request.
        return dicomweb_queries.studies(user=user, archive=copy.copy(largest))

    def by_filter() -> QuerySet[Study]:
        return visible_to(reader, unfiltered(), VIEW)

    with tenant(organisation):
        named = matching_studies(archive=largest, word="4f1a0")
    month = Q(study_date_parsed__range=("2015-01-01", "2015-02-01"), modalities__contains=["MR"])
    with signed_in(user_id=reader.pk), tenant(organisation):
        seen = sight.sight_of(user=reader, archive=copy.copy(largest))
        part_of_a_name = conditions(parse([("PatientName", "*4f1a0*")]), level=Level.STUDY, sight=seen)
    questions: dict[str, tuple[Callable[[User], QuerySet[Study]], Callable[[QuerySet[Study]], Any]]] = {
        "study list, first page": (as_the_page_asks, first_page),
        "study list, count": (as_the_page_asks, lambda rows: rows.count()),
        "study list, words": (as_the_page_asks, lambda rows: first_page(rows.filter(pk__in=named))),
        "QIDO by patient ID": (as_dicomweb_asks, lambda rows: first_page(rows.filter(patient__patient_id="BENCH777"))),
        "QIDO by part of a name": (as_dicomweb_asks, lambda rows: first_page(rows.filter(part_of_a_name))),
        "QIDO by date and modality": (as_dicomweb_asks, lambda rows: first_page(rows.filter(month))),
    }

    def timed(read: Callable[[QuerySet[Study]], Any], door: Callable[[], QuerySet[Study]]) -> float:
        return measure(lambda: read(door()))

    def through(door: Callable[[], QuerySet[Study]]) -> dict[str, float]:
        return {name: timed(read, door) for name, (_door, read) in questions.items()}

    def asked_by(user: User) -> dict[str, float]:
        return {name: timed(read, partial(door, user)) for name, (door, read) in questions.items()}

    rounds = []
    with signed_in(user_id=reader.pk), tenant(organisation):
        for _round in range(ROUNDS):
            taken_down()
            plain = through(unfiltered)
            in_the_open = {name: read(unfiltered()) for name, (_door, read) in questions.items()}
            put_up()
            rounds.append((plain, asked_by(reader), asked_by(learner), through(by_filter)))
            # Each question finds something, and a reader finds through the wall what is there without it.
            assert all(in_the_open.values())
            assert {name: read(door(reader)) for name, (door, read) in questions.items()} == in_the_open
        for name, (door, read) in questions.items():
            # Whether a role opens the archive; for who has none, which kinds of roles there are and whether another reason
            # opens it; and the list.
            for user, queries in ((reader, 2), (learner, 4)):
                with CaptureQueriesContext(connection) as captured:
                    read(door(user))
                assert len(captured) == queries, name
        assert as_the_page_asks(learner).count() == CASES
    plain, asked, by_case, inside = (least(*one) for one in zip(*rounds, strict=True))
    print(f"\n{PEOPLE:,} people, {ARCHIVES:,} archives, {STUDIES:,} studies, {LARGEST:,} of them in the archive asked")
    print(f"{'ms':28}{'plain':>10}{'reader':>10}{'ratio':>8}{'learner':>10}{'ratio':>8}{'filter on rows':>16}")
    for name, unwalled in plain.items():
        ratios = [(found[name], found[name] / unwalled) for found in (asked, by_case)]
        columns = "".join(f"{taken:10.1f}{ratio:8.2f}" for taken, ratio in ratios)
        print(f"{name:28}{unwalled:10.1f}{columns}{inside[name]:16.1f}")
    measure_requests(house, monkeypatch=monkeypatch)
