"""The provider says that somebody signed out there, and their sessions here end (OpenID Connect Back-Channel Logout 1.0).

Only what began by this provider's sign-on ends: no session of another provider, and none that began by a password.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import structlog
from django.core.cache import cache
from django.db import DatabaseError, transaction
from django.http import HttpRequest

from access import hooks, throttle
from access.models import User
from access.sign_in import sessions
from access.single_sign_on import arriving, binding, exchange, oidc
from access.single_sign_on import claims as claiming
from access.single_sign_on.errors import SignOnRefused, TooManyTokens
from access.single_sign_on.models import IdentityProvider, SignOn
from core.callers import client_address
from core.tenancy import tenant

EVENT = "http://schemas.openid.net/event/backchannel-logout"
# 2.4 recommends the first; without a type, or with the general one, older providers send theirs.
TYPES = ("logout+jwt", "jwt")
# A token is taken once, so it has to be remembered for as long as it could be taken again.
OLDEST_SECONDS = 10 * 60
REMEMBERED_SECONDS = OLDEST_SECONDS + 2 * oidc.LEEWAY_SECONDS
# A sign-in may wait so long for its second factor.
HALF_WAY_SECONDS = 20 * 60
NOTED_SECONDS = 60
BAD_TOKENS_PER_ADDRESS = 60

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SignedOut:
    """Whom the provider means: a person, one of its own sessions, or both. Empty where it names none."""

    subject: str
    session_there: str
    issued_at: float
    token_id: str


def read(token: Any, *, provider: IdentityProvider, may_ask: bool = True) -> SignedOut:
    """What a logout token says, checked (2.6). Raises `SignOnRefused` with the first thing that is wrong as its code."""
    header = oidc.read_header(token)
    kind = header.get("typ", TYPES[0])
    if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TYPES:
        raise SignOnRefused(code="token-type")
    claims = oidc.read_signed(
        token,
        header=header,
        provider=provider,
        document=oidc.discover(provider.issuer, may_ask=may_ask),
        required=["iss", "aud", "iat", "exp", "jti"],
        may_ask=may_ask,
    )
    if int(claims["iat"]) < time.time() - OLDEST_SECONDS:
        raise SignOnRefused(code="token-old")
    named = {name: claims[name] for name in ("sub", "sid") if name in claims}
    if not named or not all(oidc.is_identifier(value) for value in named.values()):
        raise SignOnRefused(code="token-subject")
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
        raise SignOnRefused(code="token-event")
    if "nonce" in claims:  # an ID token is none, whatever else it says
        raise SignOnRefused(code="token-nonce")
    return SignedOut(
        subject=claiming.kept_name(named.get("sub", "")),
        session_there=claiming.kept_name(named.get("sid", "")),
        issued_at=float(claims["iat"]),
        token_id=claims["jti"],
    )


def take(token: Any, *, provider: IdentityProvider, request: HttpRequest) -> int:
    """End the sessions that a logout token means; returns how many. Raises `SignOnRefused`.

    Who sends many bad tokens makes us ask the provider nothing more and write nothing more; a good one still counts.
    """
    bad = throttle.counter("back-channel:address", client_address(request))
    is_flooded = throttle.counted(bad) >= BAD_TOKENS_PER_ADDRESS
    try:
        with exchange.with_provider(provider):
            said = read(token, provider=provider, may_ask=not is_flooded)
        once = _key("token", provider, said.token_id)
        if not cache.add(once, 1, REMEMBERED_SECONDS):
            raise SignOnRefused(code="token-replayed")
    except SignOnRefused as error:
        throttle.count(bad)
        if is_flooded:
            raise TooManyTokens(code="too-many-tokens") from error
        _refuse(provider, code=error.code, request=request)
        raise
    try:
        return _end(said, provider=provider, request=request)
    except DatabaseError:
        cache.delete(once)  # nothing has ended: the provider may say it again
        raise


def _refuse(provider: IdentityProvider, *, code: str, request: HttpRequest) -> None:
    # Anybody can send tokens; they must not push what matters out of list, trail and log.
    if not cache.add(_key("noted", provider, code), 1, NOTED_SECONDS):
        return
    logger.warning("back_channel_refused", provider=provider.public_id, code=code)
    arriving.note(sign_on=provider, outcome=f"logout-{code}")
    with tenant(provider.organisation):
        hooks.tell(
            action="sign-on.logout-refused",
            organisation=provider.organisation,
            target=provider,
            detail={"sign_on": provider.public_id, "why": code},
            outcome="refused",
            request=request,
        )


@transaction.atomic
def _end(said: SignedOut, *, provider: IdentityProvider, request: HttpRequest) -> int:
    for mark in _marks(provider, subject=said.subject, session_there=said.session_there):
        cache.set(mark, said.issued_at, HALF_WAY_SECONDS)
    rows = list(
        binding.rows_meant(provider, subject=said.subject, session_there=said.session_there).select_related("user")
    )
    people: Counter[User] = Counter(row.user for row in rows)
    for person, count in people.items():
        arriving.note(sign_on=provider, outcome="signed-out", user=person)
        with tenant(provider.organisation):
            hooks.tell(
                action="sign-on.signed-out",
                organisation=provider.organisation,
                target=person,
                detail={"sign_on": provider.public_id, "count": count},
                request=request,
            )
    if not rows:
        arriving.note(sign_on=provider, outcome="signed-out-nobody")
    keys = [row.session_key for row in rows]
    transaction.on_commit(lambda: sessions.end_by_keys(keys))
    return len(keys)


# A sign-in on its way -------------------------------------------------------------------------------------------------


def is_over(*, sign_on: SignOn, subject: str, session_there: str, issued_at: float) -> bool:
    """Whether the provider said meanwhile, while a sign-in was on its way here, that the person signed out again."""
    if session_there:
        wanted = [_key("session", sign_on, session_there), _key("person", sign_on, subject)]
    else:
        wanted = _marks(sign_on, subject=subject, session_there="")
        wanted.append(_key("person-by-session", sign_on, subject))
    return any(issued_at <= ended_at for ended_at in cache.get_many(wanted).values())


def _marks(sign_on: SignOn, *, subject: str, session_there: str) -> list[str]:
    found = [_key("session", sign_on, session_there)] if session_there else []
    if subject:
        found.append(_key("person-by-session" if session_there else "person", sign_on, subject))
    return found


def _key(kind: str, sign_on: SignOn, name: str) -> str:
    digest = hashlib.sha256(name.encode()).hexdigest()[:32]
    return f"sign-on-logout:{kind}:{sign_on.public_id}:{digest}"
