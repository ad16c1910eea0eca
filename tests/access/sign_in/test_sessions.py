"""Sessions: listed, named, and ended by their person, by time, by what changes about the person."""

from __future__ import annotations

import pytest
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from access import services
from access.models import Organisation, User
from access.sign_in import policy, sessions
from access.sign_in.session_store import stored_key
from tests.access.factories import PASSWORD, make_member, make_organisation
from tests.access.sign_in.sessions import signed_in
from tests.access.sign_in.steps import actions, code_now

pytestmark = pytest.mark.django_db


def test_people_see_and_end_their_own_sessions_only(member: User, hospital: Organisation) -> None:
    here, there = signed_in(member), signed_in(member)
    stranger = signed_in(make_member(hospital))
    row = UserSession.objects.get(session_key=stored_key(there.session.session_key))
    assert stranger.post(reverse("access:session-revoke", kwargs={"session": row.pk})).status_code == 404
    assert there.get("/o/hospital/").status_code == 200
    page = here.get(reverse("access:security"))
    assert [one.is_current for one in page.context["sessions"]] == [True, False]
    here.post(reverse("access:session-revoke", kwargs={"session": row.pk}))
    assert there.get("/o/hospital/").status_code == 302
    assert here.get("/o/hospital/").status_code == 200
    third = signed_in(member)
    here.post(reverse("access:sessions-revoke-others"))
    assert third.get("/o/hospital/").status_code == 302
    assert here.get("/o/hospital/").status_code == 200


def test_a_new_password_and_a_new_factor_end_the_other_sessions(member: User) -> None:
    here, there = signed_in(member), signed_in(member)
    new = "seven green ladders under water"
    here.post(reverse("access:change-password"), {"current": PASSWORD, "password": new, "again": new})
    assert there.get("/o/hospital/").status_code == 302
    assert here.get("/o/hospital/").status_code == 200
    assert UserSession.objects.filter(user=member).count() == 1
    again = Client()
    again.post(reverse("access:sign-in"), {"username": member.username, "password": new})
    assert again.get("/o/hospital/").status_code == 200
    page = here.get(reverse("access:app-add"))
    secret = page.context["secret"].replace(" ", "")
    answer = here.post(reverse("access:app-add"), {"code": code_now(secret)})
    assert len(answer.context["codes"]) == 10
    assert again.get("/o/hospital/").status_code == 302
    assert here.get("/o/hospital/").status_code == 200


def test_devices_are_named_as_people_know_them() -> None:
    chrome = (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/147.0 Safari/537.36"
    )
    assert sessions.device_words(chrome) == "Chrome on Windows"
    assert sessions.device_words(chrome + " Edg/147.0") == "Edge on Windows"
    safari = (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605 Version/19.0 Mobile/15E148 Safari/604.1"
    )
    assert sessions.device_words(safari) == "Safari on iPhone"
    assert sessions.device_words("") == "Unknown device"


def test_a_session_ends_after_its_longest_time_however_busy(member: User, hospital: Organisation) -> None:
    policy.change(actor=None, organisation=hospital, session_hours=1)
    client = signed_in(member)
    cache.clear()
    session = client.session
    session[sessions.BEGUN] -= 3601
    session.save()
    assert client.get("/o/hospital/")["Location"].startswith("/accounts/sign-in/")
    assert "session.expired" in actions(member)


def test_who_is_removed_in_the_middle_of_a_session_is_out_with_the_next_request(hospital: Organisation) -> None:
    administrator, person = make_member(hospital, roles=("administrator",)), make_member(hospital)
    services.add_member(actor=None, organisation=make_organisation("elsewhere"), user=person)
    browser = Client()
    browser.force_login(person)
    _token, secret = services.create_token(user=person, name="t", scopes=["read", "dicomweb"])
    program = Client(headers={"authorization": f"Bearer {secret}"})
    doors = (
        (browser, "/o/hospital/"),
        (browser, "/api/v1/o/hospital/archives/"),
        (program, "/api/v1/o/hospital/archives/"),
    )
    assert {client.get(place).status_code for client, place in doors} == {200}
    services.remove_member(actor=administrator, organisation=hospital, user=person)
    assert {client.get(place).status_code for client, place in doors} == {404}
    assert browser.get("/o/elsewhere/").status_code == 200
