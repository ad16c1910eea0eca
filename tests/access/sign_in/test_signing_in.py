"""Signing in by name, address and password, and what an outsider must not learn."""

from __future__ import annotations

import threading
import time
from statistics import median
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse

from access import services, throttle
from access.models import Organisation, User
from access.sign_in.views import entry
from audit.models import Event
from core.tenancy import all_tenants
from tests.access.factories import PASSWORD, make_member, make_organisation, make_user
from tests.access.sign_in.steps import actions, code_now, give_app, prove_address, try_to_sign_in

pytestmark = pytest.mark.django_db


def test_a_proven_address_signs_in_and_an_unproven_one_does_not(member: User) -> None:
    User.objects.filter(pk=member.pk).update(email="someone@example.org")
    assert try_to_sign_in(Client(), username="someone@example.org").status_code == 422
    prove_address(member, "someone@example.org")
    assert try_to_sign_in(Client(), username="Someone@Example.org").status_code == 302


@pytest.mark.parametrize(
    "name", ["", " ", "\x00", "x" * 300, "nobody@hospital", "' OR 1=1 --", "member@hospital\r\nX: y"]
)
def test_names_that_open_nothing_get_the_common_refusal(name: str, member: User) -> None:
    assert try_to_sign_in(Client(), username=name, password="wrong").status_code == 422


def test_the_answer_tells_nothing_of_which_accounts_exist(member: User) -> None:
    inactive = make_user("gone@hospital")
    User.objects.filter(pk=inactive.pk).update(is_active=False)
    pages = []
    for name, password in ((member.username, "wrong"), ("nobody@hospital", "wrong"), (inactive.username, PASSWORD)):
        answer = try_to_sign_in(Client(), username=name, password=password)
        pages.append((answer.status_code, answer.context["form"].non_field_errors()[0]))
    assert len(set(pages)) == 1


