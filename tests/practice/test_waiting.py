"""The count in the navigation says what the day's list shows, without loading the list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from core.tenancy import tenant
from practice import queries, services
from practice.models import Attempt
from teaching.services import create_assignment
from tests.practice.test_reads import answers, own_mark
from tests.teaching.factories import House, make_case, make_house, make_study, publish

pytestmark = pytest.mark.django_db


def by_the_lists(user: Any) -> int:
    assigned = sum(row["total"] - row["read"] for row in queries.assigned_rows(user))
    return assigned + len(queries.due_versions(user))


def through_another_eye(user: Any) -> Any:
    """The same person as somebody else's "view as" sees them, who may do all that they may."""
    seen = type(user).objects.get(pk=user.pk)
    seen.seen_by = user
    return seen


def read(house: House, version: Any, *, assignment: Any = None, days_ago: int) -> None:
    moment = timezone.now() - timedelta(days=days_ago)
    attempt = services.start_attempt(user=house.learner, version=version, moment=moment)
    Attempt.objects.filter(pk=attempt.pk).update(assignment=assignment)
    attempt.refresh_from_db()
    services.commit_attempt(
        user=house.learner, attempt=attempt, draft=answers(version), marks=[own_mark(version)], moment=moment
    )


def test_the_count_is_that_of_the_lists() -> None:
    house, other = make_house(), make_house()
    found: dict[str, list[int]] = {}

    def look(when: str) -> None:
        with tenant(house.organisation):
            found[when] = [
                queries.waiting(person)
                for person in (house.learner, through_another_eye(house.learner), house.educator)
            ]
            assert found[when][:2] == [by_the_lists(house.learner)] * 2, when
            assert found[when][2] == by_the_lists(house.educator), when
        with tenant(other.organisation):
            assert queries.waiting(other.learner) == by_the_lists(other.learner) == 0
            # With an account there and no part in it, nothing of the other house waits here.
            assert queries.waiting(house.learner) == 0

    look("nothing")
    versions = []
    for number in range(3):
        code = {"system": "RADLEX", "code": f"RID{number}", "display": "x", "role": "diagnosis"}
        case = make_case(house, study=make_study(house.archive, count=1), codes=[code])
        versions.append(publish(house, case))
    with tenant(house.organisation):
        assignment = create_assignment(
            actor=house.educator, course=house.course, title="Week", cases=[version.case for version in versions],
            due_at=timezone.now() + timedelta(days=2),
        )  # fmt: skip
    look("assigned")
    with tenant(house.organisation):
        read(house, versions[0], assignment=assignment, days_ago=0)
    look("one of them read")
    with tenant(house.organisation):
        read(house, versions[1], days_ago=120)
    look("another read freely, long ago: its repetition is due")
    with tenant(house.organisation):
        assignment.withdrawn_at = timezone.now()
        assignment.save()
    look("withdrawn")
    assert [counts[0] for counts in found.values()] == [0, 3, 2, 3, 1]
    assert [counts[2] for counts in found.values()] == [0] * 5
