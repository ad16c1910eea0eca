"""Every address of the resolver is tried by the two people who must never get in: nobody, and a stranger."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from access import services
from tests.access.factories import make_member, make_organisation

pytestmark = pytest.mark.django_db

# Routes outside an organisation, with what nobody gets there. A new one has to be added here on purpose.
OUTSIDE: dict[str, int] = {
    "": 302,
    "accounts/sign-in/": 200,
    "accounts/sign-in/passkey/": 200,
    "accounts/sign-out/": 405,
    "accounts/sign-on/": 200,
    "accounts/reset/": 200,
    "accounts/reset/sent/": 200,
    "accounts/reset/<str:who>/<str:key>/": 410,
    # Where share links lead: the code comes by POST, and nothing is said before.
    "shared/": 200,
    "api/v1/me/": 401,
    "api/v1/organisations/": 401,
    # What the API offers is no secret; what it holds is.
    "api/v1/schema/": 200,
    "api/v1/docs/": 200,
}

METHODS = ("get", "post", "put", "patch", "delete")

SAMPLES: dict[str, Any] = {
    "slug": "sample",
    "int": 1,
    "str": "sample",
    "uuid": uuid.UUID(int=1),
    "path": "sample/path",
}


def routes(
    patterns: list[URLPattern | URLResolver] | None = None, before: str = "", converters: dict[str, Any] | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    for pattern in patterns if patterns is not None else get_resolver().url_patterns:
        route = before + str(pattern.pattern)
        known = {**(converters or {}), **pattern.pattern.converters}
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route, known)
        else:
            yield route, known


def address(route: str, converters: dict[str, Any], organisation: str) -> str:
    filled = route
    for name, converter in converters.items():
        value = organisation if name == "organisation" else sample(name, converter)
        for spelling in (f"<{converter_name(route, name)}:{name}>", f"<{name}>"):
            filled = filled.replace(spelling, str(value))
    return "/" + filled


def converter_name(route: str, name: str) -> str:
    before = route.split(f":{name}>", maxsplit=1)[0]
    return before.rsplit("<", 1)[-1] if f":{name}>" in route else ""


def sample(name: str, converter: Any) -> Any:
    """A value that the converter takes; UIDs and dates look like ones."""
    for value in (*SAMPLES.values(), "1.2.3", "1", date(2026, 1, 1).isoformat(), "abcdefghjkmn"):
        try:
            converter.to_python(str(value))
        except ValueError:
            continue
        if re.fullmatch(converter.regex, str(value)):
            return value
    raise AssertionError(f"no sample for <{name}>; add one to SAMPLES")


INSIDE = [(route, known) for route, known in routes() if "organisation" in known]
NOT_INSIDE = [(route, known) for route, known in routes() if "organisation" not in known]


def test_there_are_routes() -> None:
    assert len(INSIDE) > 20


@pytest.mark.parametrize("method", METHODS)
def test_nobody_enters_an_organisation(method: str) -> None:
    organisation = make_organisation("walled")
    client = Client()
    for route, converters in INSIDE:
        there = address(route, converters, organisation.slug)
        answer = getattr(client, method)(there)
        assert answer.status_code in (302, 401), (method, route, answer.status_code)
        if answer.status_code == 302:
            assert answer.headers["Location"].startswith("/accounts/sign-in/?next="), (method, route)


@pytest.mark.parametrize("method", METHODS)
def test_to_a_stranger_an_organisation_does_not_exist(method: str) -> None:
    make_organisation("walled")
    other = make_organisation("elsewhere")
    stranger = make_member(other, roles=("administrator", "officer"))
    _token, secret = services.create_token(user=stranger, name="t", scopes=["read", "write", "dicomweb"])
    signed_in = Client()
    signed_in.force_login(stranger)
    by_token = Client(headers={"Authorization": f"Bearer {secret}"})
    for route, converters in INSIDE:
        for client in (signed_in, by_token):
            there, nowhere = (address(route, converters, slug) for slug in ("walled", "there-is-none"))
            answer, absent = getattr(client, method)(there), getattr(client, method)(nowhere)
            assert answer.status_code in ((404,) if client is signed_in else (404, 401)), (method, route)
            assert answer.status_code == absent.status_code, (method, route)
            assert answer.content.replace(b"walled", b"x") == absent.content.replace(b"there-is-none", b"x") or (
                b"csrf" in answer.content.lower()
            ), (method, route)


def test_each_route_outside_an_organisation_is_there_on_purpose() -> None:
    client = Client()
    for route, converters in NOT_INSIDE:
        there = address(route, converters, "")
        status = client.get(there).status_code
        if route in OUTSIDE:
            assert status == OUTSIDE[route], (route, status)
        else:
            assert status in (302, 401, 404, 405), f"{route} answers {status} to nobody; add it to OUTSIDE on purpose"
