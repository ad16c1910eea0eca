"""Where a sign-out at the provider is shown."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.conf import settings as django_settings
from django.urls import reverse

from access.models import IdentityProvider, Organisation
from access.sign_in import sessions
from tests.access.factories import make_member
from tests.access.openid_provider import OTHER_KEY, Liar
from tests.access.single_sign_on.back_channel.said import (
    Tell,
    come,
    come_by_password,
    door,
    logout_token,
)

pytestmark = pytest.mark.django_db


def test_the_page_of_the_provider_shows_the_address_and_what_came(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    come(provider, liar)
    tell(provider, logout_token(liar, sub="42", key=OTHER_KEY))
    tell(provider, logout_token(liar, sub="42"))
    boss = come_by_password(make_member(hospital, roles=("administrator",)))
    where = {"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    page = boss.get(reverse("access:sso", kwargs=where)).content.decode()
    assert f'data-copy="{django_settings.PUBLIC_URL}{door(provider)}"' in page
    assert "A sign-out was not accepted: the signature is wrong" in page
    assert "so the sessions here ended" in page


def test_a_session_s_own_list_shows_nothing_of_an_ended_one(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    come(provider, liar)
    person: Any = SocialAccount.objects.get(uid="42").user
    tell(provider, logout_token(liar, sub="42"))
    assert not sessions.UserSession.objects.filter(user=person).exists()
