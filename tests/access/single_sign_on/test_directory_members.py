"""What a directory gives and ends: roles by its groups at sign-in, memberships by the nightly look."""

from __future__ import annotations

import pytest
from django.test import Client

from access import services
from access.models import Directory, Membership, Organisation, User
from access.single_sign_on import directories, exchange, ldap
from access.tasks import sync_directories
from archive.models import Archive
from core.tenancy import tenant
from tests.access import slapd
from tests.access.single_sign_on.directory import change, fresh, sign_in
from tests.access.single_sign_on.outcome import may_read, outcomes
from tests.access.single_sign_on.rules import key_of, rule

pytestmark = pytest.mark.django_db


# Roles from groups ---------------------------------------------------------------------------------------------------


def test_groups_give_roles_also_groups_in_groups_and_a_ring_of_groups_ends(
    directory: Directory, administrator: User, archive: Archive, hospital: Organisation, server: slapd.Server
) -> None:
    rule(administrator, directory, value="radiology", role=key_of(archive, "reader"))
    rule(administrator, directory, value=f"cn=everybody,{slapd.GROUPS}", role=key_of(archive, "contributor"))
    sign_in(Client(), "ada@hospital")
    user = User.objects.get(username="ada@hospital")
    with exchange.with_provider(directory):
        entry = ldap.look_up(directory, name="ada")
    assert entry is not None and {"residents", "radiology", "everybody"} <= set(entry.claims["groups"])
    assert may_read(user, archive)
    change(directory, nests_groups=False)
    sign_in(Client(), "ada@hospital")
    assert not may_read(user, archive)
    sign_in(Client(), "jörg@hospital")
    assert not any(may_read(one, archive) for one in User.objects.exclude(pk=administrator.pk))


def test_passwords_are_never_read_even_if_a_rule_asks(
    directory: Directory, administrator: User, archive: Archive
) -> None:
    rule(
        administrator,
        directory,
        claim="userPassword",
        how="like",
        value="{SSHA}*",
        role=key_of(archive, "reader"),
    )
    with exchange.with_provider(directory):
        entry = ldap.look_up(directory, name="ada")
    assert entry is not None and "password" not in str(entry.claims).lower()


# The nightly look ----------------------------------------------------------------------------------------------------


def test_who_is_gone_from_the_directory_loses_the_membership_and_who_is_there_keeps_it(
    directory: Directory, administrator: User, archive: Archive, hospital: Organisation, server: slapd.Server
) -> None:
    rule(administrator, directory, value="radiology", role=key_of(archive, "reader"))
    with slapd.as_root(server) as connection:
        leaver = slapd.add_person(connection, uid="leaver", name="Soon Gone")
    session = Client()
    for name in ("leaver", "grace"):
        sign_in(session if name == "leaver" else Client(), f"{name}@hospital")
    gone, stays = (User.objects.get(username=f"{name}@hospital") for name in ("leaver", "grace"))
    services.grant_role(actor=administrator, container=archive, role="reader", user=gone)
    assert session.get("/o/hospital/").status_code == 200 and may_read(stays, archive)
    sync_directories()
    assert may_read(gone, archive) and may_read(stays, archive)
    with slapd.as_root(server) as connection:
        assert connection.delete(leaver)
    for _twice in range(2):
        sync_directories()
        assert not may_read(gone, archive) and may_read(stays, archive)
        assert session.get("/o/hospital/").status_code == 404
    with tenant(hospital):
        assert not Membership.objects.get(user=gone).is_active and Membership.objects.get(user=stays).is_active
        assert Membership.objects.get(user=administrator).is_active
    assert fresh(directory).last_synced_at is not None


def test_a_directory_that_does_not_answer_ends_nobody(directory: Directory, hospital: Organisation) -> None:
    sign_in(Client(), "ada@hospital")
    change(directory, address="ldaps://localhost:1")
    assert directories.sync(directory=fresh(directory)) == 0
    with tenant(hospital):
        assert Membership.objects.get(user__username="ada@hospital").is_active


def test_when_everybody_seems_gone_nobody_is_ended(
    directory: Directory, hospital: Organisation, server: slapd.Server
) -> None:
    for number in range(5):
        with slapd.as_root(server) as connection:
            slapd.add_person(connection, uid=f"crowd{number}", name=f"Crowd {number}")
        sign_in(Client(), f"crowd{number}@hospital")
    change(directory, people_filter="(&(objectClass=account)(uid={name}))")
    assert directories.sync(directory=fresh(directory)) == 0
    with tenant(hospital):
        assert Membership.objects.filter(user__username__startswith="crowd", is_active=True).count() == 5
    assert outcomes(directory)[-1] == "many-gone"
