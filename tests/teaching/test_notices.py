"""Whom teaching tells of what, and that no line gives a case away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from access.models import User
from access.services import grant_role
from core import notifications
from core.models import Notification
from core.templatetags import look
from core.tenancy import all_tenants, tenant
from teaching import services
from teaching.models import Case
from tests.access.factories import make_member
from tests.teaching.factories import SECRET_WORDS, House, make_case, make_house, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def house() -> House:
    return make_house()


def lines_of(house: House, user: User) -> list[str]:
    with tenant(house.organisation):
        return [notifications.sentence(row) for row in notifications.of(user=user)]


def in_course(house: House, case: Case) -> None:
    with tenant(house.organisation):
        services.add_case_to_course(actor=house.educator, course=house.course, case=case)


def test_learners_hear_of_a_new_case_by_its_title_as_an_unknown_once(house: House) -> None:
    case = make_case(house)
    in_course(house, case)
    assert lines_of(house, house.learner) == []
    publish(house, case)
    assert lines_of(house, house.learner) == ["New in Course: “Middle-aged person with headache”"]
    with tenant(house.organisation):
        notifications.mark_read(user=house.learner)
        services.save_case(actor=house.educator, case=case, changes={"alternative_title": "Something else"})
    publish(house, case)
    with tenant(house.organisation):
        assert notifications.unread_count(user=house.learner) == 0
    for other in (house.educator, house.member, house.officer):
        assert lines_of(house, other) == []


def test_a_case_that_leaves_its_course_takes_its_line_along(house: House) -> None:
    case = make_case(house)
    publish(house, case)
    assert len(lines_of(house, house.learner)) == 1
    with tenant(house.organisation):
        services.remove_case_from_course(actor=house.educator, course=house.course, case=case)
    assert lines_of(house, house.learner) == []


def test_an_assignment_tells_its_persons_and_a_withdrawn_one_nobody(house: House) -> None:
    other = make_member(house.organisation)
    with tenant(house.organisation):
        grant_role(actor=None, container=house.course, role="learner", user=other)
    case = make_case(house)
    publish(house, case)
    due = timezone.now() + timedelta(days=2)
    values: dict[str, Any] = {"actor": house.educator, "course": house.course, "cases": [case], "due_at": due}
    with tenant(house.organisation):
        services.create_assignment(title="For one", persons=[house.learner], **values)
        everybody = services.create_assignment(title="For all", **values)
    assert [line.split(" of ")[0] for line in lines_of(house, house.learner)][:2] == ["“For all”", "“For one”"]
    assert [line for line in lines_of(house, other) if "For one" in line] == []
    with tenant(house.organisation):
        services.withdraw_assignment(actor=house.educator, assignment=everybody)
    assert [line for line in lines_of(house, other) if "For all" in line] == []


def test_a_review_is_told_to_the_reviewer_and_its_verdict_to_who_asked(house: House) -> None:
    case = make_case(house)
    with tenant(house.organisation):
        services.request_review(actor=house.educator, case=case)
    assert len(lines_of(house, house.reviewer)) == 1
    assert lines_of(house, house.educator) == []
    with tenant(house.organisation):
        services.decide_review(
            actor=house.reviewer, case=case, revision=case.revision, approved=False, note="More history, please."
        )
    assert lines_of(house, house.reviewer) == []
    assert len(lines_of(house, house.educator)) == 1
    assert "asks for changes" in lines_of(house, house.educator)[0]


def test_no_line_of_a_learner_names_what_there_is_to_find_and_none_crosses_organisations(house: House) -> None:
    neighbours = make_house()
    case = make_case(house)
    publish(house, case)
    with all_tenants():
        told = list(Notification.objects.filter(person=house.learner))
        assert told
        for row in told:
            text = f"{notifications.sentence(row)} {row.detail} {row.url}".casefold()
            assert not [word for word in SECRET_WORDS if word in text]
        assert not Notification.objects.filter(organisation=neighbours.organisation).exists()
        people = (neighbours.learner, neighbours.educator)
        assert not Notification.objects.filter(person__in=people).exists()


def test_a_due_time_is_read_behind_the_bell_in_ones_own_time_zone_as_it_is_in_the_list(house: House) -> None:
    """Whoever assigns sits in another zone than whoever reads."""
    case = make_case(house)
    publish(house, case)
    due = datetime(2030, 1, 15, 22, 30, tzinfo=UTC)
    with tenant(house.organisation), timezone.override("America/New_York"):
        services.create_assignment(
            actor=house.educator, course=house.course, cases=[case], due_at=due, title="Chest", persons=[house.learner]
        )
    for zone in ("Asia/Tokyo", "America/New_York", "UTC"):
        with timezone.override(zone):
            assert lines_of(house, house.learner)[0].endswith(f"until {look.iso(due)}")
