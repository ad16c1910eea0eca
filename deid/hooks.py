"""What de-identification tells the floors above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from deid.models import DeidentificationRun


class RunListener(Protocol):
    def __call__(self, *, run: DeidentificationRun) -> None: ...


_run_completed: list[RunListener] = []


def on_run_completed(listener: RunListener) -> Callable[..., None]:
    """Hear of each run that ended, whatever came of it (see `run.state`).

    Called in the organisation's scope, at least once, inside the transaction that ends the run; `run.is_successful` says
    whether `run.target_study_instance_uid` is in `run.target_archive`.
    """
    if listener not in _run_completed:
        _run_completed.append(listener)
    return listener


def run_completed(*, run: DeidentificationRun) -> None:
    for listener in _run_completed:
        listener(run=run)
