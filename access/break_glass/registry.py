"""What break-glass opens: the archive says here how a patient is found and which rows are theirs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Found:
    """Patients (primary keys) behind an exact Patient ID or accession number."""

    subjects: tuple[int, ...] = ()
    #: The number fits different people: opening them all would open too much.
    is_ambiguous: bool = False
    #: The person sees all of it already, by a role or another break-glass.
    is_open: bool = False


@dataclass(frozen=True, kw_only=True)
class Line:
    """One study on the page of a running break-glass."""

    title: str
    patient: str
    date: str
    kind: str
    images: int
    place: str
    url: str
    received_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Subjects:
    find: Callable[..., Found]
    #: The patient a target of an act belongs to; None for anything else.
    subject_of: Callable[[Any], int | None]
    lines: Callable[..., Sequence[Line]]


_subjects: list[Subjects] = []


def register(subjects: Subjects) -> None:
    """The one source of patients; a second registration replaces the first."""
    _subjects[:] = [subjects]


def subjects() -> Subjects | None:
    return _subjects[0] if _subjects else None
