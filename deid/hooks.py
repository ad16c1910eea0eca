"""What de-identification tells the floors above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from deid.models import DeidentificationRun


class RunListener(Protocol):
    def __call__(self, *, run: DeidentificationRun) -> None: ...


_run_completed: list[RunListener] = []
_holds_decided: list[RunListener] = []


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


def on_holds_decided(listener: RunListener) -> Callable[..., None]:
    """Called after held images of a run were released or left out, or that was taken back.

    In the organisation's scope, inside the transaction of the decision. What was released is in the target archive only
    when `run_completed` says so.
    """
    if listener not in _holds_decided:
        _holds_decided.append(listener)
    return listener


def holds_decided(*, run: DeidentificationRun) -> None:
    for listener in _holds_decided:
        listener(run=run)
