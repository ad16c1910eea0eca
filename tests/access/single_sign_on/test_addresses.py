"""What a provider's or directory's address may lead to. Everything is decided before a connection is made."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import pytest

from access.single_sign_on import exchange, fetching, ldap
from access.single_sign_on.errors import ProviderUnreachable


@pytest.fixture(autouse=True)
def _no_loopback(settings: Any) -> None:
    settings.SIGN_ON_LOOPBACK = False


@pytest.fixture
def connections(monkeypatch: Any) -> list[Any]:
    """The addresses that are connected to, in order; no connection is made."""
    found: list[Any] = []

    def connect(_self: socket.socket, address: Any) -> None:
        found.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket.socket, "connect", connect)
    return found


def resolving_to(monkeypatch: Any, *answers: list[str]) -> list[str]:
    """Each look-up gets the next answer; returns the names that were looked up."""
    asked: list[str] = []
    left = list(answers)

    def look_up(host: str, port: int, *_more: Any, **_named: Any) -> list[Any]:
        asked.append(host)
        found = left.pop(0) if left else []
        kinds = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in found]
        return [(kind, socket.SOCK_STREAM, 6, "", (one, port)) for kind, one in zip(kinds, found, strict=True)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def sign_on(**more: Any) -> Any:
    return SimpleNamespace(public_id="p", organisation_id=1, **more)


def ask_provider(monkeypatch: Any) -> ProviderUnreachable:
    monkeypatch.setattr(exchange.cache, "get", lambda _key: None)
    monkeypatch.setattr(exchange.cache, "set", lambda *_more: None)
    with pytest.raises(ProviderUnreachable) as caught, exchange.with_provider(sign_on()):
        fetching.get_json("https://login.example/keys")
    return caught.value


def ask_directory(monkeypatch: Any) -> ProviderUnreachable:
    monkeypatch.setattr(exchange.cache, "get", lambda _key: None)
    monkeypatch.setattr(exchange.cache, "set", lambda *_more: None)
    monkeypatch.setattr(ldap.sealing, "unseal", lambda _sealed: "secret")
    directory = sign_on(
        address="ldaps://directory.example", authorities="", bind_name="cn=r", sealed_password="",
        people_base="dc=x", groups_base="",
    )  # fmt: skip
    with pytest.raises(ProviderUnreachable) as caught, exchange.with_provider(directory):
        ldap.try_connection(directory)
    return caught.value


HIDDEN = [
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::127.0.0.1",
    "64:ff9b:1::7f00:1",
    "64:ff9b:1:abcd::127.0.0.1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "::127.0.0.1",
    "::ffff:0:127.0.0.1",
    "2001:0:7f00:1::",
    "64:ff9b::169.254.169.254",
    "169.254.169.254",
    "224.0.0.1",
    "0.0.0.0",  # noqa: S104
    "::",
    "fe80::1%eth0",
    "240.0.0.1",
]


@pytest.mark.parametrize("address", HIDDEN)
def test_addresses_that_no_provider_has_are_never_reached(address: str) -> None:
    assert not fetching.may_reach(address)


@pytest.mark.parametrize(
    "address", ["10.20.30.40", "93.184.216.34", "64:ff9b::93.184.216.34", "2606:2800:220:1::1", "fd00::7"]
)
def test_addresses_that_providers_have_are_reached(address: str) -> None:
    assert fetching.may_reach(address)


@pytest.mark.parametrize("ask", [ask_provider, ask_directory])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "64:ff9b::7f00:1", "::ffff:127.0.0.1"])
def test_no_connection_is_made_to_a_forbidden_address(
    ask: Any, address: str, connections: list[Any], monkeypatch: Any
) -> None:
    resolving_to(monkeypatch, [address])
    error = ask(monkeypatch)
    assert connections == []
    assert error.code in ("unreachable", "address")


@pytest.mark.parametrize("ask", [ask_provider, ask_directory])
def test_one_forbidden_address_among_others_closes_the_name(ask: Any, connections: list[Any], monkeypatch: Any) -> None:
    resolving_to(monkeypatch, ["93.184.216.34", "127.0.0.1"])
    ask(monkeypatch)
    assert connections == []


@pytest.mark.parametrize("ask", [ask_provider, ask_directory])
def test_the_address_that_was_checked_is_the_one_connected_to(
    ask: Any, connections: list[Any], monkeypatch: Any
) -> None:
    """A name that answers differently the second time gains nothing: there is no second time."""
    asked = resolving_to(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    ask(monkeypatch)
    assert len(asked) == 1
    assert [address[0] for address in connections] == ["93.184.216.34"]
