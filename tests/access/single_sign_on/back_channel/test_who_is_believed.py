"""Which words of a sign-out are believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.test import Client

from access.models import IdentityProvider, Organisation
from access.single_sign_on import back_channel
from tests.access.factories import make_organisation
from tests.access.openid_provider import CLIENT, GOOD_KEY, OTHER_KEY, Liar
from tests.access.single_sign_on.back_channel.said import (
    FORM,
    Tell,
    add_provider,
    come,
    door,
    is_open,
    logout_token,
    outcomes,
    trail,
)

pytestmark = pytest.mark.django_db

NOW = int(time.time())
LIES: dict[str, tuple[dict[str, Any], str]] = {
    "another key": ({"key": OTHER_KEY}, "token-signature"),
    "a key that is not listed": ({"header": {"kid": "unknown"}}, "token-key"),
    "no signature": ({"algorithm": "none"}, "token-algorithm"),
    "the client's secret": ({"algorithm": "HS256", "key": CLIENT["client_secret"]}, "token-algorithm"),
    "another issuer": ({"iss": "https://other.example"}, "token-issuer"),
    "no issuer": ({"iss": None}, "token-malformed"),
    "another audience": ({"aud": "other"}, "token-audience"),
    "no audience": ({"aud": None}, "token-malformed"),
    "several audiences": ({"aud": ["pacsweb", "other"]}, "token-party"),
    "another party": ({"azp": "other"}, "token-party"),
    "expired": ({"iat": NOW - 400, "exp": NOW - 300}, "token-expired"),
    "never expires": ({"exp": None}, "token-malformed"),
    "no time": ({"iat": None}, "token-malformed"),
    "a time that is none": ({"iat": "yesterday"}, "token-malformed"),
    "long ago, and holds for days": ({"iat": NOW - 3600, "exp": NOW + 86_400}, "token-old"),
    "from the future": ({"iat": NOW + 3600, "exp": NOW + 7200}, "token-not-yet"),
    "no identifier": ({"jti": None}, "token-malformed"),
    "identifier of another kind": ({"jti": 7}, "token-malformed"),
    "a nonce": ({"nonce": "n"}, "token-nonce"),
    "an empty nonce": ({"nonce": ""}, "token-nonce"),
    "no events": ({"events": None}, "token-event"),
    "another event": ({"events": {"http://schemas.openid.net/event/other": {}}}, "token-event"),
    "a list of events": ({"events": [back_channel.EVENT]}, "token-event"),
    "an event that is no object": ({"events": {back_channel.EVENT: True}}, "token-event"),
    "neither person nor session": ({"sub": None}, "token-subject"),
    "an empty person": ({"sub": ""}, "token-subject"),
    "a person of another kind": ({"sub": 42}, "token-malformed"),
    "a session of another kind": ({"sid": ["there-1"]}, "token-subject"),
    "a session that is too long": ({"sid": "t" * 256}, "token-subject"),
    "a token of another type": ({"header": {"typ": "at+jwt"}}, "token-type"),
    "a type of another kind": ({"header": {"typ": 7}}, "token-type"),
    "a header that must be understood": ({"header": {"crit": ["exp"]}}, "token-malformed"),
}


def test_a_lie_ends_no_session_and_is_named(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    desk = come(provider, liar)
    wrong = []
    for lie, (changes, code) in LIES.items():
        answer = tell(provider, logout_token(liar, **{"sub": "42"} | changes))
        said = answer.json()
        if (answer.status_code, said["error"], said["error_description"]) != (400, "invalid_request", code):
            wrong.append((lie, answer.status_code, said))
        assert answer.headers["Cache-Control"] == "no-store" and not answer.cookies, lie
    assert wrong == []
    assert is_open(desk)
    # Each reason once: whoever repeats a lie does not fill list and trail.
    codes = sorted({code for _changes, code in LIES.values()})
    assert sorted(outcomes(provider)) == [f"logout-{code}" for code in codes]
    refused = trail(hospital, "sign-on.logout-refused")
    assert sorted(event.detail["why"] for event in refused) == codes
    assert {event.outcome for event in refused} == {"refused"}


def test_the_public_key_is_no_shared_secret(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    """The oldest forgery: HS256, with what everybody can read of the provider as the secret."""
    desk = come(provider, liar)
    public = GOOD_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    _header, payload, _signature = logout_token(liar, sub="42").split(".")
    header = part({"alg": "HS256", "kid": "good", "typ": "logout+jwt"})
    signature = hmac.new(public, f"{header}.{payload}".encode(), hashlib.sha256).digest()
    forged = f"{header}.{payload}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    answer = tell(provider, forged)
    assert (answer.status_code, answer.json()["error_description"]) == (400, "token-algorithm")
    assert is_open(desk)


def part(said: Any) -> str:
    text = said if isinstance(said, str) else json.dumps(said)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def test_an_id_token_signs_nobody_out(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    """Whoever holds one (it goes through browsers) must not make a logout token of it."""
    desk = come(provider, liar)
    now = int(time.time())
    for header in ({"typ": "JWT"}, {"typ": None}):
        token = logout_token(liar, sub="42", nonce="n", events=None, iat=now, exp=now + 300, header=header)
        assert tell(provider, token).json()["error_description"] == "token-event"
    assert is_open(desk)


@pytest.mark.parametrize("kind", ["JWT", "application/logout+jwt", "LOGOUT+JWT", None])
def test_older_providers_type_their_tokens_otherwise(
    kind: str | None, provider: IdentityProvider, liar: Liar, tell: Tell
) -> None:
    desk = come(provider, liar)
    assert tell(provider, logout_token(liar, sub="42", header={"typ": kind})).status_code == 200
    assert not is_open(desk)


def test_a_token_is_taken_once(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    token = logout_token(liar, sub="42", iat=int(time.time()) - 10)
    assert tell(provider, token).status_code == 200
    desk = come(provider, liar)
    assert is_open(desk)
    answer = tell(provider, token)
    assert (answer.status_code, answer.json()["error_description"]) == (400, "token-replayed")
    assert is_open(desk)
    # Another provider's token may bear the same identifier.
    theirs = add_provider(make_organisation("partner"), liar)
    assert tell(theirs, token).status_code == 200


def test_garbage_is_refused_before_it_costs_anything(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    desk = come(provider, liar)
    calls = len(liar.calls)
    good = logout_token(liar, sub="42")
    for garbage in (
        "",
        "x",
        "..",
        "a.b.c",
        "\x00",
        "ü.ü.ü",
        good[:-200],
        "." + good,
        part({"alg": "RS256"}) + ".." + "x",
        part('{"alg":"RS256","x":' + "[" * 30_000) + ".e30.x",
        part({"alg": ["RS256"]}) + ".e30.x",
        "x" * 70_000,
        "x" * 1_000_000,
        "x" * 11_000_000,
    ):
        answer = tell(provider, garbage)
        assert answer.status_code == 400 and answer.json()["error"] == "invalid_request", garbage[:50]
    client = Client()
    bodies = [
        {"data": json.dumps({"logout_token": good}), "content_type": "application/json"},
        {"data": {"logout_token": good}},  # multipart
        {"data": urlencode([("logout_token", good), ("logout_token", good)]), "content_type": FORM},
        {"data": "", "content_type": FORM, "query_params": {"logout_token": good}},
        {"data": "a&" * 20_000, "content_type": FORM},
        {"data": b"\xff\xfe=%ff", "content_type": FORM},
        {"data": f"logout_token={good}", "content_type": f"{FORM}; charset=utf-16"},
    ]
    for body in bodies:
        assert client.post(door(provider), **body).status_code == 400, str(body)[:100]  # type: ignore[arg-type]
    assert client.get(door(provider)).status_code == 405
    assert is_open(desk) and len(liar.calls) == calls
    assert client.post("/accounts/sign-on/nothing-here/back-channel-logout/").status_code == 404


def test_a_flood_is_slowed_and_the_provider_is_heard_through_it(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    desk = come(provider, liar)
    forged = logout_token(liar, sub="42", key=OTHER_KEY)
    for _time in range(back_channel.BAD_TOKENS_PER_ADDRESS):
        assert tell(provider, forged).status_code == 400
    answer = tell(provider, forged)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    assert answer.headers["Cache-Control"] == "no-store"
    assert outcomes(provider) == ["logout-token-signature"]
    assert len(trail(hospital, "sign-on.logout-refused")) == 1
    # Nothing is asked for a flood: a key nobody knows is not looked for, what was forgotten is not fetched.
    calls = len(liar.calls)
    assert tell(provider, logout_token(liar, sub="42", header={"kid": "unknown"})).status_code == 429
    assert len(liar.calls) == calls
    assert tell(provider, logout_token(liar, sub="42")).status_code == 200
    assert not is_open(desk)


def test_a_provider_that_cannot_be_asked_is_told_to_come_again(
    provider: IdentityProvider, liar: Liar, tell: Tell
) -> None:
    token = logout_token(liar, sub="42")
    liar.raw_discovery = b"<html>"
    answer = tell(provider, token)
    assert (answer.status_code, answer.json()["error"]) == (400, "temporarily_unavailable")
    liar.raw_discovery = None
    assert tell(provider, token).status_code == 200


def test_another_site_s_form_in_a_signed_in_browser_ends_nothing(provider: IdentityProvider, liar: Liar) -> None:
    """The door needs no csrf token, so it must do nothing for a browser that is made to come there."""
    desk = come(provider, liar)
    assert desk.post(door(provider), {"logout_token": "x"}).status_code == 400
    assert is_open(desk)
