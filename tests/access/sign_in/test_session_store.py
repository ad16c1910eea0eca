"""What is stored of a session opens none: not the database, not its dump, not the cache's file."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.cache import cache, caches
from django.db import connection, connections, transaction
from django.test import Client
from django.urls import reverse
from redis import Redis

from access.models import User
from access.sign_in import session_store
from access.sign_in.session_store import CACHE_PREFIX, SessionStore, stored_key
from core.tenancy import all_tenants
from tests.access.factories import PASSWORD, make_member, make_organisation
from tests.access.sign_in.sessions import signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _sessions_in_the_cache(settings: Any) -> None:
    """As in production; the other tests keep them in the database alone."""
    settings.SESSION_CACHE_ALIAS = "default"


def everything_in_valkey(settings: Any) -> Iterator[bytes]:
    with Redis.from_url(settings.REDIS_URL) as broker:
        for key in broker.keys("*"):
            yield key
            kind = broker.type(key)
            if kind == b"string":
                yield broker.get(key) or b""
            elif kind == b"hash":
                yield from broker.hvals(key)
            elif kind == b"list":
                yield from broker.lrange(key, 0, -1)


def everything_in_the_database() -> str:
    """Every row of every table, as a dump would hold it."""
    texts = []
    with all_tenants(), connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f'SELECT CAST(t AS text) FROM "{table}" t')  # noqa: S608 -- names of our own tables
            texts += [row[0] for row in cursor.fetchall()]
    return "\n".join(texts)


def test_key_of_the_cookie_is_stored_nowhere(member: User, settings: Any) -> None:
    stranger = make_member(make_organisation(slug="elsewhere"))
    clients = [signed_in(member), signed_in(stranger)]
    for client in clients:
        client.get("/")
        key = client.cookies["pacsweb_session"].value
        assert key not in everything_in_the_database()
        assert not [piece for piece in everything_in_valkey(settings) if key.encode() in piece]
        assert Session.objects.filter(session_key=stored_key(key)).exists()
        assert UserSession.objects.get(session_key=stored_key(key)).user_id in {member.pk, stranger.pk}


def test_what_is_stored_opens_no_session(member: User) -> None:
    signed_in(member)
    (stored,) = Session.objects.values_list("session_key", flat=True)
    for planted in (stored, f"{CACHE_PREFIX}{stored}", stored.upper()):
        thief = Client()
        thief.cookies["pacsweb_session"] = planted
        assert thief.get("/o/hospital/").status_code == 302


def test_session_is_found_in_the_cache_and_in_the_database(member: User, django_assert_num_queries: Any) -> None:
    client = signed_in(member)
    key = client.session.session_key
    with django_assert_num_queries(0):
        assert SessionStore(key)["_auth_user_id"] == str(member.pk)
    cache.clear()
    with django_assert_num_queries(1):
        assert SessionStore(key)["_auth_user_id"] == str(member.pk)
    assert client.get("/o/hospital/").status_code == 200


def test_cache_that_is_away_costs_nobody_their_session(member: User, monkeypatch: Any) -> None:
    client = signed_in(member)

    def away(*_arguments: Any, **_named: Any) -> None:
        raise ConnectionError

    key = client.session.session_key
    monkeypatch.setattr(caches["default"], "get_many", away)
    monkeypatch.setattr(caches["default"], "set", away)
    store = SessionStore(key)
    assert store["_auth_user_id"] == str(member.pk)
    store["more"] = 1
    store.save()
    assert SessionStore(key)["more"] == 1


def test_session_that_somebody_wrote_into_the_cache_is_none(member: User) -> None:
    forged = SessionStore()
    cache.set(CACHE_PREFIX + stored_key("a" * 32), '{"_auth_user_id": "1"}', 60)
    cache.set(CACHE_PREFIX + stored_key("b" * 32), {"_auth_user_id": "1"}, 60)
    for key in ("a" * 32, "b" * 32):
        assert SessionStore(key).load() == {}
    assert forged.exists("a" * 32) is False


def test_signing_out_ends_it_in_both_places(member: User) -> None:
    client = signed_in(member)
    key = client.session.session_key or ""
    thief = Client()
    thief.cookies["pacsweb_session"] = key
    assert thief.get("/o/hospital/").status_code == 200
    client.post(reverse("access:sign-out"))
    assert thief.get("/o/hospital/").status_code == 302
    assert not Session.objects.filter(session_key=stored_key(key)).exists()
    assert cache.get(CACHE_PREFIX + stored_key(key)) is None


def test_rows_of_sessions_that_are_over_go_with_the_next_sign_in(member: User) -> None:
    first = signed_in(member)
    SessionStore().delete(first.session.session_key)
    UserSession.objects.create(user=member, session_key="a key of an older release", ip="127.0.0.1", user_agent="")
    signed_in(member)
    assert UserSession.objects.filter(user=member).count() == 1


def test_new_password_leaves_no_row_of_an_older_session(member: User) -> None:
    signed_in(member)
    member.set_password("another one, and long")
    member.save()
    assert session_store.open_rows(member) == []
    client = Client()
    client.post(reverse("access:sign-in"), {"username": member.username, "password": PASSWORD})
    assert not UserSession.objects.filter(user=member).exists()


def test_asynchronous_half_is_closed() -> None:
    for name in ("aload", "asave", "acreate", "adelete", "aexists", "aflush", "acreate_model_instance"):
        with pytest.raises(NotImplementedError):
            getattr(SessionStore(), name)()


@pytest.mark.django_db(transaction=True)
def test_session_is_over_for_others_before_the_end_is_committed(member: User) -> None:
    """A page that fetches many images asks all the time; one of its requests falls between deletion and commit."""
    key = signed_in(member).cookies["pacsweb_session"].value
    with ThreadPoolExecutor(1) as another_request:

        def loaded() -> dict[str, Any]:
            try:
                return SessionStore(key).load()
            finally:
                connections.close_all()

        assert another_request.submit(loaded).result(timeout=10)
        with transaction.atomic():
            session_store.end_stored(stored_key(key))
            assert another_request.submit(loaded).result(timeout=10) == {}
        assert another_request.submit(loaded).result(timeout=10) == {}


def test_copy_that_a_slower_request_writes_opens_nothing(member: User) -> None:
    key = signed_in(member).cookies["pacsweb_session"].value
    slower = SessionStore(key)
    read = slower.load()
    session_store.end_stored(stored_key(key))
    slower._to_cache(stored_key(key), read, seconds=3600)
    assert SessionStore(key).load() == {}
