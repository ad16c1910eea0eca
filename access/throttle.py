"""Slows guessing of passwords: failures are counted for the user name and for the address they come from."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

WINDOW_SECONDS = 15 * 60
FAILURES_PER_NAME = 10
FAILURES_PER_ADDRESS = 60


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


def failed(*, request: HttpRequest, username: str) -> None:
    for key, _limit in _keys(request=request, username=username):
        cache.add(key, 0, WINDOW_SECONDS)
        try:
            cache.incr(key)
        except ValueError:  # it expired between the two calls
            cache.set(key, 1, WINDOW_SECONDS)


def succeeded(*, request: HttpRequest, username: str) -> None:
    """A right password opens the name again; the address stays counted."""
    name_key, _limit = _keys(request=request, username=username)[0]
    cache.delete(name_key)
