"""What a stamp covers, in a form that a trip through the database does not change.

PostgreSQL keeps numbers in JSON as decimals (1e5 comes back as 100000) and addresses as `inet` (`::FFFF:1.2.3.4` comes back
in small letters), so both are brought into one form before they are stamped and before a stamp is checked.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from audit.domain.chain import canonical_json
from audit.domain.keys import AuditKey


def content(event: Mapping[str, Any]) -> bytes:
    """The bytes to stamp. `event` is what the application knows of it when it writes it: no number, no database time."""
    return canonical_json(
        {name: _settled(value) for name, value in event.items()} | {"address": _place(event["address"])}
    )


def make(event: Mapping[str, Any], *, key: AuditKey) -> bytes:
    """32 bytes."""
    return key.stamp(content(event))


def holds(event: Mapping[str, Any], *, stamp: bytes, key: AuditKey) -> bool:
    return hmac.compare_digest(make(event, key=key), stamp)


def _settled(value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal):
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        return {"number": format(number.normalize() + 0, "f")}
    if isinstance(value, Mapping):
        return {str(name): _settled(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_settled(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} does not belong in an event")


def _place(address: Any) -> Any:
    return str(ipaddress.ip_address(address)) if address else None
