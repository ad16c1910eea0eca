"""The read side of practice: what a person may read, has read, and is to read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from core.errors import NotFound
from practice.models import Attempt, Card
from teaching import queries as teaching
from teaching.models import Assignment, CaseVersion


def readable_versions(user: Any) -> QuerySet[CaseVersion]:
    """What may be read as an unknown now."""
    return teaching.learnable(user)


def attempts_of(user: Any) -> QuerySet[Attempt]:
    rows: QuerySet[Attempt] = Attempt.objects.filter(user=user).select_related(
        "version__case__library", "assignment__course"
    )
    return rows


def own_attempt(user: Any, public_id: str) -> Attempt:
    """A person's own attempt; another's does not exist for them."""
    found = attempts_of(user).filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


def open_assignments(user: Any) -> QuerySet[Assignment]:
    return teaching.assignments_of_learner(user)


def has_read_for(*, user: Any, case_id: int, assignment: Assignment) -> bool:
    return Attempt.objects.filter(
        user=user, version__case_id=case_id, assignment=assignment, state__in=Attempt.REVEALED_STATES
    ).exists()


def is_due(*, user: Any, group: str, moment: datetime) -> bool:
    return Card.objects.filter(user=user, diagnosis_group=group, due_at__lte=moment).exists()


def has_committed(user: Any) -> Exists:
    """On `CaseVersion`: whether the person committed a read of any version of the case."""
    return Exists(
        Attempt.objects.filter(user=user, version__case=OuterRef("case"), state__in=Attempt.REVEALED_STATES)
    )
