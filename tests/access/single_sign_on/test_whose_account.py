"""Which account a person of a provider gets: a new one, one they connected, never one that others say is theirs."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from access.models import IdentityProvider, Organisation, User
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.access.openid_provider import Liar
from tests.access.sign_in.sessions import signed_in
from tests.access.single_sign_on.coming_in import come, connect, enter_domains, prove_domain

pytestmark = pytest.mark.django_db


def prove(user: User, email: str) -> None:
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)


@pytest.mark.parametrize(
    ("trusted", "domains", "verified"),
    [
        (False, ["hospital.org"], True),
        (True, ["hospital.org"], False),
        (True, ["hospital.org"], "true"),
        (True, ["uni.edu"], True),
    ],
)
def test_an_address_opens_no_account_that_is_there(
    provider: IdentityProvider, liar: Liar, hospital: Organisation, trusted: bool, domains: list[str], verified: Any
) -> None:
    member = make_member(hospital, username="ada@hospital")
    prove(member, "ada@hospital.org")
    enter_domains(provider, *domains, trusts_email=trusted)
    prove_domain(provider, *domains)
    liar.person = {"sub": "1", "email": "ada@hospital.org", "email_verified": verified}
    client = Client()
    assert come(client, provider, liar).status_code == 302
    assert client.session["_auth_user_id"] != str(member.pk)


def test_a_trusted_provider_opens_the_account_of_the_member_who_proved_the_address(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    member = make_member(hospital, username="ada@hospital")
    prove(member, "ada@hospital.org")
    enter_domains(provider, "hospital.org", trusts_email=True)
    liar.person = {"sub": "0", "email": "ada@hospital.org", "email_verified": True}
    unproven = Client()
    come(unproven, provider, liar)
    assert unproven.session["_auth_user_id"] != str(member.pk)
    prove_domain(provider, "hospital.org")
    liar.person = {"sub": "1", "email": "Ada@Hospital.org", "email_verified": True}
    client = Client()
    come(client, provider, liar)
    assert client.session["_auth_user_id"] == str(member.pk)
    # A second person of the provider with the same address does not get in by it.
    liar.person = {"sub": "2", "email": "ada@hospital.org", "email_verified": True}
    second = Client()
    come(second, provider, liar)
    assert second.session["_auth_user_id"] != str(member.pk)


def test_trust_in_an_address_ends_at_the_organisation(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    """Even over a domain that is its own an organisation gains nothing over people of another one, nor over the installation."""
    elsewhere = make_member(make_organisation("elsewhere"), username="eve@elsewhere")
    prove(elsewhere, "eve@uni.edu")
    root = make_member(hospital, username="root@hospital")
    prove(root, "root@uni.edu")
    User.objects.filter(pk=root.pk).update(is_installation_administrator=True)
    enter_domains(provider, "uni.edu", trusts_email=True)
    prove_domain(provider, "uni.edu")
    for number, victim in enumerate((elsewhere, root)):
        liar.person = {"sub": str(number), "email": EmailAddress.objects.get(user=victim).email, "email_verified": True}
        client = Client()
        come(client, provider, liar)
        assert client.session["_auth_user_id"] != str(victim.pk)


def test_who_may_not_get_an_account_is_told_what_to_do(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(creates_accounts=False)
    people = User.objects.count()
    answer = come(Client(), provider, liar)
    assert answer.status_code == 403 and "connect it" in answer.content.decode()
    assert User.objects.count() == people


def test_a_member_connects_an_account_after_signing_in_to_it_and_lets_go_again(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    member = make_member(hospital, username="ada@hospital")
    client = signed_in(member)
    assert connect(client, provider, liar).headers["Location"].endswith("#sign-on")
    assert client.session["_auth_user_id"] == str(member.pk)
    by_provider = Client()
    come(by_provider, provider, liar)
    assert by_provider.session["_auth_user_id"] == str(member.pk)
    page = client.get(reverse("access:security")).content.decode()
    assert "Disconnect" in page and "Hospital account" in page
    account = SocialAccount.objects.get(user=member)
    other = signed_in(make_member(hospital))
    assert other.post(reverse("access:sign-on-disconnect", kwargs={"account": account.pk})).status_code == 404
    assert client.post(reverse("access:sign-on-disconnect", kwargs={"account": account.pk})).status_code == 302
    assert not SocialAccount.objects.exists()


def test_a_person_of_the_provider_belongs_to_one_account(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    first, second = make_member(hospital), make_member(hospital)
    connect(signed_in(first), provider, liar)
    assert connect(signed_in(second), provider, liar).status_code == 403
    assert SocialAccount.objects.get().user_id == first.pk


def test_the_last_way_in_cannot_be_let_go(provider: IdentityProvider, liar: Liar) -> None:
    client = Client()
    come(client, provider, liar)
    account = SocialAccount.objects.get()
    answer = client.post(reverse("access:sign-on-disconnect", kwargs={"account": account.pk}))
    assert answer.status_code == 409 and SocialAccount.objects.exists()


@pytest.mark.parametrize(
    ("token", "userinfo"),
    [
        ({"email_verified": True}, {"email": "ada@hospital.org", "email_verified": False}),
        ({"email_verified": True}, {"email": "ada@hospital.org"}),
        ({"email": "ada@hospital.org"}, {"email": "eve@hospital.org", "email_verified": True}),
        ({"email": "ada@hospital.org"}, {"email_verified": True}),
    ],
)
def test_an_address_from_one_document_is_not_verified_by_another(
    provider: IdentityProvider, liar: Liar, hospital: Organisation, token: dict[str, Any], userinfo: dict[str, Any]
) -> None:
    member = make_member(hospital, username="ada@hospital")
    prove(member, "ada@hospital.org")
    enter_domains(provider, "hospital.org", trusts_email=True)
    prove_domain(provider, "hospital.org")
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(reads_userinfo=True)
    liar.person, liar.userinfo = {"sub": "1", **token}, {"sub": "1", **userinfo}
    client = Client()
    assert come(client, provider, liar).status_code == 302
    assert client.session["_auth_user_id"] != str(member.pk)
