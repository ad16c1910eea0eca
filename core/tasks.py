"""The one Celery decorator. Every task of the project is made with it.

A task gets ids only (no identifying data travels through the broker), is acknowledged after it ran, may run twice, is
enqueued when the transaction commits, and runs inside its organisation's scope.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import structlog
from celery import shared_task  # noqa: TID251 -- the one place that may
from django.db import transaction

from core.errors import RetriableError
from core.tenancy import all_tenants, tenant

logger = structlog.get_logger(__name__)

MINUTE = 60
RETRY_BASE_SECONDS = 2 * MINUTE
RETRY_CEILING_SECONDS = 60 * MINUTE


class Task:
    """A function that a worker runs; call it directly to run it here, or `enqueue` it."""

    def __init__(self, *, function: Callable[..., Any], celery_task: Any) -> None:
        self.function = function
        self.celery_task = celery_task
        functools.update_wrapper(self, function)

    def __call__(self, **arguments: Any) -> Any:
        return self.celery_task.run(**arguments)

    def enqueue(self, *, delay_seconds: float | None = None, **arguments: Any) -> None:
        """Send to the queue when the surrounding transaction commits (at once outside one)."""
        transaction.on_commit(lambda: self.celery_task.apply_async(kwargs=arguments, countdown=delay_seconds))


def retry_delay_seconds(*, attempt: int) -> float:
    """Minutes, doubling, with jitter: 2, 4, 8 … at most 60."""
    ceiling = min(RETRY_CEILING_SECONDS, RETRY_BASE_SECONDS * 2**attempt)
    return ceiling * random.uniform(0.75, 1.25)  # noqa: S311 -- jitter, not a secret


def task(
    *,
    queue: str = "default",
    max_retries: int = 6,
    time_limit_seconds: int = 10 * MINUTE,
    installation_wide: bool = False,
    on_exhausted: Callable[..., None] | None = None,
) -> Callable[[Callable[..., Any]], Task]:
    """Make a task of a keyword-only function.

    A tenant's task takes `organisation_id` and runs in that scope; with `installation_wide` it runs across tenants.
    A `RetriableError` is tried again slowly; when the tries are used up `on_exhausted(**arguments)` is called. Any
    other error ends the task and is logged once.
    """

    def decorate(function: Callable[..., Any]) -> Task:
        def run(self: Any, **arguments: Any) -> Any:
            try:
                if installation_wide:
                    with all_tenants():
                        return function(**arguments)
                return _run_in_tenant(function=function, arguments=arguments)
            except RetriableError as error:
                if self.request.called_directly:
                    raise
                if self.request.retries >= max_retries:
                    logger.error("task_retries_exhausted", task=self.name, code=error.code)
                    if on_exhausted is not None:
                        with all_tenants():
                            on_exhausted(**arguments)
                    raise
                raise self.retry(
                    exc=error, countdown=retry_delay_seconds(attempt=self.request.retries), max_retries=max_retries
                ) from error

        run.__name__ = function.__name__
        run.__doc__ = function.__doc__
        celery_task = shared_task(
            bind=True,
            name=f"{function.__module__}.{function.__qualname__}",
            queue=queue,
            acks_late=True,
            reject_on_worker_lost=True,
            time_limit=time_limit_seconds + MINUTE,
            soft_time_limit=time_limit_seconds,
            ignore_result=True,
        )(run)
        return Task(function=function, celery_task=celery_task)

    return decorate


def _run_in_tenant(*, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    from django.apps import apps

    organisation = apps.get_model("access", "Organisation").objects.get(pk=arguments["organisation_id"])
    with tenant(organisation):
        return function(**arguments)
