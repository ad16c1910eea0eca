"""Requests to addresses that an organisation's administrator typed: what they may reach, how long, how much.

https only; no redirect is followed; no proxy, cookie or .netrc is used. A name is resolved once; every address it has is
looked at before any is connected to, and the connection goes to an address that was looked at: neither a name that
answers differently the second time nor the way a connection fails tells anything of loopback, of link-local addresses
(where clouds keep their metadata), multicast or reserved ones, also when they are wrapped in IPv6. Private networks are
open: hospitals' providers live there.
"""

from __future__ import annotations

import io
import ipaddress
import json
import socket
from http.client import HTTPResponse
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final
from urllib.parse import urlsplit

import requests  # noqa: TID251 -- django-allauth asks for one of its sessions; ours has a timeout and more
from django.conf import settings
from requests.adapters import HTTPAdapter  # noqa: TID251 -- the same
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.poolmanager import PoolManager

from access.single_sign_on import exchange
from access.single_sign_on.errors import ProviderUnreachable

CONNECT_SECONDS = 4.0
READ_SECONDS = 6.0
LARGEST_BYTES = 512 * 1024


class Forbidden(OSError):
    """A name leads to an address that must not be reached."""


# Prefixes of IPv6 that carry an IPv4 address, with the bits behind it: NAT64 (RFC 6052, RFC 8215), IPv4-compatible
# (RFC 4291, 2.5.5.1). 6to4 and Teredo are known to `ipaddress`.
_CARRIERS: Final = tuple(
    ipaddress.IPv6Network(one) for one in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")
)


def may_reach(address: str) -> bool:
    """Whether an IP address may be connected to, whatever other address it carries inside."""
    return all(_is_open(one) for one in _meant_by(ipaddress.ip_address(address.partition("%")[0])))


def _meant_by(address: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    """The address, and the IPv4 addresses that it leads to."""
    if isinstance(address, IPv4Address):
        return [address]
    found: list[IPv4Address | IPv6Address] = []
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        found.append(address.sixtofour)
    if address.teredo is not None:
        found.extend(address.teredo)
    if not address.is_loopback and any(address in carrier for carrier in _CARRIERS):
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
        return found
    return [address, *found]


def _is_open(address: IPv4Address | IPv6Address) -> bool:
    if address.is_loopback:
        return bool(settings.SIGN_ON_LOOPBACK)
    return not (address.is_link_local or address.is_multicast or address.is_unspecified or address.is_reserved)


def resolve(host: str, port: int) -> list[Any]:
    """What `socket.getaddrinfo` says of a name. Raises `Forbidden` if one of its addresses must not be reached, `OSError`."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    if not all(may_reach(str(one[4][0])) for one in found):
        raise Forbidden("address not allowed")
    return found


def connect(host: str, port: int) -> socket.socket:
    """A connection to a name, at an address that was looked at before. Raises `OSError`, also `Forbidden`."""
    clock = exchange.clock()
    problem: OSError = OSError("no address")
    for family, kind, protocol, _name, address in resolve(host, port):
        sock = socket.socket(family, kind, protocol)
        try:
            clock.watch(sock)
            sock.settimeout(max(min(CONNECT_SECONDS, clock.remaining), 0.01))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(READ_SECONDS)
        except OSError as error:
            sock.close()
            clock.check()
            problem = error
        else:
            return sock
    raise problem


class _Response(HTTPResponse):
    """An answer whose bytes are counted from its first line on."""

    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(exchange.CountedReader(self.fp.detach(), clock=exchange.clock()))


class _Checked:
    """Connects to addresses that were looked at before."""

    response_class: Any = _Response
    host: str
    port: int

    def _new_conn(self) -> socket.socket:
        try:
            return connect(self.host, self.port)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, "no answer in time") from error  # type: ignore[arg-type]
        except OSError as error:
            raise NewConnectionError(self, str(error)) from error  # type: ignore[arg-type]


class _PlainConnection(_Checked, HTTPConnection):  # type: ignore[misc]
    pass


class _SecureConnection(_Checked, HTTPSConnection):  # type: ignore[misc]
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


def check_address(address: Any, *, code: str = "address") -> str:
    """The address, if it may be asked at all. Raises `ProviderUnreachable`."""
    if not isinstance(address, str) or len(address) > 1000 or any(ord(one) <= 32 for one in address):
        raise ProviderUnreachable(code=code, hint="not an address")
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _port = parts.port
    except ValueError as error:
        raise ProviderUnreachable(code=code, hint="not an address") from error
    is_local = settings.SIGN_ON_LOOPBACK and host in ("127.0.0.1", "localhost", "::1")
    if not host or parts.username is not None or parts.fragment:
        raise ProviderUnreachable(code=code, hint="not an address")
    if parts.scheme != "https" and not (is_local and parts.scheme == "http"):
        raise ProviderUnreachable(code=code, hint="not https")
    return address


class Session(requests.Session):
    """A session for one exchange with a provider; every answer is read within the limits of size and time."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False
        self.mount("https://", _Adapter(max_retries=0))
        self.mount("http://", _Adapter(max_retries=0))
        self.headers["User-Agent"] = "PACSWeb"
        self.headers["Accept"] = "application/json"
        # What is packed could unpack to a thousand times its size.
        self.headers["Accept-Encoding"] = "identity"

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Within the exchange that is open. Raises `ProviderUnreachable`, with a code that says which way it failed."""
        check_address(url)
        kwargs.update(timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False, stream=True)
        return exchange.in_time(lambda: self._request(method, url, *args, **kwargs))

    def _request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        try:
            response = super().request(method, url, *args, **kwargs)
            content = bytearray()
            for part in response.iter_content(64 * 1024):
                content += part
                if len(content) > LARGEST_BYTES:
                    response.close()
                    raise ProviderUnreachable(code="answer-too-large", hint=f"more than {LARGEST_BYTES // 1024} KiB")
        except requests.exceptions.SSLError as error:
            raise ProviderUnreachable(code="certificate", hint="the certificate was not accepted") from error
        except requests.exceptions.Timeout as error:
            raise ProviderUnreachable(code="timeout", hint="no answer in time") from error
        except (requests.exceptions.RequestException, OSError) as error:
            hint = "this address is not allowed" if "address not allowed" in str(error) else "no connection"
            raise ProviderUnreachable(code="unreachable", hint=hint) from error
        response._content = bytes(content)
        if response.is_redirect or 300 <= response.status_code < 400:
            raise ProviderUnreachable(code="redirect", hint="it answered with a redirect, which is not followed")
        return response


def get_json(address: str, *, session: Session | None = None, headers: dict[str, str] | None = None) -> dict[str, Any]:
    """A JSON object. Raises `ProviderUnreachable`."""
    with session or Session() as opened:
        response = opened.get(address, headers=headers)
    if response.status_code != 200:
        raise ProviderUnreachable(code=f"status-{response.status_code}", hint=f"it answered {response.status_code}")
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError) as error:
        raise ProviderUnreachable(code="not-json", hint="the answer is not JSON") from error
    if not isinstance(found, dict):
        raise ProviderUnreachable(code="not-json", hint="the answer is not a JSON object")
    return found
