"""Roles and memberships follow what the provider claims of a person."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from access import queries, services
from access.models import IdentityProvider, Organisation, RoleGrant, User
from access.single_sign_on import claims
from archive.models import Archive
from archive.services import create_archive
from audit.models import Event
from core.errors import Invalid
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_organisation
from tests.access.openid_provider import Liar
from tests.access.sign_in.sessions import signed_in
from tests.access.single_sign_on.coming_in import come, person
from tests.access.single_sign_on.outcome import is_in, may_read
from tests.access.single_sign_on.rules import key_of, rule

pytestmark = pytest.mark.django_db


def test_roles_follow_the_claims_and_direct_ones_stay(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation, archive: Archive
) -> None:
    rule(administrator, provider, value="radiology", role=key_of(archive, "reader"))
    rule(administrator, provider, value="pacs-*", role=key_of(archive, "manager"), how="like")
    liar.person = {"sub": "42", "groups": ["radiology", "pacs-admins"]}
    come(Client(), provider, liar)
    user = person("42", provider)

    def held() -> set[tuple[str, str]]:
        with tenant(hospital):
            rows = RoleGrant.objects.filter(user=user, ended_at=None).exclude(container_role__role="member")
            return {(row.container_role.role, row.source) for row in rows.select_related("container_role")}

    source = f"sso:{provider.public_id}"
    assert held() == {("reader", source), ("manager", source)}
    services.grant_role(actor=administrator, container=archive, role="reader", user=user)
    liar.person = {"sub": "42", "groups": []}
    come(Client(), provider, liar)
    assert held() == {("reader", "direct")} and may_read(user, archive)
    services.revoke_role(actor=administrator, container=archive, role="reader", user=user)
    assert not may_read(user, archive)


def test_who_gets_no_role_any_more_loses_the_membership_at_the_next_sign_in(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation, archive: Archive
) -> None:
    with tenant(hospital):
        IdentityProvider.objects.filter(pk=provider.pk).update(admits="mapped")
    rule(administrator, provider, value="radiology", role=key_of(archive, "reader"))
    answer = come(Client(), provider, liar)
    assert answer.status_code == 403 and "no-role" in answer.content.decode()
    assert not SocialAccount.objects.exists()
    liar.person = {"sub": "42", "groups": "radiology"}
    open_session = Client()
    come(open_session, provider, liar)
    assert open_session.get("/o/hospital/").status_code == 200
    liar.person = {"sub": "42", "groups": ["retired"]}
    assert come(Client(), provider, liar).status_code == 403
    # The membership has ended for the session that is still open too.
    assert open_session.get("/o/hospital/").status_code == 404
    assert not may_read(person("42", provider), archive)
    liar.person = {"sub": "42", "groups": ["radiology"]}
    assert come(Client(), provider, liar).status_code == 302 and may_read(person("42", provider), archive)


def test_the_last_administrator_stays_one(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation
) -> None:
    rule(administrator, provider, value="bosses", role=key_of(hospital, "administrator"))
    liar.person = {"sub": "42", "groups": ["bosses"]}
    come(Client(), provider, liar)
    user = person("42", provider)
    services.remove_member(actor=user, organisation=hospital, user=administrator)
    liar.person = {"sub": "42", "groups": []}
    assert come(Client(), provider, liar).status_code == 302
    with tenant(hospital):
        assert queries.may(user, "access.manage_people", hospital)
    with all_tenants():
        assert Event.objects.filter(action="sign-on.administrator-kept").count() == 1


def test_the_suspended_stay_out_whatever_is_claimed(
    provider: IdentityProvider, liar: Liar, administrator: User, hospital: Organisation
) -> None:
    come(Client(), provider, liar)
    services.suspend_member(actor=administrator, organisation=hospital, user=person("42", provider))
    client = Client()
    answer = come(client, provider, liar)
    assert answer.status_code == 403 and "suspended" in answer.content.decode() and not is_in(client)


def test_the_quota_of_people_holds(provider: IdentityProvider, liar: Liar, hospital: Organisation) -> None:
    Organisation.objects.filter(pk=hospital.pk).update(people_quota=1)
    people = User.objects.count()
    assert come(Client(), provider, liar).status_code == 403
    assert User.objects.count() == people


def test_rules_give_roles_of_their_own_organisation_only(provider: IdentityProvider, administrator: User) -> None:
    partner = make_organisation("partner")
    theirs = create_archive(actor=None, organisation=partner, slug="other", name="Other", ae_title="OTHER")
    with pytest.raises(Invalid):
        rule(administrator, provider, value="x", role=key_of(theirs, "reader"))
    with pytest.raises(Invalid):
        rule(administrator, provider, value="*", role=key_of(provider.organisation, "administrator"), how="like")


@pytest.mark.parametrize(
    ("path", "said", "expected"),
    [
        ("groups", {"groups": ["a", 1, True, None, {"x": 1}, ["b"]]}, ["a", "1", "true"]),
        ("groups", {"groups": "a,b"}, ["a,b"]),
        ("realm_access.roles", {"realm_access": {"roles": ["r"]}}, ["r"]),
        ("https://h.example/roles", {"https://h.example/roles": ["r"]}, ["r"]),
        ("a.b.c", {"a.b": {"c": "deep"}}, ["deep"]),
        ("groups.x", {"groups": ["x"]}, []),
        ("missing", {"groups": ["x"]}, []),
        ("", {"groups": ["x"]}, []),
        ("groups", {"groups": ["x" * 2000, "y"]}, ["y"]),
    ],
)
def test_claims_are_read_by_path(path: str, said: dict[str, Any], expected: list[str]) -> None:
    assert claims.values_at(said, path) == expected


@pytest.mark.parametrize(
    ("how", "value", "claimed", "fits"),
    [
        ("equals", "admin", "Admin", False),
        ("equals", "admin", "admins", False),
        ("like", "pacs-*", "pacs-admins", True),
        ("like", "pacs-*", "xpacs-admins", False),
        ("like", "[a]*", "[a]b", True),
        ("like", "[a]*", "ab", False),
    ],
)
def test_a_rule_fits_what_it_says_and_nothing_like_it(how: str, value: str, claimed: str, fits: bool) -> None:
    from access.models import RoleRule

    assert claims.matches(RoleRule(claim="g", how=how, value=value), {"g": [claimed]}) is fits


def test_the_preview_shows_what_claims_would_give_and_gives_nothing(
    provider: IdentityProvider, administrator: User, archive: Archive, hospital: Organisation
) -> None:
    rule(administrator, provider, value="radiology", role=key_of(archive, "reader"))
    where = {"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    client = signed_in(administrator)
    there = reverse("access:sso-preview", kwargs=where)
    with tenant(hospital):
        before = RoleGrant.objects.count()
    page = client.post(there, {"claims": json.dumps({"groups": ["radiology"]})})
    assert page.status_code == 200 and "Reader · Clinical" in page.content.decode()
    for bad in ("", "{", "[]", "[" * 50_000):
        assert client.post(there, {"claims": bad}).status_code == 422
    with tenant(hospital):
        assert RoleGrant.objects.count() == before


def test_the_reason_on_a_container_s_page_names_the_provider(
    provider: IdentityProvider, liar: Liar, administrator: User, archive: Archive
) -> None:
    rule(administrator, provider, value="radiology", role=key_of(archive, "reader"))
    liar.person = {"sub": "42", "groups": ["radiology"]}
    come(Client(), provider, liar)
    there = reverse(
        "access:container", kwargs={"organisation": "hospital", "kind": "archive.archive", "container": archive.pk}
    )
    assert "Single sign-on: Hospital account" in signed_in(administrator).get(there).content.decode()
