"""A read needs the right to the case at every step, and gives nothing once the right has ended."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access.services import grant_role, revoke_role
from core.errors import NotFound
from core.tenancy import tenant
from practice import queries, services
from practice.models import Attempt
from tests.practice.test_reads import answers, read
from tests.teaching.factories import House, make_house, publish

pytestmark = pytest.mark.django_db


def signed_in(user: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def places(house: House, attempt: Attempt) -> dict[str, Any]:
    slug = house.organisation.slug
    with tenant(house.organisation):
        study = attempt.version.studies.select_related("archive").get()
    dicomweb = f"/o/{slug}/dicomweb/{study.archive.slug}/studies/{study.study_instance_uid}"
    return {
        "page": reverse("practice:attempt", kwargs={"organisation": slug, "attempt": attempt.public_id}),
        "api": reverse("practice-api:attempt", kwargs={"organisation": slug, "attempt": attempt.public_id}),
        "series": f"{dicomweb}/series",
        "metadata": f"{dicomweb}/metadata",
    }


def statuses(client: Client, addresses: dict[str, Any]) -> dict[str, int]:
    return {name: client.get(address).status_code for name, address in addresses.items()}


def end_rights(house: House) -> None:
    revoke_role(actor=None, container=house.course, role="learner", user=house.learner)


def test_read_that_was_begun_ends_with_the_right_and_comes_back_with_it(
    django_capture_on_commit_callbacks: Any,
) -> None:
    house, other = make_house(), make_house()
    version = publish(house)
    publish(other)
    with tenant(house.organisation):
        attempt = services.start_attempt(user=house.learner, version=version)
    addresses, client = places(house, attempt), signed_in(house.learner)
    assert set(statuses(client, addresses).values()) == {200}
    with django_capture_on_commit_callbacks(execute=True):
        end_rights(house)
    found = statuses(client, addresses)
    assert set(found.values()) <= {403, 404}, found
    with tenant(house.organisation):
        with pytest.raises(NotFound):
            services.commit_attempt(user=house.learner, attempt=attempt, draft=answers(version))
        assert attempt.public_id not in {one.public_id for one in queries.attempts_of(house.learner)}
    with django_capture_on_commit_callbacks(execute=True):
        grant_role(actor=None, container=house.course, role="learner", user=house.learner)
    assert set(statuses(client, addresses).values()) == {200}


def test_committed_read_stays_in_the_record_but_shows_no_truth() -> None:
    house = make_house()
    version = publish(house)
    with tenant(house.organisation):
        attempt = read(house, version)
    addresses, client = places(house, attempt), signed_in(house.learner)
    end_rights(house)
    found = statuses(client, addresses)
    assert set(found.values()) <= {403, 404}, found
    with tenant(house.organisation):
        (kept,) = queries.attempts_of(house.learner)
    assert kept.pk == attempt.pk
    assert kept.is_open is False
