"""The hash chain over events, free of database and framework so that anyone can check it elsewhere."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

GENESIS = bytes(32)


def canonical_json(event: Mapping[str, Any]) -> bytes:
    """Sorted keys, no spaces, UTF-8, no escapes of non-ASCII: the same event always gives the same bytes."""
    return json.dumps(
        event,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    ).encode()


def link_digest(*, previous: bytes, event: Mapping[str, Any]) -> bytes:
    """SHA-256 over the 32 bytes of the previous digest followed by the canonical event."""
    return hashlib.sha256(previous + canonical_json(event)).digest()
