"""Answers of a provider that are not answers to our question."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from access.models import IdentityProvider, Organisation, User
from core.tenancy import tenant
from tests.access.openid_provider import Liar
from tests.access.single_sign_on.coming_in import add_provider, back, begin, come
from tests.access.single_sign_on.outcome import is_in, outcomes

pytestmark = pytest.mark.django_db


def test_an_answer_with_another_state_is_refused(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    there = back(liar.authorise(begin(client, provider)))
    wrong = there.replace("state=", "state=x")
    for _flood in range(3):
        assert client.get(wrong).status_code == 403 and not is_in(client)
    assert liar.exchanges == 0 and outcomes(provider) == ["state"]


def test_an_answer_begun_in_another_browser_is_refused(provider: IdentityProvider, liar: Liar) -> None:
    """Otherwise somebody could sign a victim in to the attacker's account, or hand over a code of their own."""
    attacker, victim = Client(), Client()
    there = back(liar.authorise(begin(attacker, provider)))
    assert victim.get(there).status_code == 403 and not is_in(victim)
    begin(victim, provider)
    assert victim.get(there).status_code == 403 and not is_in(victim)


def test_an_answer_works_once(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    there = back(liar.authorise(begin(client, provider)))
    assert client.get(there).status_code == 302
    client.logout()
    assert client.get(there).status_code == 403 and not is_in(client)
    assert liar.exchanges == 1


def test_a_code_of_another_sign_in_fails_at_its_verifier(provider: IdentityProvider, liar: Liar) -> None:
    stolen = parse_qs(urlsplit(liar.authorise(begin(Client(), provider))).query)["code"][0]
    client = Client()
    own = back(liar.authorise(begin(client, provider)))
    code = parse_qs(urlsplit(own).query)["code"][0]
    answer = client.get(own.replace(code, stolen))
    assert answer.status_code == 502 and "code-refused" in answer.content.decode() and not is_in(client)


def test_an_answer_that_names_another_issuer_is_refused(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    there = liar.authorise(begin(client, provider), iss="https://other.example")
    assert client.get(back(there)).status_code == 403 and liar.exchanges == 0


def test_a_provider_that_promises_its_issuer_has_to_name_it(provider: IdentityProvider, liar: Liar) -> None:
    liar.discovery = {"authorization_response_iss_parameter_supported": True}
    assert come(Client(), provider, liar).status_code == 403
    client = Client()
    there = liar.authorise(begin(client, provider), iss=liar.issuer)
    assert client.get(back(there)).status_code == 302 and is_in(client)


def test_giving_up_at_the_provider_is_said_kindly(provider: IdentityProvider) -> None:
    client = Client()
    state = parse_qs(urlsplit(begin(client, provider)).query)["state"][0]
    there = reverse("access:sign-on-callback", kwargs={"provider": provider.public_id})
    answer = client.get(there, {"error": "access_denied", "state": state, "error_description": "<script>"})
    assert answer.status_code == 403 and "left the sign-on" in answer.content.decode()
    assert b"<script>alert" not in answer.content and b"&lt;script" not in answer.content


def test_an_answer_is_for_the_provider_that_was_asked(
    provider: IdentityProvider, liar: Liar, hospital: Organisation, administrator: User
) -> None:
    with tenant(hospital):
        other = add_provider(administrator, hospital, issuer=liar.issuer, client_id="second", admits="everybody")
    client = Client()
    there = back(liar.authorise(begin(client, provider)))
    assert client.get(there.replace(provider.public_id, other.public_id)).status_code == 403
    assert not is_in(client)
