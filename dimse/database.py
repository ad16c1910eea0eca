"""Work in the database for association threads, done by a few threads that keep their connections.

An association lives seconds and touches the database three times; a connection of its own for each would cost more than
the work, and a hundred associations would hold a hundred of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from typing import TypeVar

import structlog
from django.db import DatabaseError, InterfaceError, close_old_connections

from dimse.errors import DatabaseAway

logger = structlog.get_logger(__name__)

Result = TypeVar("Result")

THREADS = 4
PATIENCE_SECONDS = 30.0

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


def _executor() -> ThreadPoolExecutor:
    # Made in the process that uses it: threads do not survive a fork.
    global _pool  # noqa: PLW0603 -- one for the process
    with _lock:
        if _pool is None:
            _pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="dimse-database")
        return _pool


def _guarded(work: Callable[[], Result]) -> Result:
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


def run(work: Callable[[], Result]) -> Result:
    """Do it and wait. Raises `DatabaseAway` when the database does not answer; other errors as they are."""
    future: Future[Result] = _executor().submit(_guarded, work)
    try:
        return future.result(timeout=PATIENCE_SECONDS)
    except (DatabaseError, InterfaceError, FutureTimeout) as error:
        future.cancel()
        logger.warning("dimse_database_away", kind=type(error).__name__)
        raise DatabaseAway from error


def start(work: Callable[[], object], *, failed: str) -> None:
    """Do it without waiting; a fault is logged under the name `failed`."""

    def quietly() -> None:
        try:
            _guarded(work)
        # Nobody waits for the result: whatever the database or the broker raises ends in the log.
        except Exception as error:  # noqa: BLE001
            logger.warning(failed, kind=type(error).__name__)

    _executor().submit(quietly)


def close() -> None:
    """Let the threads end; at the end of a process."""
    global _pool
    with _lock:
        pool, _pool = _pool, None
    if pool is not None:
        pool.shutdown(wait=True, cancel_futures=False)
