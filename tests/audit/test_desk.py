from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from access import services as access
from access.models import Organisation, User
from audit import queries, services
from audit.models import Event
from audit.tasks import seal_chains
from core.models import Job
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db


@pytest.fixture
def organisation() -> Organisation:
    return make_organisation("ours")


@pytest.fixture
def officer(organisation: Organisation) -> User:
    return make_member(organisation, roles=("officer",), username="officer@ours")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def address(name: str, organisation: Organisation, **arguments: Any) -> str:
    return reverse(f"audit:{name}", kwargs={"organisation": organisation.slug, **arguments})


def test_officer_reads_acts_as_sentences(organisation: Organisation, officer: User) -> None:
    member = make_member(organisation, username="trainee@ours")
    access.grant_role(actor=None, container=organisation, role="officer", user=member)
    page = signed_in(officer).get(address("event-list", organisation))
    assert page.status_code == 200
    assert "gave <strong>trainee@ours</strong> the role “officer”" in page.content.decode()


def test_only_officers_find_the_desk(organisation: Organisation, officer: User) -> None:
    (event,) = [services.record(action="organisation.changed", organisation=organisation)]
    others = {
        403: [make_member(organisation), make_member(organisation, roles=("administrator",))],
        404: [make_member(make_organisation(), roles=("officer",))],
    }
    for name, arguments in (("event-list", {}), ("event-detail", {"pk": event.pk})):
        there = address(name, organisation, **arguments)
        assert signed_in(officer).get(there).status_code == 200
        for status, people in others.items():
            for person in people:
                assert signed_in(person).get(there).status_code == status
        assert Client().get(there).status_code == 302


def test_event_of_another_organisation_does_not_exist(organisation: Organisation, officer: User) -> None:
    foreign = services.record(action="organisation.changed", organisation=make_organisation())
    assert signed_in(officer).get(address("event-detail", organisation, pk=foreign.pk)).status_code == 404


def test_values_from_outside_are_shown_as_text(organisation: Organisation, officer: User) -> None:
    services.record(
        action="role.granted",
        organisation=organisation,
        target_label="<script>alert(1)</script>",
        detail={"role": "<img src=x>", "odd": {"{actor.password}": 1}},
    )
    content = signed_in(officer).get(address("event-list", organisation)).content.decode()
    assert "<script>alert(1)" not in content
    assert "<img src=x>" not in content
    assert "&lt;script&gt;alert(1)" in content


def test_sentence_of_an_action_that_is_gone_still_reads(organisation: Organisation) -> None:
    event = Event(action="old.action", actor_label="a@b", target_label="thing", detail={})
    assert queries.plain_sentence(event) == "a@b · old.action · thing"


def test_refusal_of_a_member_is_in_the_trail(organisation: Organisation, officer: User) -> None:
    member = make_member(organisation, username="curious@ours")
    signed_in(member).get(address("event-list", organisation))
    with tenant(organisation):
        event = Event.objects.get(action="access.refused")
    assert (event.actor, event.outcome, event.detail["route"]) == (member, "refused", "audit:event-list")
    assert event.address == "127.0.0.1"


def test_behind_a_trusted_proxy_the_trail_says_where_people_are(
    organisation: Organisation, officer: User, settings: Any
) -> None:
    settings.TRUSTED_PROXY = True
    headers = {"X-Forwarded-For": "203.0.113.1, 192.0.2.7:50312"}
    signed_in(make_member(organisation)).get(address("event-list", organisation), headers=headers)
    with tenant(organisation):
        assert Event.objects.get(action="access.refused").address == "192.0.2.7"


def test_reading_the_trail_is_in_the_trail_once_a_stretch(organisation: Organisation, officer: User) -> None:
    client = signed_in(officer)
    for _ in range(3):
        client.get(address("event-list", organisation))
    with tenant(organisation):
        assert Event.objects.filter(action="audit.viewed", actor=officer).count() == 1


