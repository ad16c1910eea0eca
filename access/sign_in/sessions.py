"""Sessions of people: begun, seen, locked, unlocked, ended.

A session's lock stands in its row, not in the session's own data: a slow request that saves its data late cannot undo a
lock. Redis answers the common question ("locked? seen when?") in one round trip; the row answers when Redis forgot.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout, update_session_auth_hash
from django.core.cache import cache
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, queries
from access.models import Organisation, User
from access.sign_in import policy, session_store
from core.cache import remember
from core.callers import client_address
from core.errors import NotFound

BEGUN = "signed_in_at"
LOCKED = "locked_at"
# The page reports activity with a delay; the server locks this much later, so that an active person never meets it.
GRACE_SECONDS = 30
ROW_RESOLUTION_SECONDS = 60
KEPT_SECONDS = 24 * 60 * 60
LONGEST_AGENT = 255


@dataclass(frozen=True)
class State:
    """What a request must know of its session."""

    is_locked: bool
    is_over: bool
    idle_seconds: int
    seen_at: int


def _keys(session_key: str) -> tuple[str, str]:
    return f"session-seen:{session_key}", f"session-locked:{session_key}"


def begin(*, request: HttpRequest, user: User) -> None:
    """Called at each sign-in, however it came about."""
    now = int(time.time())
    request.session[BEGUN] = now
    if not request.session.session_key:
        request.session.save()
    session_store.open_rows(user)
    _row(request=request, user=user)
    _remember(session_key=_key(request), seen=now, locked=False)


def _key(request: HttpRequest) -> str:
    """What the session is stored under, in every table and in the cache."""
    return session_store.stored_key(request.session.session_key)


def _row(*, request: HttpRequest, user: User) -> UserSession:
    row, _created = UserSession.objects.get_or_create(
        session_key=_key(request),
        defaults={
            "user": user,
            "ip": client_address(request) or "0.0.0.0",  # noqa: S104 -- "unknown" of an address field
            "user_agent": request.META.get("HTTP_USER_AGENT", "")[:LONGEST_AGENT],
        },
    )
    return row


def _remember(*, session_key: str, seen: int, locked: bool) -> None:
    seen_key, locked_key = _keys(session_key)
    cache.set_many({seen_key: seen, locked_key: int(locked)}, KEPT_SECONDS)


def look(*, request: HttpRequest, user: User) -> State:
    """The state of the request's session; locks it when it was untouched for too long."""
    seen_key, locked_key = _keys(_key(request))
    times_key = policy.cache_key(user.pk)
    known = cache.get_many([seen_key, locked_key, times_key])
    times = policy.Times(*known[times_key]) if times_key in known else policy.read_times(user)
    if seen_key in known and locked_key in known:
        seen, locked = int(known[seen_key]), bool(known[locked_key])
    else:
        row = _row(request=request, user=user)
        seen, locked = int(row.last_seen_at.timestamp()), LOCKED in row.data
        remember({seen_key: seen, locked_key: int(locked)}, seconds=KEPT_SECONDS)
    now = int(time.time())
    begun = int(request.session.get(BEGUN) or seen)
    if not locked and now - seen > times.idle_seconds + GRACE_SECONDS:
        lock(request=request, user=user, because="idle")
        locked = True
    return State(
        is_locked=locked, is_over=now - begun > times.session_seconds, idle_seconds=times.idle_seconds, seen_at=seen
    )


def touch(*, request: HttpRequest, state: State) -> None:
    """The person did something."""
    now = int(time.time())
    if now - state.seen_at < 1:
        return
    seen_key, _locked_key = _keys(_key(request))
    remember({seen_key: now}, seconds=KEPT_SECONDS)
    if now // ROW_RESOLUTION_SECONDS != state.seen_at // ROW_RESOLUTION_SECONDS:
        UserSession.objects.filter(session_key=_key(request)).update(last_seen_at=timezone.now())


@transaction.atomic
def lock(*, request: HttpRequest, user: User, because: str) -> None:
    """Close the session until its person proves to be there. `because`: "idle" or "asked"."""
    _row(request=request, user=user)
    row = UserSession.objects.select_for_update().get(session_key=_key(request))
    if LOCKED not in row.data:
        row.data = {**row.data, LOCKED: int(time.time())}
        row.save(update_fields=["data"])
        tell(action="session.locked", user=user, request=request, detail={"because": because})
    _remember(session_key=_key(request), seen=int(row.last_seen_at.timestamp()), locked=True)


def unlock(*, request: HttpRequest, user: User, method: str) -> None:
    """Open the session again; the caller has proven that its person is there."""
    with transaction.atomic():
        row = UserSession.objects.select_for_update().get(session_key=_key(request))
        row.data = {name: value for name, value in row.data.items() if name != LOCKED}
        row.last_seen_at = timezone.now()
        row.save(update_fields=["data", "last_seen_at"])
        tell(action="session.unlocked", user=user, request=request, detail={"method": method})
    # Only what is in the row may be believed of the cache.
    _remember(session_key=_key(request), seen=int(time.time()), locked=False)


