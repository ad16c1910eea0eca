"""The lock: by hand and by itself, what it hides and what opens it."""

from __future__ import annotations

import base64
import time

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from access.kept_text import key_of
from access.models import Organisation, User
from access.sign_in import policy, sessions
from access.sign_in.session_store import stored_key
from tests.access.factories import PASSWORD, make_user
from tests.access.sign_in.sessions import age, signed_in
from tests.access.sign_in.steps import actions, code_now, give_app
from tests.access.test_every_route import INSIDE, address

pytestmark = pytest.mark.django_db
LOCKED = "X-PACSWeb-Locked"


def test_a_locked_session_gets_nothing_from_any_address(member: User, hospital: Organisation) -> None:
    client = signed_in(member)
    assert client.get("/o/hospital/").status_code == 200
    client.post(reverse("access:lock"), headers={"Sec-Fetch-Mode": "cors"})
    for route, converters in INSIDE:
        there = address(route, converters, "hospital")
        for method in (client.get, client.post):
            answer = method(there)
            assert answer.status_code == 423, (route, answer.status_code)
            assert answer[LOCKED] == "1"
            assert b"Organisation" not in answer.content, route
    for path in ("/", "/accounts/profile/", "/accounts/security/", "/api/v1/me/", "/design/", "/nowhere/"):
        assert client.get(path).status_code == 423, path
    fragment = client.get("/o/hospital/", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment[LOCKED]) == (423, "1")
    assert b"<html" not in fragment.content


def test_the_right_password_unlocks_and_a_wrong_one_does_not(member: User) -> None:
    client = signed_in(member)
    client.post(reverse("access:lock"))
    unlock = reverse("access:unlock")
    fetch = {"Sec-Fetch-Mode": "cors"}
    assert client.post(unlock, {"method": "password", "password": "wrong"}, headers=fetch).status_code == 422
    assert client.post(unlock, {"method": "password", "password": ""}, headers=fetch).status_code == 422
    assert client.post(unlock, {"method": "nothing"}, headers=fetch).status_code == 422
    assert client.get("/o/hospital/").status_code == 423
    assert client.post(unlock, {"method": "password", "password": PASSWORD}, headers=fetch).status_code == 204
    assert client.get("/o/hospital/").status_code == 200
    assert [a for a in actions(member) if a in ("session.locked", "session.unlocked")] == [
        "session.locked",
        "session.unlocked",
    ]
    assert "identity.refused" in actions(member)


def test_a_code_alone_does_not_unlock(member: User) -> None:
    client = signed_in(member)
    secret = give_app(member)
    client.post(reverse("access:lock"))
    answer = client.post(
        reverse("access:unlock"), {"method": "code", "code": code_now(secret)}, headers={"Sec-Fetch-Mode": "cors"}
    )
    assert answer.status_code == 422


def test_guessing_at_the_lock_is_slowed_like_signing_in(member: User) -> None:
    client = signed_in(member)
    client.post(reverse("access:lock"))
    statuses = [
        client.post(
            reverse("access:unlock"), {"method": "password", "password": "x"}, headers={"Sec-Fetch-Mode": "cors"}
        ).status_code
        for _attempt in range(12)
    ]
    assert statuses[0] == 422
    assert statuses[-1] == 429


def test_an_untouched_session_locks_by_itself(member: User, hospital: Organisation) -> None:
    policy.change(actor=None, organisation=hospital, idle_lock_minutes=2)
    client = signed_in(member)
    cache.clear()
    age(client, seconds=60)
    assert client.get("/o/hospital/").status_code == 200
    age(client, seconds=2 * 60 + sessions.GRACE_SECONDS + 5)
    assert client.get("/o/hospital/").status_code == 423
    assert client.get("/o/hospital/").status_code == 423


def test_what_a_page_fetches_by_itself_keeps_no_session_open(member: User, hospital: Organisation) -> None:
    client = signed_in(member)
    age(client, seconds=14 * 60)
    client.get("/o/hospital/jobs/tray/", headers={"Sec-Fetch-Mode": "cors"})
    age_after = time.time() - cache.get(sessions._keys(stored_key(client.session.session_key))[0])
    assert age_after > 13 * 60
    client.post(reverse("access:session"), headers={"Sec-Fetch-Mode": "cors"})
    assert time.time() - cache.get(sessions._keys(stored_key(client.session.session_key))[0]) < 60


def test_a_lock_outlives_the_cache_and_a_slow_request_that_saves_the_session(member: User) -> None:
    client = signed_in(member)
    stale = client.session
    client.post(reverse("access:lock"))
    stale["late"] = 1
    stale.save()
    cache.clear()
    assert client.get("/o/hospital/").status_code == 423


def test_scripts_are_told_that_the_session_has_ended_and_people_are_led_to_sign_in(hospital: Organisation) -> None:
    client = Client()
    for place in ("/o/hospital/", "/o/hospital/archive/", reverse("access:session"), "/api/v1/o/hospital/cases/"):
        told = client.get(place, headers={"Sec-Fetch-Mode": "cors"})
        assert (told.status_code, told["X-PACSWeb-Signed-Out"]) == (401, "1"), place
    led = client.get("/o/hospital/", headers={"Sec-Fetch-Mode": "navigate"})
    assert led["Location"].startswith(reverse("access:sign-in"))
    assert "X-PACSWeb-Signed-Out" not in client.get("/api/v1/o/hospital/cases/"), "a program without a token"


def test_the_key_of_kept_text_is_of_one_person_and_ends_with_the_password(member: User) -> None:
    other = make_user("other@hospital")
    key = key_of(member)
    assert len(base64.b64decode(key)) == 32
    assert key_of(User.objects.get(pk=member.pk)) == key
    assert key_of(other) != key
    member.set_password("another horse battery staple")
    assert key_of(member) != key


def test_pages_carry_the_key_of_their_own_person_only(member: User) -> None:
    other = make_user("other@hospital")
    page = signed_in(member).get("/accounts/profile/").content.decode()
    assert f'data-keep="{key_of(member)}"' in page
    assert key_of(other) not in page
    assert "data-keep" not in Client().get(reverse("access:sign-in")).content.decode()
