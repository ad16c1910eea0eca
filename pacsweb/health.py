"""`/healthz`: is this process alive, and can it serve? `/metrics`: numbers for Prometheus.

Answered before host checks, sessions and the tenant, because orchestrators ask by address and without a cookie.
"""

from __future__ import annotations

import functools
import ipaddress
import secrets
from collections.abc import Callable

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse

from archive.storage import storage
from audit import queries as audit_queries
from core import disks

logger = structlog.get_logger(__name__)

QUEUES = ("ingest", "default", "heavy")
HEARTBEAT_SECONDS = 60


class HealthMiddleware:
    """Answers the two machine addresses; everything else passes."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info == "/healthz":
            return readiness(request)
        if request.path_info == "/healthz/live":
            return JsonResponse({"status": "ok"})
        if request.path_info == "/metrics":
            return metrics(request)
        return self.get_response(request)


def readiness(_request: HttpRequest) -> HttpResponse:
    """200 when database, broker, storage and schema can be read, else 503 naming what cannot.

    A full disk stops what is new and not what is there: then the status is `degraded`, and `disk` says why. So it is when
    audit events wait for their seal for over a minute; `audit` says so.
    """
    room = disks.least_room()
    checks = {name: _passes(name=name, check=check) for name, check in CHECKS.items()}
    is_full = room.is_short or "full" in checks.values()
    status = "unavailable" if "failed" in checks.values() else "degraded" if is_full else "ok"
    waiting = _seconds_unsealed() if checks.get("database") == checks.get("schema") == "ok" else 0
    is_late = waiting > audit_queries.SEALED_WITHIN.total_seconds()
    if is_late and status == "ok":
        status = "degraded"
    body = {
        "status": status,
        "checks": checks,
        "disk": {"state": room.state, "free_bytes": room.free_bytes},
        "audit": {"state": "unsealed" if is_late else "ok", "waiting_seconds": round(waiting)},
        "queues": queues_with_a_worker() if checks["broker"] != "failed" else {},
    }
    response = JsonResponse(body, status=503 if status == "unavailable" else 200)
    response["Cache-Control"] = "no-store"
    return response


def _passes(*, name: str, check: Callable[[], bool]) -> str:
    """`ok`, `full` where only writing fails for want of room, or `failed`."""
    try:
        return "ok" if check() else "failed"
    except Exception as error:  # noqa: BLE001 -- whatever is wrong, the answer is "not ready"
        if disks.is_full(error):
            return "full"
        logger.warning("health_check_failed", check=name, error=type(error).__name__)
        connection.close()
        return "failed"


def _seconds_unsealed() -> float:
    try:
        return audit_queries.waiting_seconds()
    except Exception as error:  # noqa: BLE001 -- the checks tell what is wrong with the database
        logger.warning("health_check_failed", check="audit", error=type(error).__name__)
        connection.close()
        return 0


def _database_answers() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone() == (1,)


def _schema_is_current() -> bool:
    return _known_migrations() <= set(MigrationRecorder(connection).applied_migrations())


@functools.lru_cache(maxsize=1)
def _known_migrations() -> frozenset[tuple[str, str]]:
    loader = MigrationLoader(None)
    return frozenset(key for key in loader.disk_migrations if key not in loader.replacements)


def _broker_answers() -> bool:
    key = f"health:{secrets.token_hex(4)}"
    cache.set(key, "1", timeout=5)
    return bool(cache.get(key) == "1")


def _storage_is_writable() -> bool:
    storage().check()
    return True


CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database_answers,
    "schema": _schema_is_current,
    "broker": _broker_answers,
    "storage": _storage_is_writable,
}


def queues_with_a_worker() -> dict[str, bool]:
    """Which queues a worker has been seen on within the last minute. Says nothing about this process."""
    found = cache.get_many([heartbeat_key(queue=queue) for queue in QUEUES])
    return {queue: heartbeat_key(queue=queue) in found for queue in QUEUES}


def heartbeat_key(*, queue: str) -> str:
    return f"worker-seen:{queue}"


def record_heartbeat(*, queues: list[str]) -> None:
    cache.set_many({heartbeat_key(queue=queue): 1 for queue in queues}, timeout=HEARTBEAT_SECONDS)


def metrics(request: HttpRequest) -> HttpResponse:
    """For this machine, or for whoever carries the token; to anybody else it does not exist."""
    if not _may_read_metrics(request):
        return HttpResponse(status=404)
    from django_prometheus.exports import ExportToDjangoView

    response: HttpResponse = ExportToDjangoView(request)
    return response


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        offered = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if secrets.compare_digest(offered.encode(), settings.METRICS_TOKEN.encode()):
            return True
    if settings.TRUSTED_PROXY or "X-Forwarded-For" in request.headers:
        # Behind a proxy everybody seems to come from this machine.
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
