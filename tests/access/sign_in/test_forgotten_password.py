"""A forgotten password: the letter, its link, and what asking for one tells."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse

from access import throttle
from access.models import Organisation, User
from access.sign_in import addresses
from tests.access.factories import PASSWORD, make_member
from tests.access.sign_in.steps import prove_address, try_to_sign_in

pytestmark = pytest.mark.django_db
OTHER = "seven green ladders under water"


def links() -> list[str]:
    return [line for letter in outbox.outbox for line in letter.body.splitlines() if "/accounts/reset/" in line]


def ask_for_reset(name: str) -> Any:
    return Client().post(reverse("access:reset-ask"), {"name": name})


@pytest.fixture(autouse=True)
def _answered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from access import tasks

    monkeypatch.setattr(tasks.answer_reset_request, "enqueue", tasks.answer_reset_request)


def test_a_forgotten_password_is_replaced_by_a_link_that_works_once(
    member: User, django_capture_on_commit_callbacks: Any
) -> None:
    prove_address(member, "someone@example.org")
    inside = Client()
    try_to_sign_in(inside, username=member.username)
    addresses.send_password_reset(user_id=member.pk)
    path = urlsplit(links()[0]).path
    client = Client()
    answer = client.get(path)
    assert answer.status_code == 302
    assert path.rsplit("/", 2)[1] not in answer["Location"], "the key must leave the address bar"
    form = answer["Location"]
    assert client.post(form, {"password": "password1234", "again": "password1234"}).status_code == 422
    assert client.post(form, {"password": OTHER, "again": OTHER}).status_code == 302
    assert "_auth_user_id" not in client.session, "a link is no second factor: it does not sign in"
    assert inside.get("/o/hospital/").status_code == 302, "sessions of before must have ended"
    assert try_to_sign_in(Client(), username=member.username).status_code == 422
    assert try_to_sign_in(Client(), username=member.username, password=OTHER).status_code == 302
    assert Client().get(path).status_code == 410
    assert client.post(form, {"password": PASSWORD, "again": PASSWORD}).status_code == 410


def test_links_for_others_and_made_up_ones_open_nothing(member: User, hospital: Organisation) -> None:
    prove_address(member, "someone@example.org")
    other = make_member(hospital)
    addresses.send_password_reset(user_id=member.pk)
    _empty, _accounts, _reset, who, key, _end = urlsplit(links()[0]).path.split("/")
    from django.utils.encoding import force_bytes
    from django.utils.http import urlsafe_base64_encode

    for pair in (
        (urlsafe_base64_encode(force_bytes(other.pk)), key),
        (who, "abc-0123456789abcdef"),
        (who, "choose"),
        ("!!", key),
        ("MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw", key),
        ("4pi6", key),
    ):
        assert Client().get(reverse("access:reset-open", kwargs={"who": pair[0], "key": pair[1]})).status_code == 410


def test_a_link_ends_after_its_hour(member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import timedelta

    from django.contrib.auth.tokens import PasswordResetTokenGenerator

    prove_address(member, "someone@example.org")
    addresses.send_password_reset(user_id=member.pk)
    now = PasswordResetTokenGenerator()._now()
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: now + timedelta(minutes=61))
    assert Client().get(urlsplit(links()[0]).path).status_code == 410


def test_asking_for_a_link_tells_nothing_and_sends_only_to_a_proven_address(
    member: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from access import tasks

    sent: list[int] = []
    monkeypatch.setattr(tasks.send_password_reset, "enqueue", lambda **kwargs: sent.append(kwargs["user_id"]))
    User.objects.filter(pk=member.pk).update(email="someone@example.org")
    seen = set()
    for name in (member.username, "nobody@hospital", "someone@example.org"):
        answer = ask_for_reset(name)
        seen.add((answer.status_code, answer["Location"]))
    assert seen == {(302, reverse("access:reset-sent"))}
    assert sent == []
    prove_address(member, "someone@example.org")
    ask_for_reset("Someone@example.org")
    assert sent == [member.pk]


def test_letters_cannot_be_asked_for_without_end(member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from access import tasks

    sent: list[int] = []
    monkeypatch.setattr(tasks.send_password_reset, "enqueue", lambda **kwargs: sent.append(1))
    prove_address(member, "someone@example.org")
    for _time in range(throttle.LETTERS_PER_NAME + 3):
        assert ask_for_reset(member.username).status_code == 302
    assert len(sent) == throttle.LETTERS_PER_NAME
