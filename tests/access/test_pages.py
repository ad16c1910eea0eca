"""Accounts and people through their doors."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access import people, queries, services, throttle
from access.models import ApiToken, Organisation, User
from core.errors import Conflict, Forbidden, Invalid, NotFound
from tests.access.factories import make_member, make_organisation, make_user

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, username="admin@hospital", roles=("administrator",))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="access.backends.PasswordBackend")
    return client


def try_to_sign_in(client: Client, *, username: str, password: str) -> Any:
    return client.post(reverse("access:sign-in"), {"username": username, "password": password})


def test_many_failures_close_the_name_for_a_while_even_for_the_right_password(hospital: Organisation) -> None:
    user = make_member(hospital)
    client = Client()
    for _attempt in range(throttle.FAILURES_PER_NAME):
        assert try_to_sign_in(client, username=user.username, password="wrong").status_code == 422
    assert try_to_sign_in(client, username=user.username.upper(), password=PASSWORD).status_code == 429
    assert try_to_sign_in(client, username="other@hospital", password="wrong").status_code == 422


def test_signing_in_never_leads_to_another_site(hospital: Organisation) -> None:
    user = make_member(hospital)
    for target in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        response = Client().post(
            reverse("access:sign-in"), {"username": user.username, "password": PASSWORD, "next": target}
        )
        assert response["Location"] == "/"


def test_the_front_door_knows_where_to_go(hospital: Organisation) -> None:
    assert Client().get("/")["Location"] == reverse("access:sign-in")
    user = make_member(hospital)
    assert signed_in(user).get("/")["Location"] == "/o/hospital/"
    services.add_member(actor=None, organisation=make_organisation("second"), user=user)
    assert b"Where do you want to work?" in signed_in(user).get("/").content
    assert b"You are not a member of an organisation" in signed_in(make_user()).get("/").content


def test_people_pages_are_absent_to_strangers_and_forbidden_to_members(hospital: Organisation) -> None:
    member = make_member(hospital)
    elsewhere = make_organisation("elsewhere")
    stranger = make_member(elsewhere, roles=("administrator",))
    for name, kwargs in (("people", {}), ("person-add", {}), ("roles", {}), ("person", {"person": member.pk})):
        address = reverse(f"access:{name}", kwargs={"organisation": "hospital", **kwargs})
        assert signed_in(member).get(address).status_code == 403
        assert signed_in(stranger).get(address).status_code == 404


def test_an_administrator_cannot_reach_people_of_another_organisation(administrator: User) -> None:
    hidden = make_member(make_organisation("elsewhere"), username="hidden@elsewhere")
    client = signed_in(administrator)
    for name in ("person", "person-roles", "person-password", "person-remove", "person-restore"):
        address = reverse(f"access:{name}", kwargs={"organisation": "hospital", "person": hidden.pk})
        method = client.get if name == "person" else client.post
        assert method(address).status_code == 404
    assert b"hidden@elsewhere" not in client.get("/o/hospital/admin/people/?q=hidden").content


def test_a_made_account_belongs_to_the_organisation_and_must_choose_its_password(
    hospital: Organisation, administrator: User
) -> None:
    user, password = people.create_person(
        actor=administrator, organisation=hospital, name="Soren", display_name="Søren", roles=("officer",)
    )
    assert user.username == "soren@hospital"
    assert queries.may(user, "access.view_audit", hospital)
    client = Client()
    response = try_to_sign_in(client, username="soren@hospital", password=password)
    assert response["Location"] == reverse("access:choose-password")
    assert "_auth_user_id" not in client.session
    short = client.post(reverse("access:choose-password"), {"password": "short", "again": "short"})
    assert short.status_code == 422
    client.post(reverse("access:choose-password"), {"password": PASSWORD, "again": PASSWORD})
    assert client.session["_auth_user_id"] == str(user.pk)
    assert try_to_sign_in(Client(), username="soren@hospital", password=password).status_code == 422


@pytest.mark.parametrize("name", ["", "two words", "UPPER!", "a" * 61, "x@elsewhere", "ünï"])
def test_names_that_make_no_account_are_refused(name: str, hospital: Organisation, administrator: User) -> None:
    with pytest.raises(Invalid):
        people.create_person(actor=administrator, organisation=hospital, name=name, display_name="X")


def test_a_taken_name_is_refused(hospital: Organisation, administrator: User) -> None:
    make_member(hospital, username="taken@hospital")
    with pytest.raises(Invalid):
        people.create_person(actor=administrator, organisation=hospital, name="TAKEN", display_name="X")


def test_only_the_home_organisation_renews_a_password(hospital: Organisation, administrator: User) -> None:
    guest = make_member(make_organisation("elsewhere"), username="guest@elsewhere")
    with pytest.raises(NotFound):
        people.renew_password(actor=administrator, organisation=hospital, user=guest)
    services.add_member(actor=administrator, organisation=hospital, user=guest)
    with pytest.raises(Forbidden):
        people.renew_password(actor=administrator, organisation=hospital, user=guest)
    with pytest.raises(Conflict):
        people.renew_password(actor=administrator, organisation=hospital, user=administrator)


def test_a_renewed_password_ends_open_sessions(hospital: Organisation, administrator: User) -> None:
    user = make_member(hospital, username="forgetful@hospital")
    client = signed_in(user)
    assert client.get("/o/hospital/").status_code == 200
    people.renew_password(actor=administrator, organisation=hospital, user=user)
    assert client.get("/o/hospital/").status_code == 302


def test_roles_are_set_as_ticked_and_the_last_administrator_stays(hospital: Organisation, administrator: User) -> None:
    user = make_member(hospital)
    client = signed_in(administrator)
    address = reverse("access:person-roles", kwargs={"organisation": "hospital", "person": user.pk})
    client.post(address, {"role": [f"access.organisation:{hospital.pk}:officer"]})
    assert queries.may(user, "access.view_audit", hospital)
    client.post(address, {"role": []})
    assert not queries.may(user, "access.view_audit", hospital)
    own = reverse("access:person-roles", kwargs={"organisation": "hospital", "person": administrator.pk})
    assert client.post(own, {"role": []}).status_code in (409, 422)
    assert queries.may(administrator, "access.manage_people", hospital)


def test_a_token_of_somebody_else_cannot_be_revoked(hospital: Organisation) -> None:
    mine, theirs = make_member(hospital), make_member(hospital)
    token, _secret = services.create_token(user=theirs, name="x", scopes=["read"])
    address = reverse("access:token-revoke", kwargs={"token": token.public_id})
    assert signed_in(mine).post(address).status_code == 404
    assert ApiToken.objects.get(pk=token.pk).revoked_at is None


def test_people_list_costs_the_same_however_many_there_are(
    hospital: Organisation, administrator: User, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        make_member(hospital, roles=("officer",) if number % 2 else ())
    client = signed_in(administrator)
    client.get("/o/hospital/admin/people/")
    with django_assert_max_num_queries(27):
        client.get("/o/hospital/admin/people/?per=100")


def test_who_signs_in_again_comes_back_to_the_page_with_the_form(hospital: Organisation) -> None:
    there = f"/o/{hospital.slug}/admin/invitations/"
    came = Client(HTTP_REFERER=f"http://testserver{there}?state=open").post(there + "x/withdraw/")
    assert came["Location"] == f"/accounts/sign-in/?next={there}%3Fstate%3Dopen"
    for elsewhere in ("https://evil.example/x", ""):
        assert Client(HTTP_REFERER=elsewhere).post(there + "x/withdraw/")["Location"] == "/accounts/sign-in/?next=/"
    assert Client().get(there)["Location"] == f"/accounts/sign-in/?next={there}"
