"""A provider opens its own organisation and no other, and nothing once it is switched off."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import resolve, reverse

from access import services
from access.models import IdentityProvider, Membership, Organisation, RoleGrant, User
from access.sign_in.middleware import OF_THE_SESSION
from access.single_sign_on import services as sign_ons
from core.errors import Conflict
from core.tenancy import all_tenants, tenant
from tests.access.factories import PASSWORD, make_member, make_organisation
from tests.access.openid_provider import Liar
from tests.access.sign_in.sessions import signed_in
from tests.access.single_sign_on.coming_in import (
    add_provider,
    back,
    begin,
    come,
    connect,
    enter_domains,
    person,
    prove_domain,
)
from tests.access.single_sign_on.outcome import is_in
from tests.access.test_every_route import NOT_INSIDE, address

pytestmark = pytest.mark.django_db


def test_a_provider_of_one_organisation_opens_no_other_one(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    partner = make_organisation("partner")
    member = make_member(hospital, username="ada@partner")
    services.add_member(actor=None, organisation=partner, user=member)
    connect(signed_in(member), provider, liar)
    client = Client()
    come(client, provider, liar)
    assert client.get("/o/hospital/").status_code == 200
    for there in ("/o/partner/", "/o/partner/dicomweb/clinical/studies"):
        refused = client.get(there)
        assert refused.status_code == 403, there
    assert client.get("/o/nowhere/").status_code == 404
    # Nor does it change the account, which the hospital did not make: the person's own proof is asked for.
    for name, arguments in (
        ("token-create", {}),
        ("passkey-add", {}),
        ("address-change", {}),
        ("leave", {"slug": "partner"}),
    ):
        asked = client.post(reverse(f"access:{name}", kwargs=arguments), {"email": "evil@example.org", "name": "t"})
        assert asked.status_code == 403 and "Confirm that it is you" in asked.content.decode(), name
    there = reverse("access:own-sign-in") + "?next=/o/partner/"
    assert client.get(there).status_code == 403
    wrong = {"proof-password": "wrong", "proof-purpose": "own-sign-in", "proof-get": "1"}
    assert client.post(there, wrong).status_code == 422 and client.get("/o/partner/").status_code == 403
    client.post(there, wrong | {"proof-password": PASSWORD})
    client.get(there)
    assert client.get("/o/partner/").status_code == 200


def test_a_session_of_a_provider_reads_nothing_of_an_account_that_another_organisation_made(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    partner = make_organisation("partner")
    member = make_member(hospital, username="ada@partner")
    services.add_member(actor=None, organisation=partner, user=member)
    connect(signed_in(member), provider, liar)
    client = Client()
    come(client, provider, liar)
    assert client.get("/")["Location"] == "/o/hospital/"
    assert client.get("/api/v1/me/").json()["organisations"] == ["hospital"]
    assert [one["slug"] for one in client.get("/api/v1/organisations/").json()["results"]] == ["hospital"]
    assert partner.name not in client.get("/o/hospital/").content.decode()
    asked = 0
    for route, converters in NOT_INSIDE:
        there = address(route, converters, "")
        name = resolve(there).url_name
        if not there.startswith("/accounts/") or name in OF_THE_SESSION:
            continue
        asked += 1
        answer = client.get(there)
        assert partner.name not in answer.content.decode(), there
        assert answer["Location"].startswith(reverse("access:own-sign-in")), there
        assert client.post(there, {"name": "t"}).status_code == 403, there
    assert asked > 20


def test_a_provider_never_administers_the_installation(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    member = make_member(hospital, username="ada@hospital")
    User.objects.filter(pk=member.pk).update(is_installation_administrator=True)
    connect(signed_in(member), provider, liar)
    client = Client()
    come(client, provider, liar)
    assert client.get(reverse("access:installation")).headers["Location"].startswith(reverse("access:own-sign-in"))


def test_the_same_issuer_and_subject_are_two_people_in_two_organisations(
    provider: IdentityProvider, liar: Liar, hospital: Organisation
) -> None:
    partner = make_organisation("partner")
    boss = make_member(partner, roles=("administrator",))
    with tenant(partner):
        theirs = add_provider(boss, partner, issuer=liar.issuer, admits="everybody")
    for one in (provider, theirs):
        come(Client(), one, liar)
    accounts = SocialAccount.objects.filter(uid="42")
    assert len({account.user_id for account in accounts}) == 2
    with all_tenants():
        assert Membership.objects.filter(user=person("42", theirs)).get().organisation == partner


def test_buttons_are_shown_for_the_organisation_that_is_meant_and_for_no_other(provider: IdentityProvider) -> None:
    sign_in = reverse("access:sign-in")
    assert "Hospital account" not in Client().get(sign_in).content.decode()
    for query in ({"organisation": "hospital"}, {"next": "/o/hospital/archives/"}):
        assert "Hospital account" in Client().get(sign_in, query).content.decode()
    unknown, without = (
        Client().get(sign_in, {"organisation": slug}).content.decode()
        for slug in ("unknown", make_organisation("plain").slug)
    )
    assert "Hospital account" not in unknown + without


def test_an_address_at_work_leads_to_the_right_page(provider: IdentityProvider, hospital: Organisation) -> None:
    enter_domains(provider, "hospital.org")
    prove_domain(provider, "hospital.org")
    find = reverse("access:sign-on-find")
    for wanted in ("ada@hospital.org", "Ada@HOSPITAL.org", "hospital"):
        assert "organisation=hospital" in Client().post(find, {"wanted": wanted}).headers["Location"]
    for wanted in ("ada@elsewhere.org", "@", "nowhere", "hospital.org", "%", "x" * 254):
        assert Client().post(find, {"wanted": wanted}).status_code == 422


def test_what_is_switched_off_suspended_or_deleted_opens_nothing_and_ends_what_it_opened(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation
) -> None:
    client = Client()
    come(client, provider, liar)
    user = person("42", provider)
    assert client.get("/o/hospital/").status_code == 200
    half_way = Client()
    there = back(liar.authorise(begin(half_way, provider)))
    with pytest.raises(Conflict):
        sign_ons.delete(actor=administrator, sign_on=provider)
    sign_ons.switch(actor=administrator, sign_on=provider, on=False)
    assert client.get("/o/hospital/").status_code in (302, 200)
    assert half_way.get(there).status_code == 404 and not is_in(half_way)
    assert Client().get(reverse("access:sign-on", kwargs={"provider": provider.public_id})).status_code == 404
    assert sign_ons.delete(actor=administrator, sign_on=provider) == 1
    with tenant(hospital):
        assert not Membership.objects.get(user=user).is_active
        assert not RoleGrant.objects.filter(user=user, ended_at=None).exists()
    assert User.objects.filter(pk=user.pk).exists() and not SocialAccount.objects.exists()


def test_switching_off_ends_its_sessions(
    provider: IdentityProvider, liar: Liar, administrator: User, django_capture_on_commit_callbacks: Any
) -> None:
    client = Client()
    come(client, provider, liar)
    with django_capture_on_commit_callbacks(execute=True):
        sign_ons.switch(actor=administrator, sign_on=provider, on=False)
    assert client.get("/o/hospital/").headers["Location"].startswith("/accounts/sign-in/")
