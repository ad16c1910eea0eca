"""Where sessions are kept: in the database, with a copy in the cache, both under a digest of the key.

The browser's cookie carries the key; nothing that is stored does. Whoever reads the database's files, a dump, or the
cache's append-only file finds no key that opens a session. `allauth`'s rows of open sessions carry the digest as well.
"""

from __future__ import annotations

import hashlib
from typing import Any, NoReturn

import structlog
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.core.exceptions import SuspiciousOperation
from django.utils import timezone
from django.utils.crypto import constant_time_compare

logger = structlog.get_logger(__name__)

CACHE_PREFIX = "session:"
# Says in the cache that a session is over. A copy can still be written by a request that read the row before it was gone;
# with this beside it, it opens nothing.
ENDED_PREFIX = "session-ended:"


def stored_key(session_key: str | None) -> str:
    """What a session is stored under: the first 160 bits of the SHA-256 of its key, as 40 hexadecimal digits (the
    length of the column). Empty for no key."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:40] if session_key else ""


class SessionStore(DatabaseStore):
    """Django's sessions in the database and the cache, but for the key they are stored under.

    `session_key` is the key of the cookie, as everywhere in Django; methods that take a session key take that one.
    `end_stored` takes what is stored.
    """

    def __init__(self, session_key: str | None = None) -> None:
        self._cache = caches[settings.SESSION_CACHE_ALIAS]
        super().__init__(session_key)

    def load(self) -> dict[str, Any]:
        key = stored_key(self.session_key)
        kept = self._from_cache(key)
        if kept is not None:
            return kept
        row = self._get_session_from_db()
        if row is None:
            return {}
        found: dict[str, Any] = self.decode(row.session_data)
        self._to_cache(key, found, seconds=self.get_expiry_age(expiry=row.expire_date))
        return found

    def exists(self, session_key: str) -> bool:
        return super().exists(stored_key(session_key))

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        return Session(
            session_key=stored_key(self._get_or_create_session_key()),  # type: ignore[attr-defined]
            session_data=self.encode(data),
            expire_date=self.get_expiry_date(),
        )

    def save(self, must_create: bool = False) -> None:
        super().save(must_create)
        self._to_cache(stored_key(self.session_key), self._session, seconds=self.get_expiry_age())  # type: ignore[attr-defined]

    def delete(self, session_key: str | None = None) -> None:
        key = stored_key(session_key or self.session_key)
        if key:
            end_stored(key)

    def flush(self) -> None:
        self.clear()
        self.delete()
        self._session_key = None

    def _get_session_from_db(self) -> Session | None:
        try:
            return Session.objects.get(session_key=stored_key(self.session_key), expire_date__gt=timezone.now())
        except (Session.DoesNotExist, SuspiciousOperation):
            self._session_key = None
            return None

    def _from_cache(self, key: str) -> dict[str, Any] | None:
        """What the cache has; a cache that is away, or holds what we did not sign, is one that forgot it."""
        if not key:
            return None
        try:
            found = self._cache.get_many([CACHE_PREFIX + key, ENDED_PREFIX + key])
        except Exception as error:  # noqa: BLE001 -- whatever the cache client raises, the database knows
            logger.warning("session_cache_away", kind=type(error).__name__)
            return None
        if ENDED_PREFIX + key in found:
            self._session_key = None
            return {}
        kept = found.get(CACHE_PREFIX + key)
        return (self.decode(kept) or None) if isinstance(kept, str) else None

    def _to_cache(self, key: str, data: dict[str, Any], *, seconds: int) -> None:
        """Signed, like the database's copy: who can write to the cache makes no session."""
        try:
            self._cache.set(CACHE_PREFIX + key, self.encode(data), seconds)
        except Exception as error:  # noqa: BLE001 -- whatever the cache client raises, the database knows
            logger.warning("session_cache_away", kind=type(error).__name__)

    def _never(self, *_arguments: Any, **_named: Any) -> NoReturn:
        raise NotImplementedError("PACSWeb serves by WSGI; the asynchronous half of a session store is not here.")

    # Django's own would store the key as it is.
    aload = acreate = asave = adelete = aexists = aflush = acreate_model_instance = _never


def end_stored(key: str) -> None:
    """End the session stored under `key`, at once for every process; safe to repeat.

    Inside a transaction too: whoever reads the row before the commit finds in the cache that the session is over. It stays
    over when the transaction is undone.
    """
    Session.objects.filter(session_key=key).delete()
    # Not forgiven when it fails: a session that the cache still holds is not over.
    cache = caches[settings.SESSION_CACHE_ALIAS]
    cache.set(ENDED_PREFIX + key, True, settings.SESSION_COOKIE_AGE)
    cache.delete(CACHE_PREFIX + key)


def open_rows(user: AbstractBaseUser) -> list[UserSession]:
    """The person's open sessions; rows whose session is over, or carries an older password, are removed."""
    rows = list(UserSession.objects.filter(user_id=user.pk))
    stored = Session.objects.filter(session_key__in=[row.session_key for row in rows], expire_date__gt=timezone.now())
    data = {one.session_key: SessionStore().decode(one.session_data) for one in stored}
    kept = [row for row in rows if row.session_key in data and _carries(data[row.session_key], user=user)]
    over = {row.pk for row in rows} - {row.pk for row in kept}
    if over:
        UserSession.objects.filter(pk__in=over).delete()
    return kept


def _carries(data: dict[str, Any], *, user: AbstractBaseUser) -> bool:
    """One without a person is at this moment being made, in another request."""
    return user.is_active and (
        SESSION_KEY not in data
        or (
            data[SESSION_KEY] == str(user.pk)
            and constant_time_compare(data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash())
        )
    )