@pytest.mark.parametrize(
    "query",
    ["since=yesterday", "until=2026-13-45T99:99", "since=%00", "kind=x", "page=-1", "sort=password", "q=%00%25_\\"],
)
def test_nonsense_in_the_address_is_answered_politely(organisation: Organisation, officer: User, query: str) -> None:
    assert signed_in(officer).get(f"{address('event-list', organisation)}?{query}").status_code == 200


def test_filters_and_csv_agree(organisation: Organisation, officer: User) -> None:
    for n in range(3):
        services.record(action="organisation.changed", organisation=organisation, target_label=f"=cmd{n}")
    services.record(action="organisation.changed", organisation=make_organisation(), target_label="foreign")
    there = f"{address('event-list', organisation)}?action=organisation.changed&format=csv"
    rows = list(csv.reader(io.StringIO(signed_in(officer).get(there).content.decode("utf-8-sig"))))
    assert len(rows) == 1 + 3
    assert not any("foreign" in cell for row in rows for cell in row)
    with tenant(organisation):
        assert Event.objects.get(action="audit.exported").detail == {"count": 3}


def test_list_costs_the_same_for_many_events(organisation: Organisation, officer: User) -> None:
    client = signed_in(officer)
    client.get(address("event-list", organisation))

    def cost() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.get(address("event-list", organisation))
        return len(captured)

    services.record(action="organisation.changed", organisation=organisation, actor=officer)
    few = cost()
    for _ in range(30):
        services.record(action="organisation.changed", organisation=organisation, actor=officer, target=organisation)
    seal_chains()
    assert cost() == few


def test_histogram_counts_every_event_once(organisation: Organisation) -> None:
    for outcome in ("success", "refused", "failed"):
        services.record(action="organisation.changed", organisation=organisation, outcome=outcome)
    with tenant(organisation):
        rows = Event.objects.all()
        buckets = queries.histogram(rows)
        assert sum(bucket.count for bucket in buckets) == rows.count()
        assert sum(bucket.refused for bucket in buckets) == 2
        assert queries.histogram(rows.none()) == []


def test_check_of_the_chain_is_a_job_with_a_verdict(organisation: Organisation, officer: User) -> None:
    seal_chains()
    with tenant(organisation):
        job = services.start_verification(actor=officer, organisation=organisation)
        services.verify_as_job(organisation_id=organisation.pk, job_id=str(job.pk))
        services.verify_as_job(organisation_id=organisation.pk, job_id=str(job.pk))
        job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED
    assert job.result["intact"] > 0


def test_api_gives_events_to_officers_tokens_only(organisation: Organisation, officer: User) -> None:
    there = reverse("audit-api:events", kwargs={"organisation": organisation.slug})
    seal_chains()
    _token, secret = access.create_token(user=officer, name="script", scopes=["read"])
    answer = Client().get(there, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    with tenant(organisation):
        assert answer.json()["count"] >= 2
    assert all(len(event["digest"] or "") in (0, 64) for event in answer.json()["results"])
    _token, other = access.create_token(user=make_member(organisation), name="script", scopes=["read"])
    assert Client().get(there, headers={"Authorization": f"Bearer {other}"}).status_code == 403
    _token, narrow = access.create_token(user=officer, name="script", scopes=["dicomweb"])
    assert Client().get(there, headers={"Authorization": f"Bearer {narrow}"}).status_code == 403
    assert Client().get(there).status_code == 401


def test_home_page_tells_the_officer_what_was_refused_and_nobody_else(
    organisation: Organisation, officer: User
) -> None:
    member = make_member(organisation, username="curious@ours")
    signed_in(member).get(address("event-list", organisation))
    home = f"/o/{organisation.slug}/"
    assert "curious@ours was refused" in signed_in(officer).get(home).content.decode()
    assert "was refused" not in signed_in(member).get(home).content.decode()
