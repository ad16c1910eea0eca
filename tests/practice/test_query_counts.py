"""Lists ask the same number of questions for few rows and for many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from core.tenancy import tenant
from practice import services
from teaching.services import create_assignment
from tests.practice.test_reads import answers, own_mark
from tests.teaching.factories import House, make_case, make_house, make_study, publish

pytestmark = pytest.mark.django_db

PAGES: dict[str, Callable[[House], str]] = {
    "cases": lambda house: "/teaching/",
    "cases as pictures": lambda house: "/teaching/?view=grid",
    "library": lambda house: f"/teaching/libraries/{house.library.slug}/",
    "course": lambda house: f"/teaching/courses/{house.course.slug}/",
    "results of a course": lambda house: f"/teaching/courses/{house.course.slug}/results/",
    "home of an educator": lambda house: "/",
}
LEARNER_PAGES: dict[str, Callable[[House], str]] = {
    "practice": lambda house: "/practice/",
    "progress": lambda house: "/practice/progress/",
    "reads": lambda house: "/practice/reads/",
    "home of a learner": lambda house: "/",
}


def grow(house: House, count: int) -> None:
    """More published, assigned and read cases."""
    cases = []
    for number in range(count):
        # Another diagnosis each, so that repetition has as many cards as there are cases.
        code = {
            "system": "RADLEX",
            "code": f"RID{house.course.pk}-{number}-{count}",
            "display": "x",
            "role": "diagnosis",
        }
        case = make_case(house, study=make_study(house.archive, count=1), codes=[code])
        version = publish(house, case)
        cases.append(case)
        with tenant(house.organisation):
            past = timezone.now() - timedelta(days=90)
            attempt = services.start_attempt(user=house.learner, version=version, moment=past)
            services.commit_attempt(
                user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)], moment=past
            )
    with tenant(house.organisation):
        create_assignment(
            actor=house.educator,
            course=house.course,
            title="Week",
            cases=cases,
            due_at=timezone.now() + timedelta(days=2),
        )


def count_queries(client: Client, address: str) -> int:
    client.get(address)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_pages_do_not_ask_for_each_row() -> None:
    house = make_house()
    grow(house, 2)
    educator, learner = Client(), Client()
    educator.force_login(house.educator)
    learner.force_login(house.learner)
    root = f"/o/{house.organisation.slug}"
    pages = [(educator, name, path) for name, path in PAGES.items()]
    pages += [(learner, name, path) for name, path in LEARNER_PAGES.items()]
    few = {name: count_queries(client, root + path(house)) for client, name, path in pages}
    grow(house, 4)
    many = {name: count_queries(client, root + path(house)) for client, name, path in pages}
    # A second assignment is one more row of the same lists: it may not bring queries of its own either.
    assert {name: (few[name], many[name]) for name in few if many[name] > few[name]} == {}
    assert max(many.values()) < 60
