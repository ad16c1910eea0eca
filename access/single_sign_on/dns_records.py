"""TXT records, asked within limits of time. Only workers ask: a page never waits for somebody's name server."""

from __future__ import annotations

import ipaddress
from typing import Any

from django.conf import settings

WHOLE_SECONDS = 6.0
ONE_SERVER_SECONDS = 2.0
RECORDS_MOST = 100


class NoAnswer(Exception):
    """No name server answered within the time, or with something that can be read."""


def txt_records(name: str) -> list[str]:
    """The TXT records of a name, the strings of each joined (RFC 7208 3.3); none when there is no such name.

    The name is taken as absolute; no search list of the machine applies. Raises `NoAnswer`.
    """
    import dns.exception
    import dns.resolver

    try:
        answer = _resolver().resolve(f"{name}.", "TXT", lifetime=WHOLE_SECONDS, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError, ValueError) as error:
        raise NoAnswer from error
    found = [b"".join(record.strings) for record in list(answer)[:RECORDS_MOST]]
    return [one.decode("ascii", "replace") for one in found]


def _resolver() -> Any:
    import dns.nameserver
    import dns.resolver

    servers = [_split(one) for one in settings.DNS_SERVERS]
    resolver = dns.resolver.Resolver(configure=not servers)
    if servers:
        resolver.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
    resolver.timeout = ONE_SERVER_SECONDS
    resolver.lifetime = WHOLE_SECONDS
    return resolver


def _split(server: str) -> tuple[str, int]:
    """ "192.0.2.1", "192.0.2.1:5353", "[2001:db8::1]:53"."""
    host, _colon, port = server.rpartition(":") if server.count(":") == 1 or "]" in server else (server, "", "53")
    host = host.strip("[]")
    return str(ipaddress.ip_address(host)), int(port or 53)