def test_an_unknown_name_costs_as_much_time_as_a_known_one(member: User, settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
    from django.contrib.auth import authenticate

    member.set_password(PASSWORD)
    member.save()
    times: dict[str, list[float]] = {member.username: [], "nobody@hospital": []}
    for _round in range(7):
        for name, taken in times.items():
            begun = time.perf_counter()
            assert authenticate(None, username=name, password="wrong") is None
            taken.append(time.perf_counter() - begun)
    known, unknown = (median(taken) for taken in times.values())
    assert unknown > known / 3, "an unknown name answers so fast that names can be told by the clock"


def test_failures_close_the_name_and_the_officer_sees_it(member: User) -> None:
    client = Client()
    for _attempt in range(throttle.FAILURES_PER_NAME):
        try_to_sign_in(client, username=member.username, password="wrong")
    assert try_to_sign_in(client, username=member.username).status_code == 429
    assert actions(member).count("account.closed") == 1
    assert actions(member).count("session.refused") == throttle.FAILURES_PER_NAME


@pytest.mark.parametrize(
    "spelling",
    [
        "MEMBER@hospital",
        " member@hospital ",
        "ｍｅｍｂｅｒ@hospital",
        "Member@Hospital",
        "mail@example.org",
        "MAIL@example.org",
    ],
)
def test_all_spellings_that_find_an_account_share_its_counter(member: User, spelling: str) -> None:
    prove_address(member, "mail@example.org")
    for number in range(throttle.FAILURES_PER_NAME):
        try_to_sign_in(Client(), username=spelling if number % 2 else member.username, password="wrong")
    assert try_to_sign_in(Client(), username=member.username).status_code == 429
    assert try_to_sign_in(Client(), username=spelling).status_code == 429


@pytest.mark.django_db(transaction=True)
def test_many_attempts_at_once_are_no_more_than_one_after_another(hospital: Organisation, monkeypatch: Any) -> None:
    member = make_member(hospital, username="raced@hospital")
    tried: list[str] = []
    together = threading.Barrier(25)

    def slow_no(_request: Any, *, username: str, password: str) -> None:
        tried.append(username)
        time.sleep(0.3)

    def attempt() -> None:
        together.wait()
        try_to_sign_in(Client(), username=member.username, password="wrong")
        connections.close_all()

    monkeypatch.setattr(entry, "authenticate", slow_no)
    threads = [threading.Thread(target=attempt) for _one in range(25)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(tried) == throttle.FAILURES_PER_NAME


def test_a_closed_address_closes_nobody_else_and_a_closed_account_not_its_address(
    member: User, hospital: Organisation
) -> None:
    for number in range(throttle.FAILURES_PER_ADDRESS + 1):
        try_to_sign_in(Client(), username=f"nobody{number}@hospital", password="wrong")
    for _attempt in range(throttle.FAILURES_PER_NAME + 1):
        assert try_to_sign_in(Client(), username=member.username, password="wrong").status_code == 429
    elsewhere = Client(REMOTE_ADDR="192.0.2.7")
    assert try_to_sign_in(elsewhere, username=member.username).status_code == 302
    other = make_member(hospital, username="other@hospital")
    third = Client(REMOTE_ADDR="192.0.2.8")
    for _attempt in range(throttle.FAILURES_PER_ADDRESS + throttle.FAILURES_PER_NAME):
        try_to_sign_in(third, username=other.username, password="wrong")
    assert try_to_sign_in(third, username=other.username).status_code == 429
    assert try_to_sign_in(Client(REMOTE_ADDR="192.0.2.8"), username=member.username).status_code == 302


def test_an_unknown_name_closes_like_a_known_one() -> None:
    client = Client()
    for _attempt in range(throttle.FAILURES_PER_NAME):
        assert try_to_sign_in(client, username="nobody@hospital", password="wrong").status_code == 422
    assert try_to_sign_in(client, username="nobody@hospital", password="wrong").status_code == 429


def test_a_planted_session_is_not_the_one_that_opens(member: User) -> None:
    client = Client()
    client.get(reverse("access:sign-in"))
    session = client.session
    session["planted"] = 1
    session.save()
    planted = session.session_key
    client.cookies["pacsweb_session"] = planted
    try_to_sign_in(client, username=member.username)
    assert client.session.session_key != planted
    thief = Client()
    thief.cookies["pacsweb_session"] = planted
    assert thief.get("/o/hospital/").status_code == 302


def test_a_planted_session_does_not_follow_to_the_second_factor_either(member: User) -> None:
    give_app(member)
    client = Client()
    session = client.session
    session["planted"] = 1
    session.save()
    client.cookies["pacsweb_session"] = session.session_key
    try_to_sign_in(client, username=member.username)
    assert client.session.session_key != session.session_key
    thief = Client()
    thief.cookies["pacsweb_session"] = session.session_key
    assert thief.get(reverse("access:second-factor")).status_code == 302


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example", "https:evil.example"],
)
@pytest.mark.parametrize("has_app", [False, True])
def test_no_way_of_signing_in_leads_to_another_site(member: User, target: str, has_app: bool) -> None:
    client = Client()
    secret = give_app(member) if has_app else ""
    answer = try_to_sign_in(client, username=member.username, next=target)
    if has_app:
        answer = client.post(reverse("access:second-factor"), {"code": code_now(secret)})
    assert answer.status_code == 302
    assert answer["Location"] == "/"


def test_each_organisation_of_the_person_finds_the_sign_in_in_its_own_trail(member: User) -> None:
    clinic = make_organisation("clinic")
    services.add_member(actor=None, organisation=clinic, user=member)
    bystander = make_organisation("bystander")
    client = Client()
    try_to_sign_in(client, username=member.username)
    client.post(reverse("access:sign-out"))
    with all_tenants():
        found = Event.objects.filter(target_id=str(member.pk), action__startswith="session.").order_by("pk")
        rows = set(found.values_list("organisation__slug", "action"))
        assert not Event.objects.filter(organisation=bystander, action__startswith="session.").exists()
    assert rows == {(slug, act) for slug in ("hospital", "clinic") for act in ("session.started", "session.ended")}
