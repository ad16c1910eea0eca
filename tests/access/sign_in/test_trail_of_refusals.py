"""What an officer finds of sign-ins that failed, and of tokens."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from access import services, throttle
from access.models import Organisation, User
from access.services import create_token, revoke_token
from audit.models import Event
from audit.queries import plain_sentence
from core.tenancy import tenant
from tests.access.factories import PASSWORD, make_member, make_organisation

pytestmark = pytest.mark.django_db


def wrong(name: str, *, password: str = "wrong", times: int = 1) -> Any:
    for _time in range(times):
        answer = Client().post(reverse("access:sign-in"), {"username": name, "password": password})
    return answer


def sentences(organisation: Organisation, *, action: str) -> list[str]:
    with tenant(organisation):
        return [plain_sentence(one) for one in Event.objects.filter(organisation=organisation, action=action)]


def test_guesses_at_a_name_without_an_account_are_in_the_trail_of_its_organisation() -> None:
    hospital, other = make_organisation("hospital"), make_organisation("other")
    wrong("nobody@hospital")
    wrong("whoever")
    told = sentences(hospital, action="session.refused")
    assert told == ["A sign-in as an unknown account was refused"]
    assert "nobody" not in "".join(told)
    assert sentences(other, action="session.refused") == []


def test_right_password_that_is_refused_while_the_account_is_locked_is_told_once_a_window(
    member: User, hospital: Organisation
) -> None:
    wrong(member.username, times=throttle.FAILURES_PER_NAME)
    for _time in range(5):
        answer = wrong(member.username, password=PASSWORD)
        assert answer.status_code == 429
        assert answer["Retry-After"] == str(throttle.WINDOW_SECONDS)
    (told,) = sentences(hospital, action="session.shut-out")
    assert told.startswith(f"Sign-ins as {member.username} were refused without a look at the password")


def test_locked_address_is_told_once_to_the_organisation_whose_name_was_typed() -> None:
    hospital = make_organisation("hospital")
    for number in range(throttle.FAILURES_PER_ADDRESS + 3):
        wrong(f"guess{number}@hospital")
    assert len(sentences(hospital, action="session.refused")) == throttle.FAILURES_PER_ADDRESS
    assert len(sentences(hospital, action="session.shut-out")) == 1


def test_success_forgets_no_failures_of_the_address(member: User) -> None:
    """Else one account of one's own would give guesses without end."""
    for number in range(throttle.FAILURES_PER_ADDRESS):
        wrong(f"guess{number}")
        if number == throttle.FAILURES_PER_ADDRESS - 2:
            assert wrong(member.username, password=PASSWORD).status_code == 302
    assert wrong(member.username, password=PASSWORD).status_code == 429


def test_tokens_are_in_the_trail_of_each_organisation_that_they_reach() -> None:
    hospital, partner, other = (make_organisation(slug) for slug in ("hospital", "partner", "other"))
    person = make_member(hospital, username="ada@hospital")

    services.add_member(actor=None, organisation=partner, user=person)
    limited, _secret = create_token(
        user=person, name="limited", scopes=["read"], containers=[f"access.organisation:{hospital.pk}"]
    )
    revoke_token(actor=person, token=limited)
    call_command("create_token", "ada@hospital")
    assert len(sentences(hospital, action="token.created")) == 2
    assert len(sentences(hospital, action="token.revoked")) == 1
    assert len(sentences(partner, action="token.created")) == 1
    assert sentences(partner, action="token.revoked") == []
    assert sentences(other, action="token.created") == []
