"""Proofs of being there, which sensitive acts ask for."""

from __future__ import annotations

from typing import Any

import pytest
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import reverse

from access import sudo
from access.errors import ProofNeeded
from access.models import Organisation, User
from tests.access.factories import PASSWORD, make_member
from tests.access.sign_in.sessions import forget_sign_in, signed_in

pytestmark = pytest.mark.django_db


def test_a_sensitive_act_asks_and_then_happens_with_the_form_that_was_filled_in(member: User) -> None:
    client = signed_in(member)
    forget_sign_in(client)
    there = reverse("access:address-change")
    asked = client.post(there, {"email": "new@example.org"})
    assert asked.status_code == 403
    assert ("email", "new@example.org") in asked.context["repeated"]
    again = {"email": "new@example.org", "proof-purpose": "sensitive"}
    assert client.post(there, {**again, "proof-password": "wrong"}).status_code == 422
    assert client.post(there, {**again, "proof-password": PASSWORD}).status_code == 302
    assert member.emailaddress_set.get().email == "new@example.org"  # type: ignore[attr-defined]
    assert client.post(there, {"email": "other@example.org"}).status_code == 302, "the proof holds for some minutes"


def test_a_page_asks_and_then_opens(member: User) -> None:
    client = signed_in(member)
    forget_sign_in(client)
    there = reverse("access:app-add")
    assert client.get(there).status_code == 403
    answer = client.post(there, {"proof-purpose": "sensitive", "proof-get": "1", "proof-password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, there)
    assert client.get(there).status_code == 200


def test_a_proof_is_bound_to_person_purpose_and_time(member: User, hospital: Organisation) -> None:
    def request_of(session: Any, user: User) -> Any:
        request = RequestFactory().post("/")
        request.user, request.session = user, session
        return request

    client = signed_in(member)
    request = request_of(client.session, member)
    proof = sudo.prove(user=member, method="password", secret=PASSWORD, purpose="break-glass", request=request)
    assert (proof.user_id, proof.method, proof.purpose) == (member.pk, "password", "break-glass")
    with pytest.raises(ProofNeeded):
        sudo.require(request, purpose="break-glass")
    sudo.keep(request=request, proof=proof)
    with pytest.raises(ProofNeeded):
        sudo.require(request, purpose="signature")
    with pytest.raises(ProofNeeded):
        sudo.require(request_of(request.session, make_member(hospital)), purpose="break-glass")
    assert sudo.require(request, purpose="break-glass", once=True).method == "password"
    with pytest.raises(ProofNeeded):
        sudo.require(request, purpose="break-glass")
    sudo.keep(request=request, proof=proof)
    request.session[sudo.SESSION_KEY]["break-glass"]["at"] -= sudo.VALID_SECONDS + 1
    with pytest.raises(ProofNeeded):
        sudo.require(request, purpose="break-glass")


def test_a_token_proves_nothing(member: User) -> None:
    request = RequestFactory().post("/")
    request.user, request.session = member, signed_in(member).session  # type: ignore[assignment]
    sudo.require(request)
    request.api_token = object()  # type: ignore[attr-defined]
    with pytest.raises(ProofNeeded):
        sudo.require(request)


def test_the_view_never_sees_the_proof(member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from access.sign_in.middleware import ProofMiddleware

    request = RequestFactory().post("/x/", {"name": "kept", "proof-purpose": "sensitive", "proof-password": PASSWORD})
    request.user, request.session = member, signed_in(member).session  # type: ignore[assignment]
    assert ProofMiddleware(lambda _request: HttpResponse()).process_view(request, None, (), {}) is None
    assert dict(request.POST.items()) == {"name": "kept"}
