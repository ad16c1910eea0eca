"""LDAP directories: slapd on loopback, asked the way people and attackers ask."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from access import queries, services, sudo
from access.models import Directory, Membership, Organisation, SignOnEvent, User
from access.single_sign_on import directories, ldap
from access.single_sign_on import services as sign_ons
from access.single_sign_on.forms import DirectoryForm
from access.tasks import sync_directories
from archive.models import Archive
from archive.services import create_archive
from audit.models import Event
from core.tenancy import all_tenants, tenant
from tests.access import slapd
from tests.access.factories import make_member, make_organisation, make_user
from tests.peers import require_slapd

pytestmark = pytest.mark.django_db
WRONG = "User name and password do not belong together"


@pytest.fixture(autouse=True)
def _loopback(settings: Any) -> None:
    settings.SIGN_ON_LOOPBACK = True


@pytest.fixture(scope="module")
def server(tmp_path_factory: Any) -> Iterator[slapd.Server]:
    with slapd.running(require_slapd(), tmp_path_factory.mktemp("slapd")) as found:
        slapd.fill(found)
        yield found


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, roles=("administrator",), username="boss@hospital")


@pytest.fixture
def archive(hospital: Organisation) -> Archive:
    return create_archive(actor=None, organisation=hospital, slug="clinical", name="Clinical", ae_title="CLINICAL")


def settings_of(server: slapd.Server, **more: Any) -> dict[str, Any]:
    return {
        "label": "Hospital directory",
        "address": server.secure,
        "authorities": server.authority,
        "bind_name": slapd.READER,
        "people_base": slapd.PEOPLE,
        "people_filter": "(&(objectClass=inetOrgPerson)(uid={name}))",
        "groups_base": slapd.GROUPS,
        "admits": "everybody",
    } | more


@pytest.fixture
def directory(server: slapd.Server, hospital: Organisation, administrator: User) -> Directory:
    made = sign_ons.add(
        actor=administrator,
        organisation=hospital,
        model=Directory,
        values=settings_of(server),
        secret=slapd.READER_PASSWORD,
    )
    sign_ons.switch(actor=administrator, sign_on=made, on=True)
    return fresh(made)


def fresh(directory: Directory) -> Directory:
    with tenant(directory.organisation):
        found: Directory = Directory.objects.select_related("organisation").get(pk=directory.pk)
    return found


def change(directory: Directory, **values: Any) -> Directory:
    with tenant(directory.organisation):
        Directory.objects.filter(pk=directory.pk).update(**values)
    return fresh(directory)


def sign_in(client: Client, name: str, password: str | None = None) -> Any:
    secret = f"password of {name.rpartition('@')[0]}" if password is None else password
    return client.post(reverse("access:sign-in"), {"username": name, "password": secret})


def is_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def outcomes(directory: Directory) -> list[str]:
    with all_tenants():
        return list(SignOnEvent.objects.filter(directory=directory).order_by("pk").values_list("outcome", flat=True))


def rule(administrator: User, directory: Directory, *, value: str, container: Any, role: str) -> None:
    key = f"{container.container_kind()}:{container.pk}:{role}"
    sign_ons.add_rule(actor=administrator, sign_on=directory, claim="groups", how="equals", value=value, role=key)


def may_read(user: User, archive: Archive) -> bool:
    with tenant(archive.organisation):
        return bool(queries.may(user, "archive.view_archive", archive))


# Coming in --------------------------------------------------------------------------------------------------------------


def test_a_person_of_the_directory_signs_in_by_the_ordinary_form(directory: Directory, hospital: Organisation) -> None:
    client = Client()
    assert sign_in(client, "ada@hospital").status_code == 302
    assert client.get("/o/hospital/").status_code == 200
    user = User.objects.get(username="ada@hospital")
    assert (user.display_name, user.email, user.has_usable_password()) == ("Ada Lovelace", "ada@hospital.org", False)
    again = Client()
    sign_in(again, "ADA@Hospital", "password of ada")
    assert again.session["_auth_user_id"] == str(user.pk)
    assert outcomes(directory) == ["signed-in", "signed-in"]
    with all_tenants():
        acts = list(Event.objects.filter(target_id=str(user.pk)).values_list("action", flat=True))
    assert "session.started" in acts and "session.refused" not in acts


@pytest.mark.parametrize("name", ["jörg", "zoe*)("])
def test_names_of_the_whole_world_and_with_signs_of_filters_are_names(directory: Directory, name: str) -> None:
    client = Client()
    assert sign_in(client, f"{name}@hospital").status_code == 302 and is_in(client)


@pytest.mark.parametrize(
    "name",
    [
        "*",
        "a*",
        "*)(uid=*",
        "ada)(|(uid=*",
        "*)(objectClass=*))(&(uid=ada",
        "ada\\2a",
        "",
        " ",
        "ada ",
        "x" * 300,
        "ada\x00",
        "nobody",
    ],
)
def test_a_name_is_never_a_filter(directory: Directory, name: str) -> None:
    for password in ("password of ada", "password of grace", f"password of {name}"):
        client = Client()
        answer = sign_in(client, f"{name}@hospital", password)
        if not is_in(client):
            assert answer.status_code in (422, 429)
        else:
            # A space around a name is no part of it; nothing else is forgiven.
            assert name.strip() == "ada" and password == "password of ada"


@pytest.mark.parametrize(
    "password", ["", " ", "\x00", "password of ada\x00", "wrong", "*", "x" * 2000, "password of grace"]
)
def test_only_the_person_s_own_password_opens(directory: Directory, server: slapd.Server, password: str) -> None:
    """slapd greets a name with an empty password as nobody, and says that all is well: here it is a wrong password."""
    assert ldap.authenticate(directory, name="ada", password=password) is None
    client = Client()
    assert sign_in(client, "ada@hospital", password).status_code == 422 and not is_in(client)


def test_the_server_of_these_tests_does_greet_an_empty_password(server: slapd.Server) -> None:
    """Otherwise the test above would prove nothing."""
    name = f"uid=ada,{slapd.PEOPLE}".encode()
    bind = b"\x02\x01\x03\x04" + bytes([len(name)]) + name + b"\x80\x00"  # version 3, the name, no password
    message = b"\x02\x01\x01\x60" + bytes([len(bind)]) + bind
    with socket.create_connection(("127.0.0.1", int(server.plain.rpartition(":")[2])), timeout=5) as connection:
        connection.sendall(b"\x30" + bytes([len(message)]) + message)
        answer = connection.recv(1000)
    assert b"\x0a\x01\x00" in answer, answer  # resultCode: success


def test_an_expired_password_is_told_to_who_knows_it(directory: Directory) -> None:
    time.sleep(2.1)
    client = Client()
    answer = sign_in(client, "late@hospital")
    assert answer.status_code == 422 and "has expired" in answer.content.decode() and not is_in(client)
    assert WRONG in sign_in(Client(), "late@hospital", "wrong").content.decode()


def test_a_locked_account_is_a_wrong_password(directory: Directory) -> None:
    assert WRONG in sign_in(Client(), "locked@hospital").content.decode()


def test_a_name_that_fits_two_people_fits_nobody(directory: Directory) -> None:
    client = Client()
    assert sign_in(client, "twin@hospital").status_code == 422 and not is_in(client)
    assert outcomes(directory) == ["ambiguous"]


def test_failures_close_the_name_as_with_passwords_of_our_own(directory: Directory) -> None:
    for _attempt in range(10):
        assert sign_in(Client(), "ada@hospital", "wrong").status_code == 422
    assert sign_in(Client(), "ada@hospital").status_code == 429


def test_a_directory_signs_in_people_of_its_own_organisation_only(directory: Directory, hospital: Organisation) -> None:
    make_organisation("partner")
    for name in ("ada@partner", "ada", "ada@", "@hospital", "ada@nowhere", "ada@hospital@partner"):
        client = Client()
        assert sign_in(client, name, "password of ada").status_code == 422 and not is_in(client), name


def test_a_session_by_a_directory_opens_no_other_organisation(directory: Directory) -> None:
    client = Client()
    sign_in(client, "ada@hospital")
    partner = make_organisation("partner")
    services.add_member(actor=None, organisation=partner, user=User.objects.get(username="ada@hospital"))
    assert client.get("/o/partner/").status_code == 403


# Accounts that are there --------------------------------------------------------------------------------------------------


def test_an_account_with_that_name_is_taken_over_only_when_the_organisation_says_so(
    directory: Directory, hospital: Organisation
) -> None:
    local = make_member(hospital, username="ada@hospital")
    client = Client()
    answer = sign_in(client, "ada@hospital", "password of ada")
    assert answer.status_code == 422 and "own password" in answer.content.decode() and not is_in(client)
    assert sign_in(Client(), "ada@hospital", "correct horse battery staple").status_code == 302
    change(directory, takes_over_names=True)
    sign_in(client, "ada@hospital", "password of ada")
    assert client.session["_auth_user_id"] == str(local.pk)


def test_administrators_of_the_installation_are_never_taken_over(directory: Directory) -> None:
    change(directory, takes_over_names=True)
    root = make_user("grace@hospital")
    User.objects.filter(pk=root.pk).update(is_installation_administrator=True)
    assert sign_in(Client(), "grace@hospital", "password of grace").status_code == 422


def test_the_directory_s_password_proves_and_unlocks(directory: Directory, rf: Any) -> None:
    client = Client()
    sign_in(client, "ada@hospital")
    client.post(reverse("access:lock"))
    assert client.get("/o/hospital/").status_code == 423
    assert client.post(reverse("access:unlock"), {"password": "wrong"}).status_code != 302
    assert client.get("/o/hospital/").status_code == 423
    client.post(reverse("access:unlock"), {"password": "password of ada"})
    assert client.get("/o/hospital/").status_code == 200
    assert sudo.methods_of(User.objects.get(username="ada@hospital")) == ["password"]


# Roles from groups --------------------------------------------------------------------------------------------------------


def test_groups_give_roles_also_groups_in_groups_and_a_ring_of_groups_ends(
    directory: Directory, administrator: User, archive: Archive, hospital: Organisation, server: slapd.Server
) -> None:
    rule(administrator, directory, value="radiology", container=archive, role="reader")
    rule(administrator, directory, value=f"cn=everybody,{slapd.GROUPS}", container=archive, role="contributor")
    sign_in(Client(), "ada@hospital")
    user = User.objects.get(username="ada@hospital")
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
    key = f"{archive.container_kind()}:{archive.pk}:reader"
    sign_ons.add_rule(
        actor=administrator, sign_on=directory, claim="userPassword", how="like", value="{SSHA}*", role=key
    )
    entry = ldap.look_up(directory, name="ada")
    assert entry is not None and "password" not in str(entry.claims).lower()


# When the directory is not well -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ({"address": "ldaps://localhost:1"}, "unreachable"),
        ({"authorities": ""}, "tls"),
        ({"bind_name": "cn=unknown,dc=hospital,dc=org"}, "bind-refused"),
        ({"people_base": "ou=nowhere,dc=hospital,dc=org"}, "search"),
    ],
)
def test_a_broken_directory_leaves_local_accounts_working_and_says_why(
    directory: Directory, administrator: User, broken: dict[str, Any], code: str
) -> None:
    row = change(directory, **broken)
    problem = sign_ons.try_connection(actor=administrator, sign_on=row)
    assert problem is not None and problem.code == code
    client = Client()
    answer = sign_in(client, "ada@hospital")
    assert answer.status_code == 422 and "did not answer" in answer.content.decode() and not is_in(client)
    assert outcomes(directory)[-1] == code
    assert sign_in(Client(), administrator.username, "correct horse battery staple").status_code == 302


def test_a_server_with_the_wrong_name_is_not_spoken_to(directory: Directory, administrator: User) -> None:
    row = change(directory, address=directory.address.replace("localhost", "127.0.0.2"))
    problem = sign_ons.try_connection(actor=administrator, sign_on=row)
    assert problem is not None and problem.code in ("tls", "unreachable")


def test_a_plain_address_is_encrypted_before_anything_is_said(
    directory: Directory, administrator: User, server: slapd.Server
) -> None:
    row = change(directory, address=server.plain)
    assert sign_ons.try_connection(actor=administrator, sign_on=row) is None
    client = Client()
    assert sign_in(client, "ada@hospital").status_code == 302 and is_in(client)
    row = change(directory, authorities="")
    problem = sign_ons.try_connection(actor=administrator, sign_on=row)
    assert problem is not None and problem.code == "tls"


def test_this_machine_is_not_a_directory_unless_told_so(directory: Directory, settings: Any) -> None:
    settings.SIGN_ON_LOOPBACK = False
    assert sign_in(Client(), "ada@hospital").status_code == 422
    assert outcomes(directory) == ["address"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("address", "http://localhost"),
        ("address", "ldap://user:secret@localhost"),
        ("address", "ldapi://%2Fvar%2Frun%2Fslapd"),
        ("people_filter", "(uid=ada)"),
        ("people_filter", "(&(uid={name})"),
        ("people_filter", "uid={name}"),
        ("people_base", "not a name"),
        ("id_attribute", "uid)(x=*"),
        ("authorities", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"),
    ],
)
def test_settings_that_cannot_work_are_refused(server: slapd.Server, field: str, value: str) -> None:
    data = settings_of(server, id_attribute="entryUUID", name_attribute="cn", email_attribute="mail")
    data |= {"groups_filter": "(objectClass=groupOfNames)", "member_attribute": "member", "secret": "s"}
    assert not DirectoryForm(data).errors
    assert field in DirectoryForm(data | {field: value}).errors


# The nightly look -----------------------------------------------------------------------------------------------------------


def test_who_is_gone_from_the_directory_loses_the_membership_and_who_is_there_keeps_it(
    directory: Directory, administrator: User, archive: Archive, hospital: Organisation, server: slapd.Server
) -> None:
    rule(administrator, directory, value="radiology", container=archive, role="reader")
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


# The administrator's pages --------------------------------------------------------------------------------------------------


def test_an_administrator_adds_tries_and_looks_up(
    server: slapd.Server, hospital: Organisation, administrator: User
) -> None:
    client = Client()
    sign_in(client, administrator.username, "correct horse battery staple")
    where = {"organisation": "hospital", "kind": "directories"}
    data = settings_of(server, id_attribute="entryUUID", name_attribute="cn", email_attribute="mail")
    data |= {"groups_filter": "(objectClass=groupOfNames)", "member_attribute": "member", "nests_groups": "on"}
    there = reverse("access:sso-add", kwargs=where)
    assert client.post(there, data).status_code == 422  # without a password for searching
    made = client.post(there, data | {"secret": slapd.READER_PASSWORD})
    assert made.status_code == 302
    with tenant(hospital):
        row = Directory.objects.get()
    assert not row.is_active and slapd.READER_PASSWORD not in row.sealed_password
    assert slapd.READER_PASSWORD not in client.get(made.headers["Location"]).content.decode()
    one = where | {"sign_on": row.public_id}
    answer = client.post(reverse("access:sso-test", kwargs=one), follow=True)
    assert "The connection works." in answer.content.decode()
    found = client.post(reverse("access:sso-look-up", kwargs=one), {"name": "ada"}).content.decode()
    assert "radiology" in found and not SocialAccount.objects.exists()
    for name in ("nobody", "*", "twin"):
        assert client.post(reverse("access:sso-look-up", kwargs=one), {"name": name}).status_code == 422
