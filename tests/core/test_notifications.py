"""The bell: whom a line is for, that nobody else sees it, and where it leads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access.models import Organisation, User
from core import cleaning, jobs, notifications
from core.models import Job, Notification
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db


@pytest.fixture
def place() -> Organisation:
    return make_organisation("here")


@pytest.fixture
def person(place: Organisation) -> User:
    return make_member(place)


def send(place: Organisation, *persons: User, subject: str = "one", **changes: Any) -> int:
    values: dict[str, Any] = {"kind": "job.failed", "url": "/o/here/jobs/", "detail": {"title": "Export"}, **changes}
    with tenant(place):
        return notifications.send(organisation=place, persons=persons, subject=subject, **values)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_a_line_reaches_its_person_and_nobody_else(place: Organisation, person: User) -> None:
    colleague = make_member(place)
    elsewhere = make_organisation("elsewhere")
    stranger = make_member(elsewhere)
    send(place, person)
    assert "Failed: Export" in signed_in(person).get("/o/here/notifications/").content.decode()
    for other, slug in ((colleague, "here"), (stranger, "elsewhere")):
        assert "Failed: Export" not in signed_in(other).get(f"/o/{slug}/notifications/").content.decode()
        assert "Failed: Export" not in signed_in(other).get(f"/o/{slug}/notifications/bell/").content.decode()


def test_only_ones_own_line_can_be_opened_or_marked(place: Organisation, person: User) -> None:
    colleague = make_member(place)
    stranger = make_member(make_organisation("elsewhere"))
    send(place, person)
    with tenant(place):
        line = Notification.objects.get()
    address = f"/o/here/notifications/{line.public_id}/open/"
    assert signed_in(colleague).get(address).status_code == 404
    assert signed_in(stranger).get(address).status_code == 404
    assert signed_in(stranger).get(address.replace("/here/", "/elsewhere/")).status_code == 404
    signed_in(colleague).post("/o/here/notifications/mark/", {"selected": line.public_id})
    signed_in(colleague).post("/o/here/notifications/mark/")
    with tenant(place):
        line.refresh_from_db()
        assert line.read_at is None
    answer = signed_in(person).get(address)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/o/here/jobs/")
    with tenant(place):
        line.refresh_from_db()
        assert line.read_at is not None


def test_a_line_that_would_lead_off_the_site_leads_to_the_list(place: Organisation, person: User) -> None:
    send(place, person, url="https://elsewhere.example/")
    with tenant(place):
        line = Notification.objects.get()
    answer = signed_in(person).get(f"/o/here/notifications/{line.public_id}/open/")
    assert answer.headers["Location"] == "/o/here/notifications/"


def test_the_same_subject_again_renews_its_line(place: Organisation, person: User) -> None:
    send(place, person)
    with tenant(place):
        notifications.mark_read(user=person)
        assert notifications.unread_count(user=person) == 0
    send(place, person, detail={"title": "Export again"})
    with tenant(place):
        assert notifications.of(user=person).count() == 1
        assert notifications.unread_count(user=person) == 1
        assert notifications.sentence(notifications.of(user=person).get()) == "Failed: Export again"


def test_nobody_hears_of_their_own_act_and_twice_named_is_told_once(place: Organisation, person: User) -> None:
    colleague = make_member(place)
    assert send(place, person, colleague, colleague, by=person) == 1
    with tenant(place):
        assert list(Notification.objects.values_list("person", flat=True)) == [colleague.pk]


def test_marking_all_and_some_as_read_and_back(place: Organisation, person: User) -> None:
    for number in range(3):
        send(place, person, subject=str(number))
    client = signed_in(person)
    with tenant(place):
        first = notifications.of(user=person).first()
    assert first is not None
    client.post("/o/here/notifications/mark/", {"selected": first.public_id, "as": "read"})
    with tenant(place):
        assert notifications.unread_count(user=person) == 2
    client.post("/o/here/notifications/mark/")
    with tenant(place):
        assert notifications.unread_count(user=person) == 0
    client.post("/o/here/notifications/mark/", {"selected": first.public_id, "as": "unread"})
    with tenant(place):
        assert list(notifications.of(user=person).filter(read_at=None)) == [first]


def test_a_kind_that_was_never_named_is_refused_and_an_old_line_still_shows(place: Organisation, person: User) -> None:
    with pytest.raises(LookupError):
        send(place, person, kind="nobody.registered.this")
    send(place, person, detail={})
    with tenant(place):
        assert notifications.sentence(Notification.objects.get()) == "Jobs"
        Notification.objects.update(kind="gone.app")
    assert "gone.app" in signed_in(person).get("/o/here/notifications/").content.decode()


def test_what_a_line_says_is_escaped(place: Organisation, person: User) -> None:
    send(place, person, detail={"title": "<script>alert(1)</script>"})
    content = signed_in(person).get("/o/here/notifications/").content.decode()
    assert "<script>alert(1)" not in content
    assert "&lt;script&gt;alert(1)" in content


def test_work_that_failed_or_took_long_is_told_and_short_work_is_not(place: Organisation, person: User) -> None:
    def run(*, seconds: float, fails: bool = False) -> None:
        with tenant(place):
            job = jobs.start(organisation=place, owner=person, kind="test", title=f"Took {seconds:.0f}")
            if fails:
                with pytest.raises(ZeroDivisionError), jobs.running(job_id=job.pk):
                    raise ZeroDivisionError
                return
            with jobs.running(job_id=job.pk):
                begun = timezone.now() - timedelta(seconds=seconds)
                Job.objects.filter(pk=job.pk).update(started_at=begun)

    run(seconds=1)
    with tenant(place):
        assert not notifications.of(user=person).exists()
    run(seconds=60)
    run(seconds=1, fails=True)
    with tenant(place):
        kinds = set(notifications.of(user=person).values_list("kind", flat=True))
    assert kinds == {"job.succeeded", "job.failed"}


def test_news_is_forgotten_after_half_a_year_in_every_organisation(place: Organisation, person: User) -> None:
    elsewhere = make_organisation("elsewhere")
    for organisation, someone in ((place, person), (elsewhere, make_member(elsewhere))):
        send(organisation, someone, subject="old")
        send(organisation, someone, subject="new")
    with all_tenants():
        Notification.objects.filter(subject="old").update(happened_at=timezone.now() - timedelta(days=181))
    for _again in range(2):
        cleaning.forget_old_notifications()
    with all_tenants():
        assert list(Notification.objects.values_list("subject", flat=True)) == ["new", "new"]


def test_the_list_costs_the_same_for_many_lines(
    place: Organisation, person: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(60):
        send(place, person, subject=str(number))
    client = signed_in(person)
    client.get("/o/here/notifications/")
    with django_assert_max_num_queries(24):
        client.get("/o/here/notifications/")
