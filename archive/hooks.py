"""What the archive tells the floors above it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from django.utils.translation import gettext as _

from archive.domain.screening import NOT_SCREENED, Finding
from archive.models import Archive, Delivery, Study
from core.errors import RetriableError

if TYPE_CHECKING:
    from access.models import User

logger = structlog.get_logger(__name__)


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


class Screener(Protocol):
    """Looks at one arriving file; None: nothing in it tells who the patient is. Touches no database."""

    def __call__(self, *, path: Path) -> Finding | None: ...


class RunLedger(Protocol):
    """Of these SHA-256 digests, those that the de-identification run of the delivery wrote down as its output."""

    def __call__(self, *, delivery: Delivery, digests: Collection[bytes]) -> set[bytes]: ...


class Clearance(StrEnum):
    """What may be said of a study in a de-identified archive."""

    DEIDENTIFIED = "deidentified"
    SCREENED = "screened"
    UNKNOWN = "unknown"


class ClearanceOf(Protocol):
    def __call__(self, *, studies: Collection[Study]) -> Mapping[int, Clearance]: ...


_screener: list[Screener] = []
_ledger: list[RunLedger] = []
_clearance: list[ClearanceOf] = []
_guards: list[Guard] = []
_stewards: list[Callable[[Archive], Iterable[tuple[Any, str]]]] = []


def register_deidentification(*, screener: Screener, ledger: RunLedger, clearance: ClearanceOf) -> None:
    """The room that knows de-identification; without one nothing gets into a de-identified archive."""
    _screener[:], _ledger[:], _clearance[:] = [screener], [ledger], [clearance]


def screen(*, path: Path) -> Finding | None:
    """Whether a file may go into a de-identified archive. A check that cannot be made, or fails, holds it.

    Raises `RetriableError` when the check could not be made this time.
    """
    if not _screener:
        return unchecked()
    try:
        return _screener[0](path=path)
    except (OSError, RetriableError):
        raise
    # A file that the check stumbles over is not a file without identity.
    except Exception as error:  # noqa: BLE001
        logger.warning("arrival_not_screened", kind=type(error).__name__)
        return unchecked()


def unchecked() -> Finding:
    """What holds a file that could not be checked."""
    return Finding(
        code=NOT_SCREENED,
        reason=_("Nothing here can check the file for identity, so this archive does not take it."),
        comment="Cannot be checked for identity",
    )


def outputs_of_run(*, delivery: Delivery, digests: Collection[bytes]) -> set[bytes]:
    return _ledger[0](delivery=delivery, digests=digests) if _ledger else set()


def clearance_of(studies: Collection[Study]) -> dict[int, Clearance]:
    """What may be said of each study (by key). Only a run with its receipt makes one "de-identified"."""
    known = _clearance[0](studies=studies) if _clearance and studies else {}
    return {study.pk: known.get(study.pk, Clearance.UNKNOWN) for study in studies}


class Guard(Protocol):
    """By key of the study: why a delivery may not add to it. Called with the rows of the studies locked."""

    def __call__(self, *, delivery: Delivery, studies: Collection[Study]) -> Mapping[int, Finding]: ...


def register_guard(guard: Guard) -> None:
    """An upper floor that knows whose the studies of a de-identified archive are."""
    if guard not in _guards:
        _guards.append(guard)


def guarded(*, delivery: Delivery, studies: Collection[Study]) -> dict[int, Finding]:
    """Studies of a de-identified archive that a delivery may not add to, with the reason."""
    if not studies or not delivery.archive.is_gated:
        return {}
    found: dict[int, Finding] = {}
    for guard in _guards:
        found |= guard(delivery=delivery, studies=studies)
    return found


def register_stewards(find: Callable[[Archive], Iterable[tuple[Any, str]]]) -> None:
    """Further people who are told when files for an archive are held: `find(archive)` gives each with the address where
    they can see it."""
    if find not in _stewards:
        _stewards.append(find)


def stewards_of(archive: Archive) -> list[tuple[User, str]]:
    return [steward for find in _stewards for steward in find(archive)]
