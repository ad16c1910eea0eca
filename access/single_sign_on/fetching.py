"""Requests to addresses that an organisation's administrator typed: what they may reach, how long, how much.

https only; no redirect is followed; no proxy, cookie or .netrc is used; loopback, link-local (where clouds keep their
metadata), multicast and reserved addresses are refused after the name was resolved, on the connection itself, so that a
name which answers differently the second time gains nothing. Private networks are open: hospitals' providers live there.
"""

from __future__ import annotations

import ipaddress
import json
import time
from typing import Any
from urllib.parse import urlsplit

import requests  # noqa: TID251 -- django-allauth asks for one of its sessions; ours has a timeout and more
from django.conf import settings
from requests.adapters import HTTPAdapter  # noqa: TID251 -- the same
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

from access.single_sign_on.errors import ProviderUnreachable

CONNECT_SECONDS = 4.0
READ_SECONDS = 6.0
WHOLE_SECONDS = 12.0
LARGEST_BYTES = 512 * 1024


class _Forbidden(OSError):
    pass


def may_reach(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    if mapped is not None:
        found = mapped
    if found.is_loopback:
        return bool(settings.SIGN_ON_LOOPBACK)
    return not (found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved)


class _Checked:
    """Looks at who is at the other end before a byte is sent."""

    def _new_conn(self) -> Any:
        sock = super()._new_conn()  # type: ignore[misc]
        if not may_reach(sock.getpeername()[0]):
            sock.close()
            raise _Forbidden("address not allowed")
        return sock


class _PlainConnection(_Checked, HTTPConnection):
    pass


class _SecureConnection(_Checked, HTTPSConnection):
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

    def request(self, method: Any, url: Any, *args: Any, **kwargs: Any) -> requests.Response:
        """Raises `ProviderUnreachable`, with a code that says which way it failed."""
        check_address(url)
        kwargs.update(timeout=(CONNECT_SECONDS, READ_SECONDS), allow_redirects=False, stream=True)
        until = time.monotonic() + WHOLE_SECONDS
        try:
            response = super().request(method, url, *args, **kwargs)
            content = bytearray()
            for part in response.iter_content(64 * 1024):
                content += part
                if len(content) > LARGEST_BYTES:
                    response.close()
                    raise ProviderUnreachable(code="answer-too-large", hint=f"more than {LARGEST_BYTES // 1024} KiB")
                if time.monotonic() > until:
                    response.close()
                    raise ProviderUnreachable(code="timeout", hint=f"not done after {WHOLE_SECONDS:.0f} s")
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
