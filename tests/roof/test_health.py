from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client
from pytest_django import DjangoAssertNumQueries, Settings
from redis import Redis

from pacsweb import health
from pacsweb.launcher import readiness

pytestmark = pytest.mark.django_db


def test_healthz_says_what_works_whatever_the_host_header() -> None:
    response = Client().get("/healthz", headers={"host": "10.1.2.3"})
    assert response.status_code == 200, response.content
    assert response.json()["checks"] == {"database": "ok", "schema": "ok", "broker": "ok", "storage": "ok"}


def test_healthz_names_what_does_not_work(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    def broken() -> bool:
        raise ConnectionError("secret detail")

    monkeypatch.setitem(health.CHECKS, "broker", broken)
    response = Client().get("/healthz")
    assert response.status_code == 503
    assert response.json()["checks"]["broker"] == "failed"
    assert "secret" not in response.content.decode()


def test_healthz_notices_a_schema_that_is_behind() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'core'")
    response = Client().get("/healthz")
    assert response.status_code == 503
    assert response.json()["checks"]["schema"] == "failed"


def test_unwritable_storage_is_noticed(settings: Settings) -> None:
    settings.STORAGE_URL = "file:///proc/nowhere"
    assert Client().get("/healthz").json()["checks"]["storage"] == "failed"


def test_liveness_asks_nothing_of_the_database(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        assert Client().get("/healthz/live").json() == {"status": "ok"}


def test_worker_heartbeats_are_shown_and_expire(settings: Settings) -> None:
    assert Client().get("/healthz").json()["queues"] == {"ingest": False, "default": False, "heavy": False}
    health.record_heartbeat(queues=["ingest"])
    assert Client().get("/healthz").json()["queues"] == {"ingest": True, "default": False, "heavy": False}
    with Redis.from_url(settings.REDIS_URL) as redis:
        assert 0 < redis.ttl(cache.make_key(health.heartbeat_key(queue="ingest"))) <= health.HEARTBEAT_SECONDS


def test_launcher_and_web_spell_the_heartbeat_alike() -> None:
    for queue in health.QUEUES:
        assert cache.make_key(health.heartbeat_key(queue=queue)) == readiness.WORKER_KEY.format(queue=queue)


def test_metrics_are_for_this_machine() -> None:
    assert b"django_http_requests" in Client().get("/metrics").content
    assert Client(REMOTE_ADDR="10.0.0.9").get("/metrics").status_code == 404


def test_metrics_behind_a_proxy_need_the_token(settings: Settings) -> None:
    settings.METRICS_TOKEN = "token-for-metrics"
    assert Client().get("/metrics", headers={"x-forwarded-for": "203.0.113.9"}).status_code == 404
    assert Client(REMOTE_ADDR="10.0.0.9").get("/metrics", headers={"authorization": "Bearer wrong"}).status_code == 404
    found = Client(REMOTE_ADDR="10.0.0.9").get("/metrics", headers={"authorization": "Bearer token-for-metrics"})
    assert found.status_code == 200
