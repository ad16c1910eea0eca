"""The worker application: `celery -A pacsweb.celery worker -Q ingest`."""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery
from celery.signals import celeryd_init, heartbeat_sent, setup_logging, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "pacsweb.settings.development")

app = Celery("pacsweb")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

_last_heartbeat = 0.0


@setup_logging.connect
def keep_django_logging(**_signal: Any) -> None:
    """Celery must not replace the redacting log configuration with its own."""


@celeryd_init.connect
def begin_only_behind_walls(**_signal: Any) -> None:
    """Before the first process of the pool is made."""
    from pacsweb.start import refuse_without_walls

    refuse_without_walls()


@heartbeat_sent.connect
def tell_that_this_worker_lives(sender: Any = None, **_signal: Any) -> None:
    """`/healthz` shows which queues have a worker."""
    from pacsweb.health import HEARTBEAT_SECONDS, record_heartbeat

    global _last_heartbeat  # noqa: PLW0603 -- one number a process
    now = time.monotonic()
    if now - _last_heartbeat < HEARTBEAT_SECONDS / 4:
        return
    _last_heartbeat = now
    try:
        record_heartbeat(queues=list(app.amqp.queues.consume_from))
    except OSError:
        _last_heartbeat = 0.0


@worker_ready.connect
def tell_that_this_worker_is_ready(**signal: Any) -> None:
    """`make up` waits for this."""
    tell_that_this_worker_lives(**signal)
