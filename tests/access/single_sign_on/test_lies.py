"""What a provider may get wrong or say wrongly, in its tokens and its discovery, and what PACSWeb reaches at all."""

from __future__ import annotations

import time
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from access.models import IdentityProvider, Organisation, User
from access.single_sign_on import services as sign_ons
from audit.models import Event
from core.tenancy import all_tenants, tenant
from tests.access.factories import PASSWORD
from tests.access.openid_provider import CLIENT, OTHER_KEY, Liar
from tests.access.single_sign_on.coming_in import come
from tests.access.single_sign_on.outcome import is_in, outcomes

pytestmark = pytest.mark.django_db
NOW = int(time.time())
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"token": {"nonce": "x"}}, "token-nonce"),
    "no nonce": ({"token": {"nonce": None}}, "token-nonce"),
    "nonce of another kind": ({"token": {"nonce": 7}}, "token-nonce"),
    "another issuer": ({"token": {"iss": "https://other.example"}}, "token-issuer"),
    "another audience": ({"token": {"aud": "other"}}, "token-audience"),
    "no audience": ({"token": {"aud": None}}, "token-malformed"),
    "several audiences, no party": ({"token": {"aud": ["pacsweb", "other"]}}, "token-party"),
    "another party": ({"token": {"azp": "other"}}, "token-party"),
    "expired": ({"token": {"exp": NOW - 3600, "iat": NOW - 7200}}, "token-expired"),
    "never expires": ({"token": {"exp": None}}, "token-malformed"),
    "from the future": ({"token": {"iat": NOW + 3600, "exp": NOW + 7200}}, "token-not-yet"),
    "no subject": ({"token": {"sub": None}}, "token-malformed"),
    "empty subject": ({"token": {"sub": ""}}, "token-subject"),
    "long subject": ({"token": {"sub": "s" * 256}}, "token-subject"),
    "hash of another access token": ({"token": {"at_hash": "AAAA"}}, "token-access-hash"),
    "no signature": ({"algorithm": "none"}, "token-algorithm"),
    "signed with the client's secret": ({"algorithm": "HS256", "key": CLIENT["client_secret"]}, "token-algorithm"),
    "signed with a key of its own": ({"key": OTHER_KEY}, "token-signature"),
    "signed with a key that is not listed": ({"header": {"kid": "unknown"}}, "token-key"),
    "userinfo of somebody else": ({"userinfo": {"sub": "43", "groups": ["all"]}}, "userinfo-subject"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_signs_nobody_in(provider: IdentityProvider, liar: Liar, lie: str) -> None:
    changes, code = LIES[lie]
    liar.__dict__.update(changes)
    client = Client()
    answer = come(client, provider, liar)
    assert answer.status_code == 403 and code in answer.content.decode()
    assert not is_in(client) and not SocialAccount.objects.exists()
    assert outcomes(provider) == [code]
    with all_tenants():
        assert Event.objects.filter(action="sign-on.refused", organisation=provider.organisation).count() == 1


DISCOVERIES: dict[str, tuple[dict[str, Any], str]] = {
    "of another issuer": ({"discovery": {"issuer": "https://other.example"}}, "other-issuer"),
    "too large": ({"raw_discovery": b'{"a":"' + b"x" * 900_000 + b'"}'}, "answer-too-large"),
    "not JSON": ({"raw_discovery": b"<html>"}, "not-json"),
    "nested too deep": ({"raw_discovery": b"[" * 200_000}, "not-json"),
    "a list": ({"raw_discovery": b"[]"}, "not-json"),
    "a redirect": ({"redirects": "/.well-known/openid-configuration"}, "redirect"),
    "without https": ({"discovery": {"token_endpoint": "http://hospital.example/token"}}, "discovery"),
    "metadata of a cloud": ({"discovery": {"jwks_uri": "http://169.254.169.254/keys"}}, "discovery"),
    "a file": ({"discovery": {"authorization_endpoint": "file:///etc/passwd"}}, "discovery"),
    "nothing but HMAC": ({"discovery": {"id_token_signing_alg_values_supported": ["HS256"]}}, "algorithms"),
}


@pytest.mark.parametrize("case", DISCOVERIES)
def test_a_bad_discovery_document_is_refused_with_its_reason(
    provider: IdentityProvider, liar: Liar, administrator: User, case: str
) -> None:
    changes, code = DISCOVERIES[case]
    liar.__dict__.update(changes)
    answer = Client().get(reverse("access:sign-on", kwargs={"provider": provider.public_id}))
    assert answer.status_code == 502 and code in answer.content.decode()
    problem = sign_ons.try_connection(actor=administrator, sign_on=provider)
    assert problem is not None and problem.code == code
    with tenant(provider.organisation):
        provider.refresh_from_db()
    assert provider.last_test_passed is False


def test_a_provider_that_is_down_leaves_passwords_working(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation
) -> None:
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(issuer="http://127.0.0.1:1")
    answer = Client().get(reverse("access:sign-on", kwargs={"provider": provider.public_id}))
    assert answer.status_code == 502 and "go on working" in answer.content.decode()
    page = Client().post(reverse("access:sign-in"), {"username": administrator.username, "password": PASSWORD})
    assert page.status_code == 302
