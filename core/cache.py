"""What the cache holds is JSON: reading it runs nothing, whoever wrote it."""

from __future__ import annotations

import json
from typing import Any


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
