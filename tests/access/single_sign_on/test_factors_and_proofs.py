"""When a provider's word counts as a second factor, and when as a proof of being there."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from access import services, sudo
from access.errors import NotYetProven, WrongProof
from access.models import IdentityProvider, Organisation, User
from access.sign_in import policy, sessions
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.access.openid_provider import Liar
from tests.access.sign_in.sessions import signed_in
from tests.access.single_sign_on.coming_in import back, come, connect, person
from tests.access.single_sign_on.outcome import is_in

pytestmark = pytest.mark.django_db


# Second factor -------------------------------------------------------------------------------------------------------


def test_the_provider_s_second_factor_counts_only_when_the_organisation_says_so(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    policy.change(actor=None, organisation=hospital, mfa_required=True)
    liar.token = {"amr": ["pwd", "otp"]}
    client = Client()
    come(client, provider, liar)
    assert client.get("/o/hospital/").status_code == 302
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(counts_second_factor=True)
    again = Client()
    come(again, provider, liar)
    assert again.get("/o/hospital/").status_code == 200
    liar.token = {"amr": ["pwd"]}
    weaker = Client()
    come(weaker, provider, liar)
    assert weaker.get("/o/hospital/").status_code == 302


def test_an_own_second_factor_is_asked_for_after_the_provider(provider: IdentityProvider, liar: Liar) -> None:
    from allauth.mfa.totp.internal import auth as totp

    come(Client(), provider, liar)
    totp.TOTP.activate(person("42", provider), totp.generate_totp_secret())
    client = Client()
    assert come(client, provider, liar).headers["Location"] == reverse("access:second-factor")
    assert not is_in(client) and client.get("/o/hospital/").status_code == 302


# Proving to be there -------------------------------------------------------------------------------------------------


def member_by_sign_on(provider: IdentityProvider, liar: Liar) -> tuple[Client, User]:
    """Somebody whose account the provider made: no password, no second factor."""
    client = Client()
    come(client, provider, liar)
    return client, User.objects.get(pk=client.session["_auth_user_id"])


def prove_there(client: Client, provider: IdentityProvider, liar: Liar, *, purpose: str = "break-glass") -> Any:
    there = reverse("access:sign-on-prove", kwargs={"provider": provider.public_id})
    out = client.get(f"{there}?purpose={purpose}")
    assert out.status_code == 302
    asked = parse_qs(urlsplit(out.headers["Location"]).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    return client.get(back(liar.authorise(out.headers["Location"])))


def proof_of(client: Client, user: User, *, purpose: str = "break-glass") -> sudo.Proof:
    request = RequestFactory().post("/")
    request.user, request.session = user, client.session  # type: ignore[assignment]
    proof = sudo.prove(user=user, method="sign-on", secret="1", purpose=purpose, request=request)
    request.session.save()
    return proof


def test_without_a_password_a_fresh_sign_in_at_the_provider_proves_once(provider: IdentityProvider, liar: Liar) -> None:
    client, user = member_by_sign_on(provider, liar)
    assert sudo.methods_of(user) == ["sign-on"]
    with pytest.raises(NotYetProven):
        proof_of(client, user)
    liar.token = {"auth_time": int(time.time())}
    done = prove_there(client, provider, liar)
    assert done.headers["Location"] == reverse("access:sign-on-proven")
    with pytest.raises(NotYetProven):
        proof_of(client, user, purpose="sensitive")
    assert proof_of(client, user).method == "sign-on"
    with pytest.raises(NotYetProven):
        proof_of(client, user)


@pytest.mark.parametrize(
    ("claims", "code"),
    [({}, "no-auth-time"), ({"auth_time": "now"}, "no-auth-time"), ({"auth_time": True}, "no-auth-time"),
     ({"auth_time": 1}, "old-sign-in"), ({"auth_time": 99_999_999_999}, "old-sign-in"), ({"sub": "43"}, "not-yours")],
)  # fmt: skip
def test_an_open_session_there_or_somebody_else_proves_nothing(
    claims: dict[str, Any], code: str, provider: IdentityProvider, liar: Liar
) -> None:
    client, user = member_by_sign_on(provider, liar)
    liar.person |= {name: value for name, value in claims.items() if name == "sub"}
    liar.token = claims if "sub" not in claims else {"auth_time": int(time.time())}
    answer = prove_there(client, provider, liar)
    assert answer.status_code == 403
    assert answer.context["code"] == code
    with pytest.raises(NotYetProven):
        proof_of(client, user)


def test_a_provider_proves_nothing_about_accounts_of_other_organisations(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    guest = make_member(make_organisation("elsewhere"), username="guest@elsewhere")
    services.add_member(actor=None, organisation=hospital, user=guest)
    client = signed_in(guest)
    connect(client, provider, liar)
    assert sudo.methods_of(guest) == ["password"]
    there = reverse("access:sign-on-prove", kwargs={"provider": provider.public_id})
    assert client.get(f"{there}?purpose=break-glass").status_code == 404


def test_the_page_that_asks_keeps_the_form_and_goes_on(provider: IdentityProvider, liar: Liar) -> None:
    client, _user = member_by_sign_on(provider, liar)
    session = client.session
    session[sessions.BEGUN] = 0.0  # the sign-in itself proves no more
    session.save()
    there = reverse("access:address-change")
    page = client.post(there, {"email": "me@hospital.example"})
    text = page.content.decode()
    assert page.status_code == 403
    assert "Sign in anew at" in text and 'value="me@hospital.example"' in text
    form = {"email": "me@hospital.example", "proof-purpose": "sensitive", "proof-there": "1"}
    assert client.post(there, form).status_code == 422
    liar.token = {"auth_time": int(time.time())}
    prove_there(client, provider, liar, purpose="sensitive")
    assert client.post(there, form).status_code == 302


def test_where_the_provider_is_left_behind_its_word_proves_nothing(provider: IdentityProvider, liar: Liar) -> None:
    client, user = member_by_sign_on(provider, liar)
    assert sudo.methods_of(user, purpose=sudo.OWN_SIGN_IN) == []
    liar.token = {"auth_time": int(time.time())}
    prove_there(client, provider, liar, purpose=sudo.OWN_SIGN_IN)
    with pytest.raises(WrongProof):
        proof_of(client, user, purpose=sudo.OWN_SIGN_IN)
    assert client.get(reverse("access:own-sign-in")).status_code == 403
