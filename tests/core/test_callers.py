"""Where a request comes from, with and without a proxy in front."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from core.callers import client_address


def address(*, forwarded: str | None = None, connection: str = "10.0.0.9") -> str:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    return client_address(RequestFactory(REMOTE_ADDR=connection).get("/", headers=headers))


def test_without_a_trusted_proxy_only_the_connection_counts(settings):
    settings.TRUSTED_PROXY = False
    assert address(forwarded="192.0.2.7") == "10.0.0.9"


@pytest.mark.parametrize(
    ("forwarded", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("203.0.113.1, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:4711", "2001:db8::7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:4711", "fe80::1"),
        ("192.0.2.7%eth0", "192.0.2.7"),
        ("unknown", "10.0.0.9"),
        ("192.0.2.7, ", "10.0.0.9"),
        ("<script>", "10.0.0.9"),
        ("", "10.0.0.9"),
        (None, "10.0.0.9"),
    ],
)
def test_a_trusted_proxy_is_believed_in_its_own_entry(settings, forwarded, expected):
    settings.TRUSTED_PROXY = True
    assert address(forwarded=forwarded) == expected


def test_a_connection_without_an_address_is_unknown(settings):
    settings.TRUSTED_PROXY = False
    assert address(connection="") == ""
