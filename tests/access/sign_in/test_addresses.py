"""Addresses of people: proven by a link, told of to nobody, and no way into a letter's header."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse

from access.models import Organisation, User
from access.sign_in import addresses
from tests.access.factories import make_member
from tests.access.sign_in.steps import prove_address

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="access.backends.PasswordBackend")
    return client


def proof_link(email: str) -> str:
    letter = next(letter for letter in outbox.outbox if letter.to == [email])
    return next(urlsplit(line).path for line in letter.body.splitlines() if "/accounts/security/address/" in line)


def test_an_address_counts_when_its_link_was_followed_by_its_own_account(member: User, hospital: Organisation) -> None:
    prove_address(member, "old@example.org")
    client = signed_in(member)
    assert client.post(reverse("access:address-change"), {"email": "New@Example.org"}).status_code == 302
    waiting = EmailAddress.objects.get(user=member, verified=False)
    addresses.send_proof(address_id=waiting.pk)
    link = proof_link("new@example.org")
    stranger = signed_in(make_member(hospital))
    assert stranger.get(link).status_code == 410
    assert stranger.post(link).status_code == 409
    assert client.get(link).status_code == 200, "looking alone must change nothing: mail scanners look"
    assert EmailAddress.objects.get(pk=waiting.pk).verified is False
    assert client.post(link).status_code == 302
    member.refresh_from_db()
    assert member.email == "new@example.org"
    assert list(EmailAddress.objects.filter(user=member).values_list("email", "verified")) == [
        ("new@example.org", True)
    ]
    assert any(letter.to == ["old@example.org"] for letter in outbox.outbox), "the former reader learns of it"
    assert client.post(link).status_code == 409


def test_an_address_of_another_account_is_not_told_of(member: User, hospital: Organisation) -> None:
    other = make_member(hospital)
    prove_address(other, "taken@example.org")
    client = signed_in(member)
    answer = client.post(reverse("access:address-change"), {"email": "taken@example.org"})
    free = client.post(reverse("access:address-change"), {"email": "free@example.org"})
    assert (answer.status_code, answer["Location"]) == (free.status_code, free["Location"])
    client.post(reverse("access:address-change"), {"email": "taken@example.org"})
    waiting = EmailAddress.objects.get(user=member)
    addresses.send_proof(address_id=waiting.pk)
    assert [letter.subject for letter in outbox.outbox] == ["This address is in use already"]
    assert "/accounts/security/address/" not in outbox.outbox[0].body


@pytest.mark.parametrize(
    "email",
    ["", "x", "a@b", "a@example.org\r\nBcc: b@example.org", "a@example.org,b@example.org", "a" * 300 + "@example.org"],
)
def test_addresses_that_are_none_are_refused_and_no_header_is_smuggled(member: User, email: str) -> None:
    client = signed_in(member)
    assert client.post(reverse("access:address-change"), {"email": email}).status_code == 422
    assert not EmailAddress.objects.filter(user=member).exists()
    assert outbox.outbox == []


def test_a_name_cannot_smuggle_a_header_into_a_letter(member: User) -> None:
    from access.sign_in import mail

    User.objects.filter(pk=member.pk).update(display_name="X\r\nBcc: thief@example.org")
    member.refresh_from_db()
    prove_address(member, "someone@example.org")
    mail.send(template="account_changed", to="someone@example.org", user=member, context={"what": "password-changed"})
    message = outbox.outbox[0].message()
    assert message["Bcc"] is None
    assert outbox.outbox[0].recipients() == ["someone@example.org"]
