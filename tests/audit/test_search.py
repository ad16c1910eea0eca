"""Searches and filters cover what the rows of the trail show, and nothing of another organisation."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access import services as access
from access.models import Organisation
from archive.models import Archive, Instance, Series, Study
from audit import lists, queries, services
from audit.models import Event
from audit.tasks import seal_chains
from core.models import Job
from core.tables import Table
from core.tenancy import all_tenants, tenant
from tests import superuser
from tests.access.factories import make_member
from tests.access.sign_in.sessions import forget_sign_in
from tests.archive.factories import deliver, make_archive, make_series

pytestmark = pytest.mark.django_db


def signed_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


class House:
    """An archive with one study in each of two organisations, and what people did with it by every door."""

    def __init__(self, name: str) -> None:
        self.archive: Archive = make_archive(name=f"Clinical {name}")
        self.organisation: Organisation = self.archive.organisation
        deliver(self.archive, make_series(count=1))
        self.officer = make_member(self.organisation, roles=("officer",))
        self.reader = make_member(self.organisation)
        access.grant_role(actor=None, container=self.archive, role="reader", user=self.reader)
        with tenant(self.organisation):
            self.study = Study.objects.get()
            self.series = Series.objects.get()
            self.instance = Instance.objects.get()
        there = {"organisation": self.organisation.slug, "archive": self.archive.slug}
        page = signed_in(self.reader)
        assert page.get(reverse("archive:study", kwargs=there | {"study": self.study.public_id})).status_code == 200
        web = f"/o/{self.organisation.slug}/dicomweb/{self.archive.slug}"
        series = f"{web}/studies/{self.study.study_instance_uid}/series/{self.series.series_instance_uid}"
        _token, secret = access.create_token(user=self.reader, name="script", scopes=["read", "dicomweb"])
        token = {"Authorization": f"Bearer {secret}", "Accept": "application/dicom+json"}
        assert Client().get(f"{series}/metadata", headers=token).status_code == 200
        services.record(
            action="instance.downloaded", organisation=self.organisation, actor=self.reader, target=self.instance
        )
        services.record(action="series.viewed", organisation=self.organisation, actor=self.reader, target=self.series)
        services.record(
            action="role.granted",
            organisation=self.organisation,
            actor=self.officer,
            target=self.reader,
            target_label="Zoë Müller",
            detail={"role": "manager", "container": "archive.archive", "container_id": self.archive.pk},
        )
        signed_in(self.reader).get(reverse("audit:event-list", kwargs={"organisation": self.organisation.slug}))
        seal_chains()

    def events(self) -> list[Event]:
        with tenant(self.organisation):
            return list(queries.events(user=self.officer, organisation=self.organisation))

    def found(self, query: str) -> list[dict[str, str]]:
        """The rows of the list as CSV."""
        address = reverse("audit:event-list", kwargs={"organisation": self.organisation.slug})
        answer = signed_in(self.officer).get(f"{address}?{query}&format=csv")
        assert answer.status_code == 200
        return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


@pytest.fixture
def houses() -> tuple[House, House]:
    return House("Ours"), House("Theirs")


def test_every_word_that_a_row_shows_finds_the_row(houses: tuple[House, House]) -> None:
    ours, _theirs = houses
    tried = set()
    for event in ours.events():
        shown = [
            queries.plain_sentence(event),
            queries.place_words(event),
            event.get_outcome_display(),
            event.explained_by,
            event.address or "",
            event.door,
            queries.target_words(event),
            *event.studies,
            str(event.pk),
            timezone.localtime(event.occurred_at).strftime("%Y-%m-%d %H:%M:%S %H:%M"),
        ]
        for word in {word for cell in shown for word in cell.split()}:
            with tenant(ours.organisation):
                rows = queries.events(user=ours.officer, organisation=ours.organisation)
                found = queries.matching(rows, word, organisation=ours.organisation)
                assert found.filter(pk=event.pk).exists(), (event.action, word)
                tried.add(word)
    assert {"Clinical", "reader", "Done", "Refused", ours.study.public_id} <= tried


@pytest.mark.parametrize("words", ["zoe MULLER manager", "Clinical Ours", "refused audit:event-list", "zoë clinical"])
def test_words_in_any_case_and_without_accents_find_rows_of_ours_alone(houses: tuple[House, House], words: str) -> None:
    ours, theirs = houses
    rows = ours.found(f"q={words.replace(' ', '+')}")
    assert rows
    with all_tenants():
        owners = set(Event.objects.filter(pk__in=[row["No."] for row in rows]).values_list("organisation", flat=True))
    assert owners == {ours.organisation.pk}
    assert not theirs.found("q=Clinical+Ours")


def test_the_filter_by_study_has_what_was_done_to_its_series_and_images(houses: tuple[House, House]) -> None:
    ours, theirs = houses
    for key in ("study", "target"):
        found = {row["Action"] for row in ours.found(f"{key}={ours.study.public_id}")}
        assert {"study.opened", "series.viewed", "instance.downloaded"} <= found, key
        assert not ours.found(f"{key}={theirs.study.public_id}")


def test_each_event_names_its_study_its_place_and_why_by_every_door(houses: tuple[House, House]) -> None:
    ours, _theirs = houses
    name = f"archive {ours.archive.name}"
    by_door = {}
    for event in ours.events():
        if event.action == "delivery.indexed":
            assert (event.studies, event.place) == ([ours.study.public_id], name)
        if event.action in ("study.opened", "study.transferred", "series.viewed", "instance.downloaded"):
            assert (event.studies, event.place) == ([ours.study.public_id], name), event.action
            assert event.explained_by == f"reader of {name}", event.action
            by_door[event.door] = event
        assert event.place, event.action
        assert event.explained_by, event.action
        assert "archive.archive" not in queries.plain_sentence(event) + event.place + event.explained_by
    assert {"web", "dicomweb"} <= set(by_door)
    granted = next(
        event for event in ours.events() if event.action == "role.granted" and event.target_label == "Zoë Müller"
    )
    assert queries.plain_sentence(granted).endswith(f"gave Zoë Müller the role “manager” on {name}")


def test_an_event_from_before_places_were_kept_names_its_place_all_the_same(houses: tuple[House, House]) -> None:
    ours, _theirs = houses
    event = next(
        event for event in ours.events() if event.action == "role.granted" and event.target_label == "Zoë Müller"
    )
    event.place = ""
    with tenant(ours.organisation):
        assert queries.place_words(event) == f"archive {ours.archive.name}"


def test_changes_of_roles_and_refusals_are_kinds_of_their_own(houses: tuple[House, House]) -> None:
    ours, _theirs = houses
    actions = {row["No."]: row["Action"] for row in ours.found("")}
    found = {kind: {row["No."] for row in ours.found(f"kind={kind}")} & set(actions) for kind, _label in lists.KINDS}
    assert {actions[number].partition(".")[0] for number in found["roles"]} <= {"role", "membership"}
    assert {actions[number] for number in found["refusals"]} == {"access.refused"}
    assert not found["roles"] & found["refusals"]
    for kind, numbers in found.items():
        others = set().union(*(other for name, other in found.items() if name != kind))
        assert not numbers & others, kind
    assert set().union(*found.values()) == set(actions)


def test_csv_has_everything_whatever_columns_are_shown(houses: tuple[House, House]) -> None:
    ours, theirs = houses
    rows = ours.found("cols=when&cols=what")
    granted = next(row for row in rows if row["Action"] == "role.granted" and "Zoë" in row["What happened"])
    assert granted["Target"] == "person Zoë Müller"
    assert granted["Target ID"] == str(ours.reader.pk)
    assert json.loads(granted["Detail"])["role"] == "manager"
    assert granted["Where"] == f"archive {ours.archive.name}"
    assert not any(theirs.archive.name in cell for row in rows for cell in row.values())


def test_an_event_has_one_number_in_every_place(houses: tuple[House, House]) -> None:
    ours, _theirs = houses
    row = ours.found(f"study={ours.study.public_id}&action=study.opened")[0]
    number = row["No."]
    client = signed_in(ours.officer)
    slug = ours.organisation.slug
    page = client.get(reverse("audit:event-detail", kwargs={"organisation": slug, "pk": number})).content.decode()
    assert f"Event {number}" in page
    listed = client.get(reverse("audit:event-list", kwargs={"organisation": slug}) + f"?q={number}").content.decode()
    assert number in listed
    answer = client.get(reverse("audit-api:events", kwargs={"organisation": slug}) + f"?study={ours.study.public_id}")
    assert int(number) in {event["id"] for event in answer.json()["results"]}


def test_api_filters_by_study_place_and_words(houses: tuple[House, House]) -> None:
    ours, theirs = houses
    client = signed_in(ours.officer)
    there = reverse("audit-api:events", kwargs={"organisation": ours.organisation.slug})
    for query in (f"study={ours.study.public_id}", f"place=archive {ours.archive.name}", "q=zoe+manager"):
        answer = client.get(f"{there}?{query}").json()
        assert answer["count"] > 0, query
    assert client.get(f"{there}?study={theirs.study.public_id}").json()["count"] == 0


@pytest.mark.parametrize("limit", [10_000, 4])
def test_a_page_that_is_not_there_is_said_to_be_so(
    houses: tuple[House, House], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, _theirs = houses
    monkeypatch.setattr(lists.EventTable, "count_limit", limit)
    monkeypatch.setattr(Table, "page_sizes", (2, 50))
    last = 2 if limit == 4 else None
    address = reverse("audit:event-list", kwargs={"organisation": ours.organisation.slug})
    client = signed_in(ours.officer)
    page = client.get(f"{address}?per=2&page=99").content.decode()
    if last:
        assert "Page 99 cannot be shown" in page
        assert "up to page 2" in page
    else:
        assert "There is no page 99" in page


# Checks of the chain --------------------------------------------------------------------------------------------------


def run_check(house: House) -> Job:
    with tenant(house.organisation):
        job = services.start_verification(actor=house.officer, organisation=house.organisation)
        services.verify_as_job(organisation_id=house.organisation.pk, job_id=str(job.pk))
        job.refresh_from_db()
    return job


def test_a_check_leaves_a_result_that_stays(houses: tuple[House, House]) -> None:
    ours, theirs = houses
    client = signed_in(ours.officer)
    slug = ours.organisation.slug
    begun = client.post(reverse("audit:verify", kwargs={"organisation": slug}))
    waiting = client.get(begun["Location"])
    assert waiting.status_code == 200
    assert "Checking each event" in waiting.content.decode()
    job = run_check(ours)
    assert job.result["intact"] == job.result["total"] > 0
    address = reverse("audit:check", kwargs={"organisation": slug, "check": job.pk})
    page = client.get(address).content.decode()
    for shown in (
        f"{job.result['intact']} of {job.result['total']} events intact",
        job.result["head"],
        ours.officer.username,
        "data-print",
    ):
        assert shown in page
    assert (
        f"{job.result['intact']} of {job.result['total']} intact"
        in client.get(reverse("audit:event-list", kwargs={"organisation": slug})).content.decode()
    )
    # Another officer of the organisation finds it too, nobody else does.
    assert signed_in(make_member(ours.organisation, roles=("officer",))).get(address).status_code == 200
    assert signed_in(ours.reader).get(address).status_code == 403
    assert signed_in(theirs.officer).get(address).status_code == 404
    with tenant(ours.organisation):
        event = Event.objects.filter(action="audit.check_ended").latest("pk")
    assert (event.detail["head"], event.outcome) == (job.result["head"], "success")


@pytest.mark.django_db(transaction=True)
def test_a_check_that_fails_names_the_event_and_stays_too() -> None:
    ours = House("Ours")
    event = ours.events()[-2]
    with superuser.connect() as master, master.transaction():
        master.execute("SET LOCAL session_replication_role = replica")
        master.execute("UPDATE audit_event SET actor_label = 'somebody else' WHERE id = %s", [event.pk])
    job = run_check(ours)
    assert job.state == Job.State.FAILED
    page = signed_in(ours.officer).get(
        reverse("audit:check", kwargs={"organisation": ours.organisation.slug, "check": job.pk})
    )
    assert f"Event {event.pk}" in page.content.decode()
    assert "altered after it was sealed" in page.content.decode()
    with tenant(ours.organisation):
        assert Event.objects.get(action="audit.check_ended").outcome == "failed"


# Questions are no refusals --------------------------------------------------------------------------------------------


def test_a_question_for_confirmation_is_no_refusal(houses: tuple[House, House]) -> None:
    ours, _theirs = houses
    slug = ours.organisation.slug
    administrator = make_member(ours.organisation, roles=("administrator",))
    client = signed_in(administrator)
    forget_sign_in(client)

    def refusals() -> int:
        with tenant(ours.organisation):
            return int(Event.objects.filter(action="access.refused", actor=administrator).count())

    form = {"email": "x@example.org", "days": "3"}
    for headers in ({}, {"HX-Request": "true"}, {"Accept": "application/json"}):
        asked = client.post(f"/o/{slug}/admin/invitations/", form, headers=headers)
        assert asked.status_code == 403
        assert refusals() == 0
    # A right that is missing is a refusal, before and after.
    assert client.get(reverse("audit:event-list", kwargs={"organisation": slug})).status_code == 403
    assert refusals() == 1
