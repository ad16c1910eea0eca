"""Slows guessing of passwords: failures are counted for the user name and for the address they come from."""

from __future__ import annotations

import hashlib

from django.core.cache import cache
from django.http import HttpRequest

from core.callers import client_address

WINDOW_SECONDS = 15 * 60
FAILURES_PER_NAME = 10
FAILURES_PER_ADDRESS = 60
MAIL_WINDOW_SECONDS = 60 * 60
LETTERS_PER_NAME = 5
LETTERS_PER_ADDRESS = 30


def counter(kind: str, value: str) -> str:
    """The name of a counter. Hashed: neither names nor addresses belong into a cache in clear."""
    return f"{kind}:{hashlib.sha256(value.encode()).hexdigest()[:32]}"


def count(key: str, *, seconds: int = WINDOW_SECONDS) -> int:
    """One more; returns how many there are now. The counter ends `seconds` after its first."""
    cache.add(key, 0, seconds)
    try:
        return int(cache.incr(key))
    except ValueError:  # it expired between the two calls
        cache.set(key, 1, seconds)
        return 1


def counted(key: str) -> int:
    return int(cache.get(key) or 0)


def _keys(*, request: HttpRequest, username: str) -> list[tuple[str, int]]:
    return [
        (counter("sign-in:name", username.strip().casefold()), FAILURES_PER_NAME),
        (counter("sign-in:address", client_address(request)), FAILURES_PER_ADDRESS),
    ]


def is_closed(*, request: HttpRequest, username: str) -> bool:
    """Whether so many attempts failed lately that this one is not even looked at."""
    return any(counted(key) >= limit for key, limit in _keys(request=request, username=username))


def failed(*, request: HttpRequest, username: str) -> bool:
    """Count a failure; true when this one closed the name."""
    (by_name, limit), (by_address, _limit) = _keys(request=request, username=username)
    count(by_address)
    return count(by_name) == limit


def succeeded(*, request: HttpRequest, username: str) -> None:
    """A right password opens the name again; the address stays counted."""
    name_key, _limit = _keys(request=request, username=username)[0]
    cache.delete(name_key)


def may_send_mail(*, request: HttpRequest, name: str) -> bool:
    """Whether one more letter may be asked for, for this name and from this address, within the hour."""
    (name_key, _unused), (address_key, _also) = _keys(request=request, username=name)
    by_name = count(f"mail:{name_key}", seconds=MAIL_WINDOW_SECONDS)
    by_address = count(f"mail:{address_key}", seconds=MAIL_WINDOW_SECONDS)
    return by_name <= LETTERS_PER_NAME and by_address <= LETTERS_PER_ADDRESS
