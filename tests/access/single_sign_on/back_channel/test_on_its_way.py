"""A sign-in that waits for its second factor when its person signs out at the provider."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.mfa.totp.internal import auth as totp
from allauth.socialaccount.models import SocialAccount
from django.urls import reverse

from access.models import IdentityProvider
from tests.access.openid_provider import Liar
from tests.access.single_sign_on.back_channel.said import (
    Tell,
    come,
    is_open,
    logout_token,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("meant", [{"sub": "42"}, {"sid": "there-1"}, {"sub": "42", "sid": "there-1"}])
def test_a_sign_in_that_waits_for_its_second_factor_does_not_outlive_the_one_there(
    meant: dict[str, str], provider: IdentityProvider, liar: Liar, tell: Tell
) -> None:
    come(provider, liar)
    person: Any = SocialAccount.objects.get(uid="42").user
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    client = come(provider, liar)
    assert not is_open(client)
    tell(provider, logout_token(liar, **meant))
    code = totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30))
    answer = client.post(reverse("access:second-factor"), {"code": code})
    assert answer.status_code == 403 and "signed out there" in answer.content.decode()
    assert not is_open(client)


def test_another_session_there_goes_on_through_its_second_factor(
    provider: IdentityProvider, liar: Liar, tell: Tell
) -> None:
    come(provider, liar)
    person: Any = SocialAccount.objects.get(uid="42").user
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    client = come(provider, liar, session="there-2")
    tell(provider, logout_token(liar, sub="42", sid="there-1"))
    code = totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30))
    assert client.post(reverse("access:second-factor"), {"code": code}).status_code == 302
    assert is_open(client)
