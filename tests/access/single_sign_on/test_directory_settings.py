"""Setting up a directory: what is tried and refused, and a server that is not well."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from django.urls import reverse

from access.models import Directory, Organisation, User
from access.single_sign_on import services as sign_ons
from access.single_sign_on.forms import DirectoryForm
from core.tenancy import tenant
from tests.access import slapd
from tests.access.factories import PASSWORD
from tests.access.single_sign_on.directory import change, settings_of, sign_in
from tests.access.single_sign_on.outcome import is_in, outcomes

pytestmark = pytest.mark.django_db


# When the directory is not well --------------------------------------------------------------------------------------


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
    assert answer.status_code == 503 and "did not answer" in answer.content.decode() and not is_in(client)
    assert outcomes(directory)[-1] == code
    assert sign_in(Client(), administrator.username, PASSWORD).status_code == 302


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
    assert sign_in(Client(), "ada@hospital").status_code == 503
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


# The administrator's pages -------------------------------------------------------------------------------------------


def test_an_administrator_adds_tries_and_looks_up(
    server: slapd.Server, hospital: Organisation, administrator: User
) -> None:
    client = Client()
    sign_in(client, administrator.username, PASSWORD)
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