def expire(*, request: HttpRequest, user: User) -> None:
    """The session has lasted as long as policy allows."""
    tell(action="session.expired", user=user, request=request)
    _forget([_key(request)])
    logout(request)


def end_current(*, request: HttpRequest) -> None:
    _forget([_key(request)])
    logout(request)


def keep_current(*, request: HttpRequest, user: User) -> None:
    """After a change of password: Django gives this session a new key, and ends the others by the new hash."""
    before = _key(request)
    update_session_auth_hash(request, user)
    UserSession.objects.filter(session_key=before).update(session_key=_key(request))
    _remember(session_key=_key(request), seen=int(time.time()), locked=False)
    end_others(request=request, user=user)


def end_others(*, request: HttpRequest, user: User) -> int:
    """End every other session of the person; returns how many."""
    keys = list(
        UserSession.objects.filter(user=user).exclude(session_key=_key(request)).values_list("session_key", flat=True)
    )
    _forget(keys)
    return len(keys)


def end_all(*, user: User) -> int:
    keys = list(UserSession.objects.filter(user=user).values_list("session_key", flat=True))
    _forget(keys)
    return len(keys)


def end_by_keys(session_keys: list[str]) -> None:
    """End these sessions, whoever's they are."""
    _forget(session_keys)


def _forget(session_keys: list[str]) -> None:
    for key in session_keys:
        if key:
            session_store.end_stored(key)
    UserSession.objects.filter(session_key__in=session_keys).delete()


@transaction.atomic
def revoke(*, request: HttpRequest, user: User, session: int) -> bool:
    """End one of the person's own sessions; true when it was the one that asks. Raises `NotFound`."""
    row = UserSession.objects.filter(pk=session, user=user).first()
    if row is None:
        raise NotFound
    tell(action="session.revoked", user=user, request=request, detail={"count": 1})
    if row.session_key == _key(request):
        end_current(request=request)
        return True
    _forget([row.session_key])
    return False


@transaction.atomic
def revoke_others(*, request: HttpRequest, user: User) -> int:
    ended = end_others(request=request, user=user)
    if ended:
        tell(action="session.revoked", user=user, request=request, detail={"count": ended})
    return ended


@dataclass(frozen=True)
class Listed:
    pk: int
    device: str
    address: str
    begun_at: datetime
    seen_at: datetime
    is_current: bool
    is_locked: bool


def list_of(*, request: HttpRequest, user: User) -> list[Listed]:
    """Open sessions, the asking one first, then by when they were last seen."""
    rows = session_store.open_rows(user)
    seen = cache.get_many([_keys(row.session_key)[0] for row in rows])

    def seen_at(row: UserSession) -> datetime:
        stamp = seen.get(_keys(row.session_key)[0])
        return max(row.last_seen_at, datetime.fromtimestamp(stamp, tz=UTC)) if stamp else row.last_seen_at

    listed = [
        Listed(
            pk=row.pk,
            device=device_words(row.user_agent),
            address=row.ip,
            begun_at=row.created_at,
            seen_at=seen_at(row),
            is_current=row.session_key == _key(request),
            is_locked=LOCKED in row.data,
        )
        for row in rows
    ]
    return sorted(listed, key=lambda one: (one.is_current, one.seen_at), reverse=True)


BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("Opera", r"OPR/|Opera"),
    ("Samsung Internet", r"SamsungBrowser/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/|Chromium/"),
    ("Safari", r"Safari/"),
)
SYSTEMS = (
    ("Android", r"Android"),
    ("iPhone", r"iPhone"),
    ("iPad", r"iPad"),
    ("ChromeOS", r"CrOS"),
    ("Windows", r"Windows"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("Linux", r"Linux|X11"),
)


def device_words(agent: str) -> str:
    """ "Firefox on Windows": enough to know one's own devices again."""
    browser = next((name for name, pattern in BROWSERS if re.search(pattern, agent)), "")
    system = next((name for name, pattern in SYSTEMS if re.search(pattern, agent)), "")
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("Unknown device")


def tell_of_name(
    *, action: str, user: User | None, typed: str, request: HttpRequest | None, outcome: str = "success"
) -> None:
    """The same of a name that somebody typed who did not come in; without an account, its organisation hears of it
    (`…@organisation`). What was typed is not kept: people type passwords into the name field."""
    if user is not None:
        tell(action=action, user=user, request=request, outcome=outcome, is_actor=False)
        return
    hooks.tell(
        action=action,
        organisation=Organisation.objects.filter(slug=typed.strip().rpartition("@")[2].lower()).first(),
        actor=None,
        target=None,
        target_label="an unknown account",
        outcome=outcome,
        request=request,
    )


def tell(
    *,
    action: str,
    user: User,
    request: HttpRequest | None,
    detail: dict[str, Any] | None = None,
    outcome: str = "success",
    is_actor: bool = True,
) -> None:
    """An act of an account concerns each organisation it may enter: every officer finds it in their own trail."""
    concerned: list[Any] = list(queries.organisations_open_to(user)) or [None]
    for organisation in concerned:
        hooks.tell(
            action=action,
            organisation=organisation,
            actor=user if is_actor else None,
            target=user,
            detail=detail,
            outcome=outcome,
            request=request,
        )
