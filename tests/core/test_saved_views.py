"""Saved views: kept for a person, shared with the organisation, never leading out of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from access.models import Organisation, User
from core import saved_views
from core.models import DefaultView, SavedView
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db

JOBS = "/o/here/jobs/"


@pytest.fixture
def place() -> Organisation:
    return make_organisation("here")


@pytest.fixture
def person(place: Organisation) -> User:
    return make_member(place)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def keep(client: Client, *, slug: str = "here", **changes: Any) -> Any:
    values = {"place": f"/o/{slug}/jobs/", "list": "jobs", "query": "state=failed&sort=-created", "name": "Failed"}
    return client.post(f"/o/{slug}/views/save/", {**values, **changes})


def test_a_view_keeps_filters_order_and_columns_and_leads_back_to_them(person: User) -> None:
    client = signed_in(person)
    answer = keep(client, query="state=failed&sort=-created&cols=title&cols=state&page=3&format=csv")
    assert answer.headers["Location"] == f"{JOBS}?state=failed&sort=-created&cols=title&cols=state"
    page = client.get(JOBS).content.decode()
    assert "Failed" in page
    assert "state=failed&amp;sort=-created&amp;cols=title&amp;cols=state" in page


def test_the_bare_list_opens_with_the_chosen_view_and_everything_stays_in_reach(person: User) -> None:
    client = signed_in(person)
    keep(client, default="on")
    answer = client.get(JOBS)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{JOBS}?state=failed&sort=-created")
    shown = client.get(answer.headers["Location"])
    assert f"{JOBS}?sort=-created" in shown.content.decode()  # "Clear all" keeps the order
    assert client.get(f"{JOBS}?all=1").status_code == 200
    assert "all=1" in client.get(f"{JOBS}?state=failed").content.decode()
    with all_tenants():
        view = SavedView.objects.get()
    client.post(f"/o/here/views/{view.public_id}/default/", {"on": "0"})
    assert client.get(JOBS).status_code == 200


def test_another_list_and_another_person_do_not_open_with_it(place: Organisation, person: User) -> None:
    keep(signed_in(person), default="on", share="on")
    assert signed_in(make_member(place)).get(JOBS).status_code == 200
    assert signed_in(person).get("/o/here/notifications/").status_code == 200


def test_a_shared_view_is_offered_to_colleagues_who_cannot_change_it(place: Organisation, person: User) -> None:
    keep(signed_in(person), share="on", name="Broken work")
    keep(signed_in(person), name="Only mine")
    colleague = signed_in(make_member(place))
    offered = colleague.get(JOBS).content.decode()
    assert "Broken work" in offered
    assert "Only mine" not in offered
    with all_tenants():
        shared, private = SavedView.objects.get(name="Broken work"), SavedView.objects.get(name="Only mine")
    for act in ("change", "delete"):
        answer = colleague.post(f"/o/here/views/{shared.public_id}/{act}/", {"name": "Taken"})
        assert answer.status_code == 404
    assert colleague.post(f"/o/here/views/{private.public_id}/default/", {"on": "1"}).status_code == 404
    assert colleague.post(f"/o/here/views/{shared.public_id}/default/", {"on": "1"}).status_code == 302
    assert colleague.get(JOBS).status_code == 302
    # Taken back, it opens nobody else's list any more.
    signed_in(person).post(f"/o/here/views/{shared.public_id}/change/", {"name": "Broken work"})
    assert colleague.get(JOBS).status_code == 200
    with all_tenants():
        assert not DefaultView.objects.exists()


def test_another_organisation_neither_sees_nor_reaches_it(place: Organisation, person: User) -> None:
    keep(signed_in(person), share="on", name="Broken work")
    elsewhere = make_organisation("elsewhere")
    stranger = signed_in(make_member(elsewhere))
    with all_tenants():
        view = SavedView.objects.get()
    for slug in ("here", "elsewhere"):
        for act in ("change", "delete", "default"):
            answer = stranger.post(f"/o/{slug}/views/{view.public_id}/{act}/", {"name": "x", "on": "1"})
            assert answer.status_code == 404, (slug, act)
    assert "Broken work" not in stranger.get("/o/elsewhere/jobs/").content.decode()
    # A person of both is offered what belongs to where they are.
    with tenant(elsewhere):
        assert saved_views.offered(user=person, list_key="jobs", place=JOBS) == []


@pytest.mark.parametrize(
    "where",
    ["/o/elsewhere/jobs/", "//evil.example/", "https://evil.example/", "/o/here//evil", "/o/here/x?y", "/", "\\\\evil"],
)
def test_a_view_never_leads_out_of_its_organisation(person: User, where: str) -> None:
    assert keep(signed_in(person), place=where).status_code in (400, 409, 422)
    with all_tenants():
        assert not SavedView.objects.exists()


def test_bad_names_and_endless_queries_are_refused(person: User) -> None:
    client = signed_in(person)
    for changes in ({"name": "  "}, {"name": "x" * 61}, {"query": "q=" + "x" * 2000}, {"list": "../x"}, {"list": ""}):
        assert keep(client, **changes).status_code in (400, 409, 422), changes
    with all_tenants():
        assert not SavedView.objects.exists()
    # The same name again takes the new address; a name in another script, and NUL, do no harm.
    keep(client)
    keep(client, query="state=running")
    keep(client, name="失敗\x00")
    with all_tenants():
        assert dict(SavedView.objects.values_list("name", "query")) == {
            "Failed": "state=running",
            "失敗": "state=failed&sort=-created",
        }


def test_renaming_refuses_the_name_of_a_twin_and_deleting_ends_its_default(person: User) -> None:
    client = signed_in(person)
    keep(client, default="on")
    keep(client, name="Other")
    with all_tenants():
        first, other = SavedView.objects.get(name="Failed"), SavedView.objects.get(name="Other")
    assert client.post(f"/o/here/views/{other.public_id}/change/", {"name": "Failed"}).status_code in (400, 409, 422)
    client.post(f"/o/here/views/{other.public_id}/change/", {"name": "Renamed", "share": "on"})
    with all_tenants():
        other.refresh_from_db()
    assert (other.name, other.is_shared) == ("Renamed", True)
    assert "Renamed" in client.get("/o/here/views/").content.decode()
    client.post(f"/o/here/views/{first.public_id}/delete/")
    assert client.get(JOBS).status_code == 200
    with all_tenants():
        assert list(SavedView.objects.values_list("name", flat=True)) == ["Renamed"]


def test_a_person_keeps_a_bounded_number_of_views_of_a_list(place: Organisation, person: User) -> None:
    with tenant(place):
        for number in range(saved_views.MOST_PER_LIST):
            saved_views.save(
                user=person, organisation=place, list_key="jobs", place=JOBS, name=str(number), query="state=failed"
            )
    assert keep(signed_in(person)).status_code == 409
