"""What comes back, and that it tells no diagnosis of a case that was never read."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.tenancy import tenant
from practice import queries, services
from practice.domain import order
from practice.models import Attempt, Card
from teaching.models import CaseVersion
from tests.practice.test_reads import answers, own_mark, read
from tests.teaching.factories import House, make_case, make_house, make_study, publish

pytestmark = pytest.mark.django_db
OTHER = [{"system": "RADLEX", "code": "RID2", "display": "Another thing", "role": "diagnosis"}]


def unknown(house: House, *, title: str, is_sibling: bool) -> CaseVersion:
    with tenant(house.organisation):
        study = make_study(house.archive)
    changes = {"alternative_title": title} if is_sibling else {"alternative_title": title, "codes": OTHER}
    return publish(house, make_case(house, study=study, **changes))


def make_due(house: House) -> None:
    Card.objects.filter(user=house.learner).update(due_at=timezone.now() - timedelta(days=1))


@pytest.mark.parametrize("is_sibling", [True, False])
def test_no_list_tells_whether_an_unread_case_has_a_diagnosis_that_is_due(is_sibling: bool) -> None:
    house = make_house()
    known = publish(house)
    fresh = unknown(house, title="Never seen before", is_sibling=is_sibling)
    with tenant(house.organisation):
        read(house, known)
        make_due(house)
        assert [version.pk for _card, version in queries.due_versions(house.learner)] == [known.pk]
        assert queries.waiting(house.learner) == 1
        assert queries.next_version(house.learner) == fresh
    client = Client()
    client.force_login(house.learner)
    page = client.get(reverse("practice:home", kwargs={"organisation": house.organisation.slug})).content.decode()
    due = page[page.index('id="due"') :]
    assert "Never seen before" not in due[: due.index("</ul>")]
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=fresh)
        assert attempt.reason == Attempt.Reason.FREE
        make_due(house)
        Attempt.objects.filter(pk=attempt.pk).update(started_at=timezone.now())
        attempt.refresh_from_db()
        services.commit_attempt(user=house.learner, attempt=attempt, draft=answers(fresh), marks=[own_mark(fresh)])
        assert attempt.reason == (Attempt.Reason.DUE if is_sibling else Attempt.Reason.FREE)


def test_what_was_read_comes_back_when_nothing_is_unread() -> None:
    house = make_house()
    known = publish(house)
    with tenant(house.organisation):
        read(house, known)
        assert queries.next_version(house.learner) is None
        make_due(house)
        assert queries.next_version(house.learner) == known


def test_unread_cases_of_a_due_diagnosis_come_up_more_often_but_not_always() -> None:
    drawn = [order.drawn(range(20), siblings=[3, 4], seed=f"7:{number}") for number in range(400)]
    of_siblings = sum(case in (3, 4) for case in drawn)
    assert 150 < of_siblings < 290
    assert len(Counter(drawn)) == 20
    assert [order.drawn(range(20), siblings=[3, 4], seed=f"7:{number}") for number in range(400)] == drawn
    assert {order.drawn([5, 6], siblings=[], seed=str(number)) for number in range(40)} == {5, 6}
