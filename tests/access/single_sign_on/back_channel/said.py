"""What a provider says of a sign-out, and browsers whose sessions began there."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse
from jwt import encode

from access.models import IdentityProvider, Organisation, SignOnEvent, User
from access.single_sign_on import back_channel
from audit.models import Event
from core.tenancy import all_tenants
from tests.access.factories import make_member
from tests.access.openid_provider import CLIENT, GOOD_KEY, Liar
from tests.access.single_sign_on import coming_in

PASSWORD = "correct horse battery staple"
FORM = "application/x-www-form-urlencoded"
Tell = Callable[..., Any]


def add_provider(organisation: Organisation, liar: Liar, **values: Any) -> IdentityProvider:
    boss = make_member(organisation, roles=("administrator",))
    return coming_in.add_provider(boss, organisation, issuer=liar.issuer, **{"admits": "everybody", **values})


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
