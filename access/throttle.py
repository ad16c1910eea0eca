"""Slows guessing of passwords: attempts are counted for the account they aim at and for the address they come from.

An attempt is counted *before* it is looked at, in one atomic step, so that a thousand at once get no further than a
thousand one after another. All spellings that find one account share its counter.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass

from django.core.cache import cache
from django.http import HttpRequest

from access.models import User
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


def _uncount(key: str) -> None:
    try:
        cache.decr(key)
    except ValueError:  # it has expired
        return


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, counted already. `is_admitted` is false when too many others came before it."""

    by_name: str
    by_address: str
    number: int
    is_admitted: bool
    # The counter that shut the attempt out; empty where it was let in.
    shut_by: str = ""

    @property
    def is_first_shut_out(self) -> bool:
        """Whether this is the one refusal of its window that the trail hears of; asking takes it."""
        return bool(self.shut_by) and bool(cache.add(f"{self.shut_by}:told", 1, WINDOW_SECONDS))

    @property
    def closed_the_name(self) -> bool:
        """Whether this attempt, should it fail, is the one after which the name is closed."""
        return self.number == FAILURES_PER_NAME

    def succeeded(self) -> None:
        """Open the name again. The address forgets this attempt alone: its failures stay counted."""
        cache.delete(self.by_name)
        _uncount(self.by_address)

    def was_none(self) -> None:
        """Nothing was guessed after all."""
        _uncount(self.by_name)
        _uncount(self.by_address)


def attempt(*, request: HttpRequest, name: str) -> Attempt:
    """Count an attempt at a secret that belongs to `name` (for accounts: see `name_of`)."""
    by_name, by_address = _name_key(name), _address_key(request)
    # Each is counted only where the other lets it through: a closed address must not close accounts, nor a closed account
    # the address of everybody behind it.
    if count(by_address) > FAILURES_PER_ADDRESS:
        _uncount(by_address)
        return Attempt(by_name=by_name, by_address=by_address, number=0, is_admitted=False, shut_by=by_address)
    number = count(by_name)
    if number > FAILURES_PER_NAME:
        _uncount(by_name)
        _uncount(by_address)
        return Attempt(by_name=by_name, by_address=by_address, number=number, is_admitted=False, shut_by=by_name)
    return Attempt(by_name=by_name, by_address=by_address, number=number, is_admitted=True)


def name_of(user: User | None, *, typed: str = "") -> str:
    """The name that attempts at an account count for: its user name, whatever was typed to find it."""
    return typed if user is None else user.username


def folded(name: str) -> str:
    """One form for all spellings that some directory takes for the same: width, case, accents and spaces do not count.

    Two accounts whose names differ in nothing else share a counter; that slows, and opens nothing.
    """
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(one for one in plain if unicodedata.category(one)[0] not in "MCZ")


def _name_key(name: str) -> str:
    return counter("sign-in:name", folded(name))


def _address_key(request: HttpRequest) -> str:
    return counter("sign-in:address", client_address(request))


def may_send_mail(*, request: HttpRequest, name: str) -> bool:
    """Whether one more letter may be asked for, for this name and from this address, within the hour."""
    by_name = count(f"mail:{_name_key(name)}", seconds=MAIL_WINDOW_SECONDS)
    by_address = count(f"mail:{_address_key(request)}", seconds=MAIL_WINDOW_SECONDS)
    return by_name <= LETTERS_PER_NAME and by_address <= LETTERS_PER_ADDRESS
