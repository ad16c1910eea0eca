"""Providers and directories that are slow, silent or endless cost their own organisation a little, and others nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from access import throttle
from access.models import Directory, IdentityProvider, User
from access.single_sign_on import exchange, fetching
from access.single_sign_on.errors import ProviderUnreachable
from core.tenancy import tenant
from tests.access.factories import PASSWORD
from tests.access.single_sign_on.directory import change, sign_in
from tests.access.single_sign_on.outcome import outcomes

SECONDS = 0.8
# A busy machine takes its time; what is not bounded takes for ever.
SLACK = 4.0
ENDLESS = b"x" * 65536


@pytest.fixture(autouse=True)
def _short(monkeypatch: Any) -> Iterator[None]:
    monkeypatch.setattr(exchange, "SECONDS", SECONDS)
    monkeypatch.setattr(exchange, "WAIT_SECONDS", 0.3)
    yield
    until = time.monotonic() + 5
    while exchange._places._taken and time.monotonic() < until:
        time.sleep(0.02)
    assert not exchange._places._taken, "an exchange kept its place after its end"


@contextmanager
def peer(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback whose every connection behaves so, until it breaks; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_connections: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _address = listener.accept()
                open_connections.append(connection)
                threading.Thread(target=_quietly, args=(behave, connection), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        for connection in open_connections:
            connection.close()


def _quietly(behave: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with suppress(OSError):
        behave(connection)


def silent(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def drips_headers(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def drips_body(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b" ")
        time.sleep(0.05)


def endless_headers(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"X-Y: " + b"y" * 60000 + b"\r\n")


def endless_body(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(ENDLESS)


def drips_ldap(connection: socket.socket) -> None:
    """The header of one very long message, and then a byte at a time."""
    connection.recv(4096)
    connection.sendall(b"\x30\x84\x7f\xff\xff\xff")
    while True:
        connection.sendall(b"\x00")
        time.sleep(0.05)


def endless_ldap(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"\x30\x84\x7f\xff\xff\xff")
    while True:
        connection.sendall(ENDLESS)


def some_sign_on(organisation_id: int = 1) -> Any:
    return SimpleNamespace(public_id=f"slow{organisation_id}", organisation_id=organisation_id)


@pytest.mark.parametrize(
    ("behave", "codes"),
    [
        (silent, {"timeout"}),
        (drips_headers, {"timeout"}),
        (drips_body, {"timeout"}),
        (endless_headers, {"answer-too-large", "unreachable"}),
        (endless_body, {"answer-too-large"}),
    ],
)
def test_one_clock_and_one_size_hold_for_a_whole_request(behave: Any, codes: set[str]) -> None:
    cache.clear()
    began = time.monotonic()
    with peer(behave) as port, pytest.raises(ProviderUnreachable) as caught, exchange.with_provider(some_sign_on()):
        fetching.get_json(f"http://127.0.0.1:{port}/keys")
    assert time.monotonic() - began < SECONDS + SLACK
    assert caught.value.code in codes


def test_the_clock_runs_on_over_several_requests() -> None:
    cache.clear()

    def slowly(connection: socket.socket) -> None:
        connection.recv(4096)
        time.sleep(SECONDS * 0.7)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with peer(slowly) as port, exchange.with_provider(some_sign_on()):
        assert fetching.get_json(f"http://127.0.0.1:{port}/one") == {}
        with pytest.raises(ProviderUnreachable) as caught:
            fetching.get_json(f"http://127.0.0.1:{port}/two")
    assert caught.value.code == "timeout"


def test_looking_up_a_name_is_part_of_the_time(monkeypatch: Any) -> None:
    cache.clear()
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_more, **_named: released.wait(4) and [])
    began = time.monotonic()
    with pytest.raises(ProviderUnreachable), exchange.with_provider(some_sign_on()):
        fetching.get_json("https://login.example/keys")
    assert time.monotonic() - began < SECONDS + SLACK
    # The thread that hangs keeps its place until it ends: a hundred of them cannot pile up.
    assert exchange._places._taken.total() == 1
    released.set()


def test_few_wait_at_a_time_and_other_organisations_are_let_in(monkeypatch: Any) -> None:
    cache.clear()
    monkeypatch.setattr(exchange, "SECONDS", 2.5)
    took: list[float] = []
    codes: list[str] = []

    def ask(port: int) -> None:
        began = time.monotonic()
        try:
            with exchange.with_provider(some_sign_on(1)):
                fetching.get_json(f"http://127.0.0.1:{port}/keys")
        except ProviderUnreachable as error:
            codes.append(error.code)
        took.append(time.monotonic() - began)

    with peer(silent) as port:
        asking = [threading.Thread(target=ask, args=(port,)) for _one in range(17)]
        for one in asking:
            one.start()
        until = time.monotonic() + 2.2
        while len(codes) < 17 - exchange.AT_ONCE and time.monotonic() < until:
            time.sleep(0.02)
        assert codes == ["busy"] * (17 - exchange.AT_ONCE), "a refusal has to be quick"
        assert max(took) < 2.5
        with exchange.with_provider(some_sign_on(2)):
            assert exchange.clock().remaining > 0
        for one in asking:
            one.join()
    assert codes.count("timeout") == exchange.AT_ONCE


def test_all_organisations_together_leave_threads_for_those_who_ask_no_provider(monkeypatch: Any) -> None:
    """Three hostile organisations: the third gets what is left of the process, a fourth nothing."""
    cache.clear()
    monkeypatch.setattr(exchange, "SECONDS", 3)
    codes: list[str] = []

    def ask(organisation_id: int, port: int) -> None:
        try:
            with exchange.with_provider(some_sign_on(organisation_id)):
                fetching.get_json(f"http://127.0.0.1:{port}/keys")
        except ProviderUnreachable as error:
            codes.append(error.code)

    with peer(silent) as port:
        asking = [threading.Thread(target=ask, args=(number // 2, port)) for number in range(8)]
        for one in asking:
            one.start()
        until = time.monotonic() + 2.5
        while len(codes) < 8 - exchange.AT_ONCE_IN_ALL and time.monotonic() < until:
            time.sleep(0.02)
        assert codes == ["busy"] * (8 - exchange.AT_ONCE_IN_ALL)
        for one in asking:
            one.join()


def test_a_place_is_free_again_when_no_thread_could_be_begun(monkeypatch: Any) -> None:
    cache.clear()

    def no_more(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_more)
    for _time in range(exchange.AT_ONCE + 2):
        with pytest.raises(exchange.Busy), exchange.with_provider(some_sign_on()):
            fetching.get_json("https://login.example/keys")


def test_who_kept_silent_is_not_asked_again_for_a_while() -> None:
    cache.clear()
    with peer(silent) as port:
        with pytest.raises(ProviderUnreachable), exchange.with_provider(some_sign_on()):
            fetching.get_json(f"http://127.0.0.1:{port}/keys")
        began = time.monotonic()
        with pytest.raises(exchange.Busy) as caught, exchange.with_provider(some_sign_on()):
            fetching.get_json(f"http://127.0.0.1:{port}/keys")
        assert time.monotonic() - began < SECONDS / 2 and caught.value.code == "silent"
        with pytest.raises(ProviderUnreachable) as tried, exchange.with_provider(some_sign_on(), is_trial=True):
            fetching.get_json(f"http://127.0.0.1:{port}/keys")
    assert tried.value.code == "timeout"


def test_what_an_administrator_tries_closes_nothing_for_the_others() -> None:
    cache.clear()
    with peer(silent) as port:
        with pytest.raises(ProviderUnreachable), exchange.with_provider(some_sign_on(), is_trial=True):
            fetching.get_json(f"http://127.0.0.1:{port}/keys")
        with pytest.raises(ProviderUnreachable) as asked, exchange.with_provider(some_sign_on()):
            fetching.get_json(f"http://127.0.0.1:{port}/keys")
    assert asked.value.code == "timeout"


@pytest.mark.django_db
@pytest.mark.parametrize("behave", [silent, drips_ldap, endless_ldap])
def test_a_directory_is_held_to_the_same_clock(behave: Any, directory: Directory) -> None:
    cache.clear()
    with peer(behave) as port:
        change(directory, address=f"ldap://127.0.0.1:{port}")
        began = time.monotonic()
        assert sign_in(Client(), "ada@hospital").status_code == 503
        assert time.monotonic() - began < SECONDS + SLACK
    assert set(outcomes(directory)) <= {"timeout", "answer-too-large", "tls"}


@pytest.mark.django_db
def test_a_busy_provider_says_when_to_come_again(provider: IdentityProvider) -> None:
    cache.clear()
    with peer(silent) as port:
        with tenant(provider.organisation):
            IdentityProvider.objects.filter(pk=provider.pk).update(issuer=f"http://127.0.0.1:{port}")
        there = reverse("access:sign-on", kwargs={"provider": provider.public_id})
        assert Client().get(there).status_code == 502
        answer = Client().get(there)
    assert answer.status_code == 503 and answer["Retry-After"] == str(exchange.SILENT_SECONDS)
    assert "not answering" in answer.content.decode()


@pytest.mark.django_db
def test_a_silent_directory_locks_nobody_out(directory: Directory, administrator: User) -> None:
    """What nobody looked at is no guess: neither the name nor the address it comes from is counted."""
    cache.clear()
    with peer(silent) as port:
        change(directory, address=f"ldap://127.0.0.1:{port}")
        for number in range(throttle.FAILURES_PER_ADDRESS + 5):
            name = "ada@hospital" if number < throttle.FAILURES_PER_NAME + 3 else f"person{number}@hospital"
            answer = sign_in(Client(), name)
            assert answer.status_code == 503, number
        assert sign_in(Client(), administrator.username, PASSWORD).status_code == 302
    change(directory, address=directory.address)
    cache.delete(f"sign-on-silent:{directory.public_id}")
    assert sign_in(Client(), "ada@hospital").status_code == 302


@pytest.mark.django_db
def test_a_silent_directory_hides_no_guesses_at_a_password_that_is_kept_here(
    directory: Directory, administrator: User
) -> None:
    cache.clear()
    with peer(silent) as port:
        change(directory, address=f"ldap://127.0.0.1:{port}")
        for _attempt in range(throttle.FAILURES_PER_NAME):
            sign_in(Client(), administrator.username, "wrong")
        assert sign_in(Client(), administrator.username, PASSWORD).status_code == 429
