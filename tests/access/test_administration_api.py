"""People, roles and settings by the API: for programs that provision them, with a token of the scope `admin`."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client

from access import queries, services, sudo
from access.models import Organisation, User
from access.sign_in import sessions
from archive.models import Archive
from audit.models import Event
from core.tenancy import tenant
from tests.access.factories import make_member, make_organisation
from tests.archive.factories import make_archive

pytestmark = pytest.mark.django_db


@pytest.fixture
def hospital() -> Organisation:
    return make_organisation("hospital")


@pytest.fixture
def administrator(hospital: Organisation) -> User:
    return make_member(hospital, roles=("administrator",))


@pytest.fixture
def archive(hospital: Organisation) -> Archive:
    return make_archive(hospital, slug="scans", name="Scans")


def door(user: User, *scopes: str, containers: list[str] | None = None) -> Client:
    _token, secret = services.create_token(
        user=user, name="provisioning", scopes=list(scopes) or ["admin"], containers=containers or []
    )
    return Client(headers={"Authorization": f"Bearer {secret}"})


def at(path: str, organisation: str = "hospital") -> str:
    return f"/api/v1/o/{organisation}/{path}"


def key(container: Any) -> str:
    return f"{container.container_kind()}:{container.pk}"


def send(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(at(path), body, content_type="application/json")


def test_a_person_is_made_given_a_role_suspended_and_ended(
    hospital: Organisation, administrator: User, archive: Archive
) -> None:
    client = door(administrator)
    answer = send(client, "post", "people/", {"name": "ada", "display_name": "Ada", "email": "ada@example.org"})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    person = User.objects.get(username="ada@hospital")
    assert person.check_password(answer.json()["one_time_password"])
    there = f"people/{person.pk}/"

    role = {"container": key(archive), "role": "reader"}
    for _again in range(2):
        assert send(client, "post", f"{there}roles/", role).status_code == 201
    assert client.get(at(f"{there}roles/")).json() == [
        {"container": key(hospital), "name": str(hospital), "role": "member"},
        {"container": key(archive), "name": "Scans", "role": "reader"},
    ]
    assert queries.may(person, "archive.view_archive", archive)

    assert send(client, "put", f"{there}suspension/").json()["state"] == "suspended"
    assert not queries.may(person, "archive.view_archive", archive)
    assert send(client, "put", f"{there}suspension/").status_code == 409
    assert client.delete(at(f"{there}suspension/")).json()["state"] == "active"
    assert queries.may(person, "archive.view_archive", archive)

    assert client.delete(at(f"{there}roles/{key(archive)}/reader/")).status_code == 204
    assert not queries.may(person, "archive.view_archive", archive)
    assert client.delete(at(there)).status_code == 204
    assert client.get(at(there)).json()["state"] == "ended"
    with tenant(hospital):
        told = Event.objects.filter(target_label="ada@hospital").order_by("pk").values_list("action", flat=True)
        assert list(told) == [
            "account.created", "membership.added", "role.granted", "role.granted", "membership.suspended",
            "membership.restored", "role.revoked", "membership.ended",
        ]  # fmt: skip


def test_people_are_found_filtered_and_paged(hospital: Organisation, administrator: User) -> None:
    readers = [make_member(hospital, username=f"reader-{number}@hospital") for number in range(3)]
    make_member(make_organisation("elsewhere"), username="stranger@elsewhere")
    services.remove_member(actor=administrator, organisation=hospital, user=readers[2])
    client = door(administrator)

    def names(query: str) -> list[str]:
        return [row["username"] for row in client.get(at(f"people/?{query}")).json()["results"]]

    assert names("q=reader") == ["reader-0@hospital", "reader-1@hospital", "reader-2@hospital"]
    assert names("q=reader&state=active") == ["reader-0@hospital", "reader-1@hospital"]
    assert names("state=ended") == ["reader-2@hospital"]
    assert names("q=stranger") == []
    assert names("q=reader&limit=1&offset=1") == ["reader-1@hospital"]
    assert client.get(at("people/?state=nonsense")).status_code == 400


def test_only_the_scope_admin_of_who_may_administer_opens_it(hospital: Organisation, administrator: User) -> None:
    member = make_member(hospital)
    stranger = make_member(make_organisation("elsewhere"), roles=("administrator",))
    for client, status in (
        (door(administrator), 200),
        (door(administrator, "read", "write", "dicomweb"), 403),
        (door(member), 403),
        (door(stranger), 404),
        (Client(), 401),
    ):
        for path in ("people/", f"people/{member.pk}/", f"people/{member.pk}/roles/", "containers/", "settings/"):
            assert client.get(at(path)).status_code == status, path
    assert door(stranger).get(at(f"people/{member.pk}/", "elsewhere")).status_code == 404


def test_a_token_for_an_archive_administers_nobody(
    hospital: Organisation, administrator: User, archive: Archive
) -> None:
    services.grant_role(actor=None, container=archive, role="reader", user=administrator)
    assert door(administrator, containers=[key(archive)]).get(at("people/")).status_code in (403, 404)
    assert door(administrator, containers=[key(hospital)]).get(at("people/")).status_code == 200


def test_a_session_proves_anew_before_it_changes_roles(
    hospital: Organisation, administrator: User, archive: Archive
) -> None:
    member = make_member(hospital)
    client = Client()
    client.force_login(administrator, backend="access.backends.PasswordBackend")
    session = client.session
    session[sessions.BEGUN] = int(time.time()) - sudo.VALID_SECONDS - 1
    session.save()
    answer = send(client, "post", f"people/{member.pk}/roles/", {"container": key(archive), "role": "reader"})
    assert (answer.status_code, answer.json()["code"]) == (403, "proof-needed")
    assert not queries.may(member, "archive.view_archive", archive)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        {"container": "archive.archive:999999", "role": "reader"},
        {"container": "auth.user:1", "role": "administrator"},
        {"container": "\x00", "role": "reader"},
    ],
)
def test_roles_that_are_none_are_refused(hospital: Organisation, administrator: User, body: Any) -> None:
    member = make_member(hospital)
    answer = send(door(administrator), "post", f"people/{member.pk}/roles/", body)
    assert answer.status_code in (400, 422), answer.content


def test_a_container_of_another_organisation_is_no_container(hospital: Organisation, administrator: User) -> None:
    theirs = make_archive(make_organisation("elsewhere"))
    member = make_member(hospital)
    client = door(administrator)
    body = {"container": key(theirs), "role": "reader"}
    assert send(client, "post", f"people/{member.pk}/roles/", body).status_code in (400, 422)
    assert client.delete(at(f"people/{member.pk}/roles/{key(theirs)}/reader/")).status_code == 404


def test_the_last_administrator_stays(hospital: Organisation, administrator: User) -> None:
    client = door(administrator)
    there = f"people/{administrator.pk}/"
    assert client.delete(at(f"{there}roles/{key(hospital)}/administrator/")).status_code == 409
    assert client.delete(at(there)).status_code == 409
    assert send(client, "put", f"{there}suspension/").status_code == 409


def test_settings_take_what_they_offer_and_nothing_else(hospital: Organisation, administrator: User) -> None:
    client = door(administrator)
    answer = send(client, "patch", "settings/", {"name": "Department", "retention_days": 3650})
    assert (answer.status_code, answer.json()["name"], answer.json()["retention_days"]) == (200, "Department", 3650)
    for body in ({"slug": "other"}, {"people_quota": 9}, {"suspended_at": None}, {"time_zone": "Mars/Olympus"}):
        assert send(client, "patch", "settings/", body).status_code in (400, 422), body
    hospital.refresh_from_db()
    assert (hospital.slug, hospital.name, hospital.people_quota) == ("hospital", "Department", None)


def test_the_list_costs_the_same_however_many_there_are(
    hospital: Organisation, administrator: User, django_assert_max_num_queries: Any
) -> None:
    client = door(administrator)
    client.get(at("people/"))
    for _person in range(12):
        make_member(hospital)
    with django_assert_max_num_queries(24):
        assert client.get(at("people/")).json()["count"] == 13
