"""Nothing that was answered to a person stays in a browser, but pictures and static files."""

from __future__ import annotations

import pytest
from django.test import Client

from access import services
from tests.access.factories import make_member, make_organisation
from tests.access.test_every_route import NOT_INSIDE, address

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("way", ["session", "token"])
def test_no_answer_to_a_signed_in_person_may_be_kept(way: str) -> None:
    person = make_member(make_organisation("hospital"))
    if way == "session":
        client = Client()
        client.force_login(person, backend="access.backends.PasswordBackend")
    else:
        _token, secret = services.create_token(user=person, name="t", scopes=["read", "dicomweb"])
        client = Client(headers={"Authorization": f"Bearer {secret}"})
    inside = ["/o/hospital/", "/o/hospital/nowhere/", "/o/elsewhere/", "/o/hospital/dicomweb/none/studies"]
    for there in [*inside, *(address(route, converters, "") for route, converters in NOT_INSIDE)]:
        answer = client.get(there)
        is_challenge = answer.status_code == 401
        assert "no-store" in answer.headers.get("Cache-Control", "") or is_challenge, there


def test_pages_of_signing_in_and_out_may_not_be_kept_either() -> None:
    person = make_member(make_organisation("hospital"))
    client = Client()
    assert "no-store" in client.get("/accounts/sign-in/")["Cache-Control"]
    client.force_login(person, backend="access.backends.PasswordBackend")
    assert "no-store" in client.post("/accounts/sign-out/")["Cache-Control"]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "head", "options"])
@pytest.mark.parametrize("place", ["/api/v1/docs/", "/api/v1/schema/"])
def test_the_description_of_the_api_answers_every_method(place: str, method: str) -> None:
    assert getattr(Client(), method)(place).status_code in (200, 405)
