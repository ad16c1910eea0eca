"""What the archive tells the floors above it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from archive.models import Study


class StudyListener(Protocol):
    def __call__(self, *, study: Study) -> None: ...


_study_settled: list[StudyListener] = []


def on_study_settled(listener: StudyListener) -> Callable[..., None]:
    """Hear of each study that is complete: called in its organisation's scope, at least once, after the commit."""
    if listener not in _study_settled:
        _study_settled.append(listener)
    return listener


def study_settled(*, study: Study) -> None:
    for listener in _study_settled:
        listener(study=study)
