"""Short-lived memories of "may see", and how a change of rights ends them at once.

A door that answers hundreds of requests a second for one reader may remember for seconds that a row was visible. It
keeps the answer under `caller_key(user)` as `memory` writes it; once somebody's rights change their stamp is another one
and the memory counts no more.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import structlog
from django.core.cache import cache

# Longer than any door remembers: a missing stamp means that nothing changed within this time.
STAMP_SECONDS = 120

logger = structlog.get_logger(__name__)


def caller_key(user: Any) -> str:
    """Who asks and by what: a limited token sees less than its person, a look through other eyes less than both."""
    token, viewer = getattr(user, "api_token", None), getattr(user, "seen_by", None)
    return f"{user.pk}.{token.pk if token else 0}.{viewer.pk if viewer else 0}"


def stamp_key(user: Any) -> str:
    return f"access:sight:{user.pk}"


def recalled(*, found: Mapping[str, Any], key: str, user: Any) -> str:
    """What `found` (of `cache.get_many([key, stamp_key(user)])`) remembers under `key`, as `memory` put it there; empty
    when it remembers nothing that still counts."""
    stamp, _bar, what = str(found.get(key, "")).partition("|")
    return what if key in found and stamp == found.get(stamp_key(user), "") else ""


def memory(found: Mapping[str, Any], *, user: Any, what: str) -> str:
    """What to keep in the cache: `what` (not empty), bound to the rights that the person had when `found` was asked."""
    return f"{found.get(stamp_key(user), '')}|{what}"


def forget(*people: int) -> None:
    try:
        cache.set_many({f"access:sight:{pk}": secrets.token_hex(8) for pk in people}, timeout=STAMP_SECONDS)
    except Exception as error:  # noqa: BLE001 -- whatever the cache client raises; memories last seconds anyway
        logger.warning("sight_cache_away", kind=type(error).__name__)
