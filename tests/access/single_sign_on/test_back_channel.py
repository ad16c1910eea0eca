"""The provider says that somebody signed out there: which sessions end, which do not, and who is not believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from allauth.mfa.totp.internal import auth as totp
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from jwt import encode

from access.models import IdentityProvider, Organisation, SignOnEvent, User
from access.sign_in import sessions
from access.single_sign_on import back_channel
from audit.models import Event
from core.tenancy import all_tenants, tenant
from tests.access.factories import make_member, make_organisation
from tests.access.openid_provider import CLIENT, GOOD_KEY, OTHER_KEY, Liar, bent
from tests.access.single_sign_on import coming_in

pytestmark = pytest.mark.django_db
PASSWORD = "correct horse battery staple"
FORM = "application/x-www-form-urlencoded"
Tell = Callable[..., Any]


@pytest.fixture
def liar(liar: Liar) -> Liar:
    # Seconds before: what is told of now is told of sign-ins that were before it.
    liar.token = {"sid": "there-1", "iat": int(time.time()) - 5}
    return liar


def add_provider(organisation: Organisation, liar: Liar, **values: Any) -> IdentityProvider:
    boss = make_member(organisation, roles=("administrator",))
    return coming_in.add_provider(boss, organisation, issuer=liar.issuer, **{"admits": "everybody", **values})


@pytest.fixture
def tell(django_capture_on_commit_callbacks: Any) -> Tell:
    """Post a token as a provider does: no cookie, no header of a browser."""

    def post(provider: IdentityProvider, token: str, **headers: str) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return Client(enforce_csrf_checks=True).post(
                door(provider), urlencode({"logout_token": token}), content_type=FORM, headers=headers
            )

    return post


def door(provider: IdentityProvider) -> str:
    return reverse("access:sign-on-back-channel", kwargs={"provider": provider.public_id})


def come(provider: IdentityProvider, liar: Liar, *, session: str | None = "there-1", subject: str = "42") -> Client:
    """A browser whose session began at the provider."""
    liar.person, liar.token = {"sub": subject}, {"sid": session, "iat": int(time.time()) - 5}
    client = Client()
    out = client.get(reverse("access:sign-on", kwargs={"provider": provider.public_id}))
    answer = client.get(liar.authorise(out.headers["Location"]).removeprefix(django_settings.PUBLIC_URL))
    assert answer.status_code == 302, answer.content[:300]
    return client


def come_by_password(user: User) -> Client:
    client = Client()
    client.post(reverse("access:sign-in"), {"username": user.username, "password": PASSWORD})
    assert is_open(client)
    return client


def is_open(client: Client) -> bool:
    return client.get(reverse("access:profile")).status_code == 200


def logout_token(
    liar: Liar, *, key: Any = GOOD_KEY, algorithm: str = "RS256", header: dict[str, Any] | None = None, **claims: Any
) -> str:
    """An honest one unless told otherwise; a claim or header that is None is left out."""
    now = int(time.time())
    said = {
        "iss": liar.issuer,
        "aud": CLIENT["client_id"],
        "iat": now,
        "exp": now + 120,
        "jti": secrets.token_urlsafe(8),
        "events": {back_channel.EVENT: {}},
    } | claims
    headers = {"kid": "good", "typ": "logout+jwt"} | (header or {})
    return encode(
        {name: value for name, value in said.items() if value is not None},
        None if algorithm == "none" else key,
        algorithm=algorithm,
        headers={name: value for name, value in headers.items() if value is not None},
    )


def outcomes(provider: IdentityProvider) -> list[str]:
    with all_tenants():
        rows = SignOnEvent.objects.filter(provider=provider).exclude(outcome="signed-in")
        return list(rows.order_by("pk").values_list("outcome", flat=True))


def trail(organisation: Organisation, action: str) -> list[Event]:
    with all_tenants():
        return list(Event.objects.filter(action=action, organisation=organisation))


# What ends --------------------------------------------------------------------------------------------------------------


def test_a_person_who_signs_out_there_is_signed_out_everywhere_here(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    desk, ward = come(provider, liar), come(provider, liar, session="there-2")
    colleague = come(provider, liar, subject="43", session="there-3")
    answer = tell(provider, logout_token(liar, sub="42"))
    assert (answer.status_code, answer.headers["Cache-Control"], answer.json()) == (200, "no-store", {})
    assert not answer.cookies
    assert (is_open(desk), is_open(ward), is_open(colleague)) == (False, False, True)
    person = SocialAccount.objects.get(uid="42").user
    [event] = trail(hospital, "sign-on.signed-out")
    assert (event.target_id, event.detail["count"], event.outcome) == (str(person.pk), 2, "success")
    assert outcomes(provider) == ["signed-out"]


def test_one_session_there_is_one_session_here(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    desk, ward = come(provider, liar), come(provider, liar, session="there-2")
    assert tell(provider, logout_token(liar, sid="there-1")).status_code == 200
    assert (is_open(desk), is_open(ward)) == (False, True)
    assert tell(provider, logout_token(liar, sid="there-2", sub="42")).status_code == 200
    assert not is_open(ward)


def test_person_and_session_together_have_to_fit_both(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    desk = come(provider, liar)
    for wrong in ({"sub": "43", "sid": "there-1"}, {"sub": "42", "sid": "there-9"}):
        assert tell(provider, logout_token(liar, **wrong)).status_code == 200
    assert is_open(desk)
    # Where the provider never said to which of its sessions ours belongs, it may be the one.
    unsaid = come(provider, liar, session=None, subject="44")
    assert tell(provider, logout_token(liar, sub="44", sid="there-9")).status_code == 200
    assert not is_open(unsaid)


def test_very_long_names_of_person_and_session_are_found_again(
    provider: IdentityProvider, liar: Liar, tell: Tell
) -> None:
    subject, session = "s" * 255, "t" * 255
    desk = come(provider, liar, subject=subject, session=session)
    other = come(provider, liar, subject="s" * 254 + "x", session="t" * 254 + "x")
    tell(provider, logout_token(liar, sub=subject, sid=session))
    assert (is_open(desk), is_open(other)) == (False, True)


def test_nobody_there_is_no_failure(provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation) -> None:
    assert tell(provider, logout_token(liar, sub="nobody")).status_code == 200
    assert outcomes(provider) == ["signed-out-nobody"] and trail(hospital, "sign-on.signed-out") == []


def test_sessions_that_began_by_a_password_or_elsewhere_stay(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    """Two organisations with the same provider and the same client: each hears of its own sessions alone."""
    partner = make_organisation("partner")
    theirs = add_provider(partner, liar)
    here, there = come(provider, liar), come(theirs, liar)
    person: Any = SocialAccount.objects.get(provider=provider.public_id, uid="42").user
    person.set_password(PASSWORD)
    person.save()
    here = come(provider, liar)  # the new password ended the session of before
    own = come_by_password(person)
    tell(provider, logout_token(liar, sub="42"))
    assert (is_open(here), is_open(there), is_open(own)) == (False, True, True)
    tell(provider, logout_token(liar, sid="there-1"))
    assert is_open(there)
    assert [len(trail(one, "sign-on.signed-out")) for one in (hospital, partner)] == [1, 0]
    tell(theirs, logout_token(liar, sid="there-1"))
    assert (is_open(there), is_open(own)) == (False, True)


def test_a_token_of_another_provider_is_no_token_here(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    """The other organisation's provider signs with its own key, and means its own people of the same names."""
    desk = come(provider, liar)
    with bent() as other:
        theirs = add_provider(make_organisation("partner"), other)
        own = logout_token(other, sub="42", key=GOOD_KEY)
        assert tell(provider, own).status_code == 400
        assert is_open(desk)
        assert tell(theirs, logout_token(liar, sub="42")).status_code == 400
        assert tell(theirs, own).status_code == 200
    assert is_open(desk)
    assert outcomes(provider) == ["logout-token-issuer"]


