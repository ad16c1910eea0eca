"""What a token reaches, how it is replaced, shut out and ended in the middle of an answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from access import middleware, people, queries, services
from access.errors import TokenEnded
from access.models import ApiToken, Organisation, User
from archive.models import Archive
from core.errors import Conflict, Invalid, NotFound
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.access.test_reasons import VIEW, make_archive, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, username="admin@hospital", roles=("administrator",))


def by(secret: str) -> User:
    found = services.authenticate_token(secret=secret)
    assert found is not None
    return found.user


def test_a_limited_token_stays_within_its_containers(hospital: Organisation, administrator: User) -> None:
    one, two = make_archive(hospital, actor=administrator, slug="one"), make_archive(hospital, slug="two")
    services.grant_role(actor=None, container=two, role="reader", user=administrator)
    _token, secret = services.create_token(
        user=administrator, name="t", scopes=["dicomweb"], containers=[f"archive.archive:{one.pk}"]
    )
    user = by(secret)
    with tenant(hospital):
        assert list(queries.visible_to(user, Archive.objects.all(), VIEW)) == [one]
        assert queries.may(user, "access.view_organisation", hospital)
        assert not queries.may(user, "access.manage_people", hospital)
        assert queries.may(administrator, VIEW, two)
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/o/hospital/dicomweb/one/studies").status_code in (200, 204)
    assert client.get("/o/hospital/dicomweb/two/studies").status_code == 404


def test_a_token_for_an_organisation_and_one_of_its_archives_reaches_both(
    hospital: Organisation, administrator: User
) -> None:
    """To name more never reaches less."""
    one, two = make_archive(hospital, actor=administrator, slug="one"), make_archive(hospital, slug="two")
    services.grant_role(actor=None, container=two, role="reader", user=administrator)
    whole, part = f"access.organisation:{hospital.pk}", f"archive.archive:{one.pk}"
    for named in ([whole], [whole, part]):
        _token, secret = services.create_token(user=administrator, name="t", scopes=["dicomweb"], containers=named)
        user = by(secret)
        with tenant(hospital):
            found = queries.visible_to(user, Archive.objects.all(), VIEW)
            assert set(found) == {one, two}
            assert queries.may(user, "access.manage_people", hospital)


def test_a_token_limited_to_one_organisation_does_not_enter_another(hospital: Organisation) -> None:
    other = make_organisation("elsewhere")
    user = make_member(hospital)
    services.add_member(actor=None, organisation=other, user=user)
    _token, secret = services.create_token(
        user=user, name="t", scopes=["read"], containers=[f"access.organisation:{hospital.pk}"]
    )
    assert [one.slug for one in queries.organisations_open_to(by(secret))] == ["hospital"]
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/api/v1/me/").json()["organisations"] == ["hospital"]
    assert client.get("/o/elsewhere/dicomweb/x/studies").status_code == 404


def test_a_token_cannot_be_limited_to_what_its_person_does_not_have(hospital: Organisation) -> None:
    archive = make_archive(hospital)
    with pytest.raises(Invalid):
        services.create_token(
            user=make_member(hospital), name="t", scopes=["read"], containers=[f"archive.archive:{archive.pk}"]
        )


def test_the_organisation_bounds_the_life_of_tokens(hospital: Organisation) -> None:
    Organisation.objects.filter(pk=hospital.pk).update(token_days_max=30)
    user = make_member(hospital)
    with pytest.raises(Invalid):
        services.create_token(user=user, name="t", scopes=["read"], expires_at=timezone.now() + timedelta(days=31))
    services.create_token(user=user, name="t", scopes=["read"], expires_at=timezone.now() + timedelta(days=30))


def test_rotation_overlaps_and_then_the_old_secret_ends(hospital: Organisation) -> None:
    user = make_member(hospital)
    old, old_secret = services.create_token(
        user=user, name="t", scopes=["read"], expires_at=timezone.now() + timedelta(days=80)
    )
    new, new_secret = services.rotate_token(actor=user, token=old, overlap_hours=2)
    assert by(old_secret) == by(new_secret) == user
    assert new.scopes == old.scopes
    old.refresh_from_db()
    assert old.expires_at is not None
    assert old.expires_at <= timezone.now() + timedelta(hours=2)
    with pytest.raises(Conflict):
        services.rotate_token(actor=user, token=old)
    ApiToken.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert services.authenticate_token(secret=old_secret) is None


def test_an_administrator_shuts_a_members_token_out_of_the_own_organisation_only(
    hospital: Organisation, administrator: User
) -> None:
    other = make_organisation("elsewhere")
    user = make_member(hospital)
    services.add_member(actor=None, organisation=other, user=user)
    token, secret = services.create_token(user=user, name="t", scopes=["read"])
    services.shut_out_token(actor=administrator, organisation=hospital, token=token)
    assert [one.slug for one in queries.organisations_open_to(by(secret))] == ["elsewhere"]
    assert queries.is_member(user=user, organisation=hospital)
    with pytest.raises(NotFound):
        services.revoke_token(actor=administrator, token=token)
    with pytest.raises(NotFound):
        services.shut_out_token(actor=make_member(other, roles=()), organisation=hospital, token=token)


def test_the_list_of_tokens_shows_those_that_reach_the_organisation(
    hospital: Organisation, administrator: User
) -> None:
    other = make_organisation("elsewhere")
    both, theirs = make_member(hospital), make_member(other)
    services.add_member(actor=None, organisation=other, user=both)
    services.create_token(user=both, name="reaches-all", scopes=["read"])
    services.create_token(
        user=both, name="reaches-elsewhere", scopes=["read"], containers=[f"access.organisation:{other.pk}"]
    )
    services.create_token(user=theirs, name="of-a-stranger", scopes=["read"])
    page = signed_in(administrator).get(reverse("access:reaching-tokens", kwargs={"organisation": "hospital"}))
    words = page.content.decode()
    assert "reaches-all" in words
    assert "reaches-elsewhere" not in words
    assert "of-a-stranger" not in words


def test_a_service_account_has_no_password_and_belongs_to_its_organisation(
    hospital: Organisation, administrator: User
) -> None:
    account = people.create_service_account(actor=administrator, organisation=hospital, name="ai", display_name="AI")
    assert not account.has_usable_password()
    _token, secret = services.create_token(actor=administrator, user=account, name="t", scopes=["read"])
    assert by(secret) == account
    stranger = make_member(make_organisation("elsewhere"), roles=("administrator",))
    with pytest.raises(NotFound):
        services.create_token(actor=stranger, user=account, name="t", scopes=["read"])
    with pytest.raises(NotFound):
        people.renew_password(actor=administrator, organisation=hospital, user=account)
    address = reverse("access:service-account", kwargs={"organisation": "elsewhere", "account": account.pk})
    assert signed_in(stranger).get(address).status_code == 404


def test_a_service_account_is_no_last_administrator(hospital: Organisation, administrator: User) -> None:
    from access.errors import LastAdministrator

    account = people.create_service_account(actor=administrator, organisation=hospital, name="ai", display_name="AI")
    services.grant_role(actor=administrator, container=hospital, role="administrator", user=account)
    with pytest.raises(LastAdministrator):
        services.leave(user=administrator, organisation=hospital)


def test_a_token_revoked_in_mid_answer_breaks_it_off(hospital: Organisation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "STREAM_CHECK_SECONDS", 0.0)
    user = make_member(hospital)
    token, _secret = services.create_token(user=user, name="t", scopes=["dicomweb"])
    parts = middleware.while_good(token, iter([b"1", b"2", b"3"]))
    assert next(parts) == b"1"
    services.revoke_token(actor=user, token=token)
    with pytest.raises(TokenEnded):
        next(parts)


def test_last_use_is_noted_with_its_address(hospital: Organisation) -> None:
    token, secret = services.create_token(user=make_member(hospital), name="t", scopes=["read"])
    Client(headers={"Authorization": f"Bearer {secret}"}, REMOTE_ADDR="192.0.2.7").get("/api/v1/me/")
    token.refresh_from_db()
    assert token.last_used_from == "192.0.2.7"
    assert token.last_used_at is not None


def test_the_token_of_a_service_account_is_marked_when_who_made_it_leaves(
    hospital: Organisation, administrator: User
) -> None:
    leaver = make_member(hospital, roles=("administrator",))
    account = people.create_service_account(actor=leaver, organisation=hospital, name="robot", display_name="Robot")
    services.create_token(actor=leaver, user=account, name="t", scopes=["read"])
    services.create_token(user=make_member(hospital), name="own", scopes=["read"])
    client = signed_in(administrator)
    there = reverse("access:reaching-tokens", kwargs={"organisation": "hospital"})
    assert "No longer administers" not in client.get(there).content.decode()
    services.remove_member(actor=administrator, organisation=hospital, user=leaver)
    assert client.get(there).content.decode().count("No longer administers") == 1
