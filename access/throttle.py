"""Slows guessing of passwords: failures are counted for the user name and for the address they come from."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

WINDOW_SECONDS = 15 * 60
FAILURES_PER_NAME = 10
FAILURES_PER_ADDRESS = 60
MAIL_WINDOW_SECONDS = 60 * 60
LETTERS_PER_NAME = 5
LETTERS_PER_ADDRESS = 30


def client_address(request: HttpRequest) -> str:
    """Where the request comes from; a proxy's word counts only when one is trusted."""
    if getattr(settings, "TRUSTED_PROXY", False):
        forwarded = request.headers.get("X-Forwarded-For", "").split(",")[-1].strip()
        if forwarded:
            return forwarded
    return str(request.META.get("REMOTE_ADDR", ""))


def _keys(*, request: HttpRequest, username: str) -> list[tuple[str, int]]:
    # Hashed: neither names nor addresses belong into a cache in clear.
    def key(kind: str, value: str) -> str:
        return f"sign-in:{kind}:{hashlib.sha256(value.encode()).hexdigest()[:32]}"

    return [
        (key("name", username.strip().casefold()), FAILURES_PER_NAME),
        (key("address", client_address(request)), FAILURES_PER_ADDRESS),
    ]


def is_closed(*, request: HttpRequest, username: str) -> bool:
    """Whether so many attempts failed lately that this one is not even looked at."""
    return any((cache.get(key) or 0) >= limit for key, limit in _keys(request=request, username=username))


def failed(*, request: HttpRequest, username: str) -> bool:
    """Count a failure; true when this one closed the name."""
    name_key, limit = _keys(request=request, username=username)[0]
    counts = [_count(key=key, seconds=WINDOW_SECONDS) for key, _limit in _keys(request=request, username=username)]
    return bool(name_key) and counts[0] == limit


def _count(*, key: str, seconds: int) -> int:
    cache.add(key, 0, seconds)
    try:
        return int(cache.incr(key))
    except ValueError:  # it expired between the two calls
        cache.set(key, 1, seconds)
        return 1


def succeeded(*, request: HttpRequest, username: str) -> None:
    """A right password opens the name again; the address stays counted."""
    name_key, _limit = _keys(request=request, username=username)[0]
    cache.delete(name_key)


def may_send_mail(*, request: HttpRequest, name: str) -> bool:
    """Whether one more letter may be asked for, for this name and from this address, within the hour."""
    (name_key, _unused), (address_key, _also) = _keys(request=request, username=name)
    by_name = _count(key=f"mail:{name_key}", seconds=MAIL_WINDOW_SECONDS)
    by_address = _count(key=f"mail:{address_key}", seconds=MAIL_WINDOW_SECONDS)
    return by_name <= LETTERS_PER_NAME and by_address <= LETTERS_PER_ADDRESS