def test_what_a_suspended_organisation_s_provider_ends_stays_ended(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    from django.utils import timezone

    desk = come(provider, liar)
    Organisation.objects.filter(pk=hospital.pk).update(suspended_at=timezone.now())
    assert tell(provider, logout_token(liar, sub="42")).status_code == 200
    Organisation.objects.filter(pk=hospital.pk).update(suspended_at=None)
    assert not is_open(desk)


def test_what_is_switched_off_hears_nothing(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    with tenant(provider.organisation):
        IdentityProvider.objects.filter(pk=provider.pk).update(is_active=False)
    answer = tell(provider, logout_token(liar, sub="42"))
    assert answer.status_code == 404 and answer.json()["error_description"] == "unknown-provider"


# A sign-in on its way -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("meant", [{"sub": "42"}, {"sid": "there-1"}, {"sub": "42", "sid": "there-1"}])
def test_a_sign_in_that_waits_for_its_second_factor_does_not_outlive_the_one_there(
    meant: dict[str, str], provider: IdentityProvider, liar: Liar, tell: Tell
) -> None:
    come(provider, liar)
    person: Any = SocialAccount.objects.get(uid="42").user
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    client = come(provider, liar)
    assert not is_open(client)
    tell(provider, logout_token(liar, **meant))
    code = totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30))
    answer = client.post(reverse("access:second-factor"), {"code": code})
    assert answer.status_code == 403 and "signed out there" in answer.content.decode()
    assert not is_open(client)


def test_another_session_there_goes_on_through_its_second_factor(
    provider: IdentityProvider, liar: Liar, tell: Tell
) -> None:
    come(provider, liar)
    person: Any = SocialAccount.objects.get(uid="42").user
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(person, secret)
    client = come(provider, liar, session="there-2")
    tell(provider, logout_token(liar, sub="42", sid="there-1"))
    code = totp.format_hotp_value(totp.hotp_value(secret, int(time.time()) // 30))
    assert client.post(reverse("access:second-factor"), {"code": code}).status_code == 302
    assert is_open(client)


# Who is not believed ------------------------------------------------------------------------------------------------------

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


# Where it is shown ------------------------------------------------------------------------------------------------------


def test_the_page_of_the_provider_shows_the_address_and_what_came(
    provider: IdentityProvider, liar: Liar, tell: Tell, hospital: Organisation
) -> None:
    come(provider, liar)
    tell(provider, logout_token(liar, sub="42", key=OTHER_KEY))
    tell(provider, logout_token(liar, sub="42"))
    boss = come_by_password(make_member(hospital, roles=("administrator",)))
    where = {"organisation": "hospital", "kind": "providers", "sign_on": provider.public_id}
    page = boss.get(reverse("access:sso", kwargs=where)).content.decode()
    assert f'data-copy="{django_settings.PUBLIC_URL}{door(provider)}"' in page
    assert "A sign-out was not accepted: the signature is wrong" in page
    assert "so the sessions here ended" in page


def test_a_session_s_own_list_shows_nothing_of_an_ended_one(provider: IdentityProvider, liar: Liar, tell: Tell) -> None:
    come(provider, liar)
    person: Any = SocialAccount.objects.get(uid="42").user
    tell(provider, logout_token(liar, sub="42"))
    assert not sessions.UserSession.objects.filter(user=person).exists()
