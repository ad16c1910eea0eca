"""What the cache holds is JSON: reading it runs nothing, whoever wrote it."""

from __future__ import annotations

import json
from typing import Any

import structlog
from django.core.cache import cache

logger = structlog.get_logger(__name__)


def remember(values: dict[str, Any], *, seconds: float) -> None:
    """Keep what only saves work. A cache that takes nothing (its disk is full, it is away) is no reason to refuse a page.

    Not for what somebody relies on, such as a lock or a code that was used: there `cache.set` may raise.
    """
    try:
        cache.set_many(values, seconds)
    except Exception as error:  # noqa: BLE001 -- whatever the cache client raises
        logger.warning("cache_takes_nothing", kind=type(error).__name__)


def is_first(key: str, *, seconds: float) -> bool:
    """Whether this happens for the first time within a while. A cache that takes nothing says yes: what is recorded once
    too often is in the trail, what is not recorded is nowhere."""
    try:
        return bool(cache.add(key, 1, seconds))
    except Exception as error:  # noqa: BLE001 -- whatever the cache client raises
        logger.warning("cache_takes_nothing", kind=type(error).__name__)
        return True


class JSONSerializer:
    """For `django.core.cache.backends.redis`: its own pickles, and unpickling runs what it reads.

    Takes what JSON gives back as it was: None, bool, int, float, str, lists, and dicts with text as keys. Anything else
    raises `TypeError` when it is written; a tuple that came back as a list would be found out much later.
    """

    def dumps(self, value: Any) -> int | bytes:
        if type(value) is int:
            return value  # as Redis counts (INCR)
        _require_plain(value)
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    def loads(self, data: bytes | str) -> Any:
        text = data.decode("utf-8", "surrogatepass") if isinstance(data, bytes) else data
        return json.loads(text)


def _require_plain(value: Any) -> None:
    kind = type(value)
    if kind is list:
        for one in value:
            _require_plain(one)
    elif kind is dict:
        for name, one in value.items():
            if type(name) is not str:
                raise TypeError(f"the cache takes text as keys of a dict, not {type(name).__name__}")
            _require_plain(one)
    elif value is not None and kind not in (bool, int, float, str):
        raise TypeError(f"the cache holds JSON, and {kind.__name__} is none; keep its plain parts")
