"""Signing in by an LDAP directory: slapd on loopback, asked the way people and attackers ask."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from access import services, sudo
from access.models import Directory, Organisation, User
from access.single_sign_on import exchange, ldap
from audit.models import Event
from core.tenancy import all_tenants
from tests.access import slapd
from tests.access.factories import PASSWORD, make_member, make_organisation, make_user
from tests.access.single_sign_on.directory import change, sign_in
from tests.access.single_sign_on.outcome import is_in, outcomes

pytestmark = pytest.mark.django_db
WRONG = "Incorrect user name or password"


# Coming in -----------------------------------------------------------------------------------------------------------


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
    with exchange.with_provider(directory):
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


# Accounts that are there ---------------------------------------------------------------------------------------------


def test_an_account_with_that_name_is_taken_over_only_when_the_organisation_says_so(
    directory: Directory, hospital: Organisation
) -> None:
    local = make_member(hospital, username="ada@hospital")
    client = Client()
    answer = sign_in(client, "ada@hospital", "password of ada")
    assert answer.status_code == 422 and "own password" in answer.content.decode() and not is_in(client)
    assert sign_in(Client(), "ada@hospital", PASSWORD).status_code == 302
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
