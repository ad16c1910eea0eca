"""What a row shows that is no word of the event: days, times, and what people, places and acts are called now."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from access import services as access
from access.models import Organisation, User
from audit import actions, queries, services
from audit.models import Event
from core.tenancy import tenant
from tests import superuser
from tests.access.factories import make_member
from tests.archive.factories import make_archive

pytestmark = pytest.mark.django_db


class Desk:
    """An organisation with one event on each of two days, by somebody with a name, in an archive."""

    def __init__(self, name: str) -> None:
        self.archive = make_archive(name=f"Clinical {name}")
        self.organisation: Organisation = self.archive.organisation
        self.officer = make_member(self.organisation, roles=("officer",))
        self.officer.time_zone = "Asia/Tokyo"
        self.officer.save(update_fields=["time_zone"])
        self.person: User = make_member(self.organisation)
        self.person.display_name = "Zoë Ångström"
        self.person.save(update_fields=["display_name"])
        access.grant_role(actor=None, container=self.archive, role="reader", user=self.person)
        # In Tokyo the second is on the day after.
        self.morning = self.event(datetime(2026, 3, 1, 5, 5, 33, tzinfo=UTC))
        self.evening = self.event(datetime(2026, 3, 1, 20, 5, 33, tzinfo=UTC))

    def event(self, moment: datetime) -> Event:
        event = services.record(
            action="organisation.changed", organisation=self.organisation, actor=self.person, target=self.archive
        )
        with superuser.connect() as master, master.transaction():
            master.execute("SET LOCAL session_replication_role = replica")
            master.execute("UPDATE audit_event SET occurred_at = %s WHERE id = %s", [moment, event.pk])
        return event

    def found(self, words: str, *, zone: str = "Asia/Tokyo") -> set[int]:
        with tenant(self.organisation), timezone.override(zone):
            rows = queries.events(user=self.officer, organisation=self.organisation)
            return set(queries.matching(rows, words, organisation=self.organisation).values_list("pk", flat=True))


@pytest.fixture
def desks() -> tuple[Desk, Desk]:
    return Desk("Ours"), Desk("Theirs")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("2026-03-01", ("morning",)),
        ("2026-03-02", ("evening",)),
        ("2026-03-02 05:05", ("evening",)),
        ("2026-03-02 05:05:33", ("evening",)),
        ("2026-03-02T05:05", ("evening",)),
        ("2026-03-02 05:06", ()),
        ("2026-03", ("morning", "evening")),
        ("2026-02", ()),
        ("14:05", ("morning",)),
        ("14:05:33", ("morning",)),
        ("14:05:34", ()),
    ],
)
def test_days_and_times_are_those_of_the_officer(desks: tuple[Desk, Desk], words: str, shown: tuple[str, ...]) -> None:
    ours, theirs = desks
    both = {ours.morning.pk, ours.evening.pk}
    assert ours.found(words) & both == {getattr(ours, name).pk for name in shown}
    assert not ours.found(words) & {theirs.morning.pk, theirs.evening.pk}


@pytest.mark.django_db(transaction=True)
def test_the_page_and_the_api_read_times_in_the_zone_of_whoever_asks(desks: tuple[Desk, Desk]) -> None:
    ours, _theirs = desks
    client = Client()
    client.force_login(ours.officer)
    slug = ours.organisation.slug
    listed = client.get(reverse("audit:event-list", kwargs={"organisation": slug}) + "?q=2026-03-02&format=csv")
    assert str(ours.evening.pk) in listed.content.decode()
    assert str(ours.morning.pk) not in listed.content.decode()
    _token, secret = access.create_token(user=ours.officer, name="script", scopes=["read"])
    answer = Client().get(
        reverse("audit-api:events", kwargs={"organisation": slug}) + "?q=2026-03-02",
        headers={"Authorization": f"Bearer {secret}"},
    )
    assert [one["id"] for one in answer.json()["results"]] == [ours.evening.pk]


@pytest.mark.parametrize(
    "words",
    ["2026-02-30", "2026-13", "0001-01-01", "9999-12-31", "9999-12", "24:00", "12:60", "2026-03-01T", "99:99:99"],
)
def test_what_is_no_day_and_no_time_is_looked_for_as_a_word(desks: tuple[Desk, Desk], words: str) -> None:
    ours, _theirs = desks
    assert ours.found(words) == set()


@pytest.mark.parametrize("words", ["zoe", "ångström", "Zoë Angstrom"])
def test_people_are_found_by_the_name_they_have_now(desks: tuple[Desk, Desk], words: str) -> None:
    ours, theirs = desks
    with tenant(ours.organisation):
        granted = Event.objects.get(action="role.granted", target_id=str(ours.person.pk), detail__role="reader")
    assert {ours.morning.pk, ours.evening.pk, granted.pk} <= ours.found(words)
    assert not ours.found(words) & {theirs.morning.pk, theirs.evening.pk}


def test_a_person_of_another_organisation_is_found_by_no_name(desks: tuple[Desk, Desk]) -> None:
    ours, theirs = desks
    theirs.person.display_name = "Quintessa"
    theirs.person.save(update_fields=["display_name"])
    # Somebody who acts here without belonging here, say an administrator of the installation.
    services.record(action="organisation.changed", organisation=ours.organisation, actor=theirs.person)
    assert ours.found("quintessa") == set()


def test_an_archive_is_found_by_the_name_it_has_now(desks: tuple[Desk, Desk]) -> None:
    ours, theirs = desks
    for desk in desks:
        desk.archive.name = "Renamed"
        with tenant(desk.organisation):
            desk.archive.save(update_fields=["name"])
    assert {ours.morning.pk, ours.evening.pk} <= ours.found("renamed")
    assert not ours.found("renamed") & {theirs.morning.pk, theirs.evening.pk}


def test_rows_are_found_by_the_sentence_they_show_now(desks: tuple[Desk, Desk]) -> None:
    ours, _theirs = desks
    known = actions.get("organisation.changed")
    try:
        actions.register(known.code, "{actor} reworded {target}", event_type=known.event_type)
        assert ours.found("reworded") == {ours.morning.pk, ours.evening.pk}
        # What stands for a name in the sentence is no word of it.
        assert ours.found("{actor}") == set()
    finally:
        actions.register(known.code, known.sentence, event_type=known.event_type)


def test_a_search_costs_the_same_for_many_people_and_words(desks: tuple[Desk, Desk]) -> None:
    ours, _theirs = desks

    def cost(words: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            ours.found(words)
        return len(captured)

    few = cost("zoe")
    for number in range(10):
        person = make_member(ours.organisation)
        person.display_name = f"Zoe {number}"
        person.save(update_fields=["display_name"])
    assert cost("zoe 2026-03-02 05:05 reader clinical") == few


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("words", ["zoe", "2026-03-02", "2026-03-02 05:05", "renamed-from", "0c4f1"])
def test_words_do_not_read_the_whole_trail(desks: tuple[Desk, Desk], words: str) -> None:
    ours, theirs = desks
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        for desk in (ours, theirs):
            master.execute(
                "INSERT INTO audit_event (organisation_id, occurred_at, recorded_at, action, event_type, outcome, "
                "actor_label, target_kind, target_id, target_label, detail, explained_by, door, agent, request_id, "
                "studies, place, search) "
                "SELECT %s, '2025-01-01'::timestamptz + n * interval '1 minute', now(), 'study.opened', '110103', "
                "'success', 'a', '', '', '', '{}', '', 'web', '', '', '{}', 'archive ' || n %% 7, md5(n::text) "
                "FROM generate_series(1, 20000) n",
                [desk.organisation.pk],
            )
    with superuser.connect() as master:
        master.execute("ANALYZE audit_event")
    with tenant(ours.organisation), timezone.override("Asia/Tokyo"):
        rows = queries.events(user=ours.officer, organisation=ours.organisation).order_by()
        found = queries.matching(rows, words, organisation=ours.organisation)
        plan: Any = found.values("pk").explain(analyze=True, format="text")
    assert "Seq Scan on audit_event" not in plan, plan
    assert "audit_event_search_words" in plan or "occurred_at" in plan, plan
    removed = [int(line.rpartition(":")[2]) for line in plan.splitlines() if "Rows Removed by Filter" in line]
    assert all(count < 5000 for count in removed), plan
