"""How a process and its decoder talk: a head of two lengths, a JSON object, and bytes."""

from __future__ import annotations

import json
import struct
from typing import Any, Final

HEAD: Final = struct.Struct(">IQ")


def pack(fields: dict[str, Any], *, payload_bytes: int) -> bytes:
    """Everything of a message but its payload."""
    text = json.dumps(fields).encode("ascii")
    return HEAD.pack(len(text), payload_bytes) + text


def unpack(text: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(text)
    return fields
