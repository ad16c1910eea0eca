"""Role × method × route over every address of an organisation, with a second hospital behind the wall."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from access.models import User
from access.people import containers_of
from access.services import create_token, grant_role
from core.tenancy import tenant
from tests.access.factories import make_member, make_user
from tests.matrix import table
from tests.matrix.walk import INSIDE, METHODS, address, ask, known_methods
from tests.matrix.world import OF_TRIALS_ONLY, ROLES, World, make_world
from trials.models import Site

pytestmark = pytest.mark.django_db
MACHINE_APP = re.compile(r"dicomweb:|[^:]*-api:")
MACHINE_DOORS = [(route, arguments) for route, arguments in INSIDE if MACHINE_APP.match(route)]
#: Not even to read without the scope `admin`.
ADMINISTRATION = {
    f"access-api:{name}" for name in ("settings", "containers", "people", "person", "suspension", "roles", "role")
} | {"dimse-api:refused-caller-allow"}
GUARDS = {
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("DENY",),
    "Referrer-Policy": ("same-origin", "no-referrer"),
    "Cross-Origin-Opener-Policy": ("same-origin",),
}
#: What a browser may keep: pixels, and nothing that names anybody. (The bulk data that is asked for here are pixels.)
PICTURES = re.compile(
    r"dicomweb:(.+-)?(rendered|thumbnail|frames|frame-list|bulk-data)$|archive:thumbnail$|access:logo$"
)
KEPT = re.compile(rb"(?m)^Cache-Control: (?!.*no-store).*$")
APPS = sorted({route.split(":")[0] for route, _arguments in INSIDE})


@pytest.fixture(scope="module")
def hospitals(django_db_setup: None, django_db_blocker: Any) -> Iterator[tuple[World, World]]:
    """Built once: every request is rolled back, so none finds what another left."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield make_world(slug="north", word="Northwood"), make_world(slug="south", word="Southgate")
        transaction.set_rollback(True)


def signed_in(user: User | None) -> Client:
    client = Client(raise_request_exception=False)
    if user is not None:
        client.force_login(user)
    return client


@pytest.mark.parametrize("app", APPS)
def test_each_role_gets_from_each_route_what_the_table_says(app: str, hospitals: tuple[World, World]) -> None:
    north, south = hospitals
    asked = [role for role in ROLES if app.startswith("trials") or role not in OF_TRIALS_ONLY]
    clients = {role: signed_in(north.people[role]) for role in asked}
    all_rights = signed_in(everything(north))
    found: dict[str, str] = {}
    leaks: list[str] = []
    for route, arguments in INSIDE:
        if route.split(":")[0] != app:
            continue
        place = address(route=route, arguments=arguments, world=north)
        block: dict[str, dict[str, int]] = {}
        for method in known_methods(all_rights, place):
            for role, client in clients.items():
                status, answer = ask(client, method, place)
                block.setdefault(method, {})[role] = status
                headers = answer.partition(b"\n\n")[0]
                if not PICTURES.fullmatch(route) and (b"Cache-Control: " not in headers or KEPT.search(headers)):
                    leaks.append(f"{method} {route} as {role} may be kept")
                leaks += [f"{method} {route} as {role}: {word}" for word in south.marks if word.encode() in answer]
        found[route] = table.write_block(block)
    assert leaks == []
    expected = {route: lines for route, lines in table.read().items() if route.split(":")[0] == app}
    different = [(route, lines) for route, lines in found.items() if lines != expected.get(route)]
    gone = sorted(set(expected) - set(found))
    # In the form of the file: read each line before it goes there.
    print(f"<<<\n{table.as_file(different)}\n>>>")
    assert ([route for route, _lines in different], gone) == ([], [])


def everything(world: World) -> User:
    """A person with every role on every container of the hospital, but for that which would confine them to a site."""
    person = make_member(world.organisation)
    with tenant(world.organisation):
        for container in containers_of(world.organisation):
            if isinstance(container, Site):
                continue
            for role in container.ROLES:
                grant_role(actor=None, container=container, role=role, user=person)
    return person


def installation_administrator() -> User:
    person = make_user()
    person.is_installation_administrator = person.is_superuser = True
    person.save(update_fields=["is_installation_administrator", "is_superuser"])
    return person


def test_the_table_names_no_other_app() -> None:
    assert {route.split(":")[0] for route in table.read()} == set(APPS)


