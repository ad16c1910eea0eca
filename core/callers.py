"""Where a request comes from."""

from __future__ import annotations

import ipaddress

from django.conf import settings
from django.http import HttpRequest


def client_address(request: HttpRequest) -> str:
    """The IP address a request comes from, "" when it is not known.

    A proxy's word counts only when one is trusted (`PACSWEB_TRUSTED_PROXY`); it is the last entry, which the proxy wrote
    itself. Entries that are no address, such as "unknown" (RFC 7239 6.2), leave the address of the connection.
    """
    if settings.TRUSTED_PROXY:
        forwarded = _address(request.headers.get("X-Forwarded-For", "").rpartition(",")[2])
        if forwarded:
            return forwarded
    return _address(str(request.META.get("REMOTE_ADDR", "")))


def _address(word: str) -> str:
    """The address in "192.0.2.7", "192.0.2.7:4711", "2001:db8::7" or "[2001:db8::7]:4711", or ""."""
    word = word.strip()
    if word.startswith("["):
        word = word[1:].partition("]")[0]
    elif word.count(":") == 1:
        word = word.partition(":")[0]
    return plain_address(word)


def plain_address(word: str) -> str:
    """The address as it is kept and compared, or "" when it is none: IPv4 in its IPv6 form as IPv4, and without a zone
    (RFC 4007 11), which means something on one machine only and is no value of PostgreSQL's `inet`."""
    try:
        found = ipaddress.ip_address(word.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(found, "ipv4_mapped", None) or found)
