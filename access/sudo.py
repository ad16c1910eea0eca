"""Proof that the person at the keyboard is still the one who signed in.

A sensitive act asks for it with one call in the view, before anything is done:

    sudo.require(request)                                   # a proof of the last minutes, or a sign-in as recent
    sudo.require(request, purpose="break-glass", once=True) # one made for this very act

Without a proof it raises `ProofNeeded`; the middleware answers with a page that asks for password, code or passkey and
then carries out the same request, its form included. A service that needs the record itself (an electronic signature)
calls `prove`, which returns who proved what, how and when.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from access import throttle
from access.errors import DirectoryAway, NotYetProven, ProofNeeded, TooManyAttempts, WrongProof
from access.models import User
from access.sign_in import factors, sessions
from access.single_sign_on import binding, directories, stepping_up
from access.single_sign_on.queries import providers_that_prove
from core.errors import Message

SENSITIVE = "sensitive"
OWN_SIGN_IN = "own-sign-in"
VALID_SECONDS = 10 * 60
SESSION_KEY = "proofs"
METHODS = ("password", "code", "passkey", "sign-on")


@dataclass(frozen=True)
class Proof:
    """`method` is "password", "directory", "totp", "recovery_codes", "webauthn", "sign-on" or "sign-in"."""

    user_id: int
    method: str
    purpose: str
    at: datetime


def methods_of(user: User, *, purpose: str = SENSITIVE) -> list[str]:
    """The ways in which this person can prove to be there. A provider's word is none where it is to be left behind."""
    found = ["password"] if user.has_usable_password() or directories.linked(user) else []
    if factors.has_app(user):
        found.append("code")
    if factors.has_passkey(user):
        found.append("passkey")
    if purpose != OWN_SIGN_IN and providers_that_prove(user):
        found.append("sign-on")
    return found


def prove(*, user: User, method: str, secret: str, purpose: str = SENSITIVE, request: HttpRequest) -> Proof:
    """Check a password, a code or a passkey's answer (JSON) and record it. Raises `WrongProof`, `TooManyAttempts`."""
    if method == "sign-on" and "sign-on" not in methods_of(user, purpose=purpose):
        raise WrongProof
    if method == "sign-on" and not stepping_up.use(request=request, user=user, purpose=purpose):
        raise NotYetProven  # a question of patience, not of guessing
    attempt = throttle.attempt(request=request, name=throttle.name_of(user))
    if not attempt.is_admitted:
        raise TooManyAttempts
    try:
        shown = _check(user=user, method=method, secret=secret, request=request)
    except DirectoryAway:
        if not user.has_usable_password():  # nothing was compared with it, so nothing was guessed
            attempt.was_none()
        raise
    if shown is None:
        sessions.tell(
            action="identity.refused", user=user, request=request, detail={"purpose": purpose}, outcome="refused"
        )
        raise WrongProof
    attempt.succeeded()
    proof = Proof(user_id=user.pk, method=shown, purpose=purpose, at=datetime.now(tz=UTC))  # noqa: TID251 -- as signed
    sessions.tell(action="identity.confirmed", user=user, request=request, detail={"purpose": purpose, "method": shown})
    return proof


def _check(*, user: User, method: str, secret: str, request: HttpRequest) -> str | None:
    if method == "sign-on":
        return method
    if method == "password":
        if user.has_usable_password() and user.check_password(secret):
            return "password"
        return "directory" if directories.takes_password(user=user, password=secret) else None
    if method == "code":
        authenticator = factors.check_code(user=user, code=secret)
    elif method == "passkey":
        try:
            credential = json.loads(secret)
        except (ValueError, RecursionError):
            return None
        authenticator = factors.check_passkey(user=user, credential=credential)
    else:
        return None
    if authenticator is None:
        return None
    factors.note_use(authenticator=authenticator, request=request)
    return str(authenticator.type)


def keep(*, request: HttpRequest, proof: Proof) -> None:
    """Let the session know of the proof, for `require`."""
    kept = dict(request.session.get(SESSION_KEY) or {})
    kept[proof.purpose] = {"user": proof.user_id, "method": proof.method, "at": proof.at.timestamp()}
    request.session[SESSION_KEY] = kept


def _sign_in_as_proof(request: HttpRequest, *, user: User) -> dict[str, Any] | None:
    """A sign-in proves as much as a question would, unless it was another organisation that vouched for the person."""
    if binding.is_foreign(request):
        return None
    return {"user": user.pk, "method": "sign-in", "at": request.session.get(sessions.BEGUN) or 0}


def find(request: HttpRequest, *, purpose: str = SENSITIVE) -> Proof | None:
    """A proof for the purpose that still holds. A sign-in counts for `SENSITIVE` as long as a proof would."""
    user = request.user
    if not isinstance(user, User):
        return None
    kept = (request.session.get(SESSION_KEY) or {}).get(purpose)
    if kept is None and purpose == SENSITIVE:
        kept = _sign_in_as_proof(request, user=user)
    elif purpose == SENSITIVE and kept is not None:
        begun = request.session.get(sessions.BEGUN) or 0
        if begun > kept["at"]:
            kept = _sign_in_as_proof(request, user=user) or kept
    if kept is None or kept["user"] != user.pk or not 0 <= time.time() - kept["at"] <= VALID_SECONDS:
        return None
    return Proof(user_id=user.pk, method=kept["method"], purpose=purpose, at=datetime.fromtimestamp(kept["at"], tz=UTC))


def require(request: HttpRequest, *, purpose: str = SENSITIVE, once: bool = False, reason: Message = "") -> Proof:
    """The proof that holds for `purpose`, or `ProofNeeded`. With `once` it is used up by this act.

    `reason` is shown above the question ("Removing a second factor"). API tokens prove nothing: no session, no proof.
    """
    proof = None if getattr(request, "api_token", None) is not None else find(request, purpose=purpose)
    if proof is None:
        raise ProofNeeded(purpose=purpose, reason=reason)
    if once:
        request.session[SESSION_KEY] = {
            name: kept for name, kept in (request.session.get(SESSION_KEY) or {}).items() if name != purpose
        }
    return proof


def required(
    *, purpose: str = SENSITIVE, once: bool = False, reason: Message = "", methods: tuple[str, ...] = ()
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """The same for a whole view; `methods` limits it, e.g. to `("POST",)`."""

    def decorate(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not methods or request.method in methods:
                require(request, purpose=purpose, once=once, reason=reason)
            return view(request, *args, **kwargs)

        guarded.proof_act = purpose  # type: ignore[attr-defined]
        return guarded

    return decorate