def test_all_rights_elsewhere_and_the_whole_installation_open_nothing(hospitals: tuple[World, World]) -> None:
    north, south = hospitals
    wrong: list[str] = []
    for name, client in (
        ("nobody", signed_in(None)),
        ("everything elsewhere", signed_in(everything(south))),
        ("installation administrator", signed_in(installation_administrator())),
    ):
        for route, arguments in INSIDE:
            place = address(route=route, arguments=arguments, world=north)
            for method in METHODS:
                status, answer = ask(client, method, place)
                if status not in ((302, 401) if name == "nobody" else (404,)):
                    wrong.append(f"{method} {route} answers {status} to {name}")
                if status == 302 and b"/accounts/sign-in/?next=" not in answer:
                    wrong.append(f"{method} {route} sends {name} elsewhere than to the sign-in page")
                wrong += [f"{method} {route} tells {name} {word}" for word in north.marks if word.encode() in answer]
    assert wrong == []


def test_an_id_of_the_other_hospital_in_ones_own_address_finds_nothing(hospitals: tuple[World, World]) -> None:
    north, south = hospitals
    client = signed_in(everything(north))
    wrong: list[str] = []
    tried = 0
    for route, arguments in INSIDE:
        for name in sorted(arguments - {"organisation"}):
            theirs = south.value_for(route=route, name=name)
            if theirs == north.value_for(route=route, name=name):
                continue  # an address both have; the table's test looks for the other's contents there
            place = address(route=route, arguments=arguments, world=north, **{name: theirs})
            for method in METHODS:
                tried += 1
                status, answer = ask(client, method, place)
                if status not in table.REFUSED:
                    wrong.append(f"{method} {route} with the other's {name}: {status}")
                wrong += [f"{method} {route}: {word}" for word in south.marks if word.encode() in answer]
    assert tried > 300
    assert wrong == []


def test_every_answer_tells_the_browser_to_be_careful_with_it(hospitals: tuple[World, World]) -> None:
    """No script or frame of another origin, no guessing of types, no address of ours told elsewhere."""
    north, _south = hospitals
    wrong: list[str] = []
    for name, client in (("nobody", signed_in(None)), ("everything", signed_in(everything(north)))):
        for route, arguments in INSIDE:
            status, answer = ask(client, "get", address(route=route, arguments=arguments, world=north))
            lines = answer.decode(errors="replace").splitlines()
            said = dict(line.split(": ", 1) for line in reversed(lines) if ": " in line)  # headers stand first
            policy = {
                words[0]: words[1:]
                for part in said.get("Content-Security-Policy", "").split(";")
                if (words := part.split())
            }
            if policy.get("default-src") != ["'self'"] or policy.get("frame-ancestors") != ["'none'"]:
                wrong.append(f"{route} as {name} ({status}): no policy of content")
            if {"'unsafe-inline'", "'unsafe-eval'", "*"} & set(policy.get("script-src", ["*"])):
                wrong.append(f"{route} as {name} ({status}): scripts of anywhere")
            for header, values in GUARDS.items():
                if said.get(header) not in values:
                    wrong.append(f"{route} as {name} ({status}): {header} is {said.get(header)}")
    assert wrong == []


@pytest.mark.parametrize("scope", ["read", "write", "dicomweb", "fhir", "admin"])
def test_a_token_does_what_its_scope_says_and_no_more_than_its_person(
    scope: str, hospitals: tuple[World, World]
) -> None:
    north, _south = hospitals
    person = everything(north)
    _token, secret = create_token(user=person, name=scope, scopes=[scope])
    by_token, by_session = Client(headers={"authorization": f"Bearer {secret}"}), signed_in(person)
    by_token.raise_request_exception = by_session.raise_request_exception = False
    wrong: list[str] = []
    for route, arguments in MACHINE_DOORS:
        place = address(route=route, arguments=arguments, world=north)
        for method in known_methods(by_session, place):
            status, _answer = ask(by_token, method, place)
            if route.startswith("dicomweb:"):
                opens = scope == "dicomweb"
            elif route in ADMINISTRATION:
                opens = scope == "admin"
            else:
                opens = scope == ("read" if method == "get" else "write")
            if not opens and status not in (401, *table.REFUSED):
                wrong.append(f"{method} {route} with {scope}: {status}")
            elif opens and status in (401, 403):
                session_status, _same = ask(by_session, method, place)
                if session_status != status and session_status not in table.REFUSED:
                    wrong.append(f"{method} {route} with {scope}: {status}, by session {session_status}")
    assert wrong == []


def test_no_token_opens_a_page(hospitals: tuple[World, World]) -> None:
    north, _south = hospitals
    _token, secret = create_token(
        user=everything(north), name="all", scopes=["read", "write", "dicomweb", "fhir", "admin"]
    )
    by_token = Client(headers={"authorization": f"Bearer {secret}"}, raise_request_exception=False)
    wrong: list[str] = []
    for route, arguments in INSIDE:
        if (route, arguments) in MACHINE_DOORS:
            continue
        place = address(route=route, arguments=arguments, world=north)
        for method in METHODS:
            status, _answer = ask(by_token, method, place)
            if status not in (401, *table.REFUSED):
                wrong.append(f"{method} {route}: {status}")
    assert wrong == []
