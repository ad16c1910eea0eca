"""From opening an unknown to the moment before the commit."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from core.errors import NotFound
from practice import queries
from practice.domain import responses
from practice.errors import AttemptClosed, DraftConflict
from practice.models import Attempt, Look
from practice.permissions import within_reach
from practice.services.telling import tell
from teaching.models import Assignment, CaseVersion
from viewer.domain.marks import Mark
from viewer.errors import MarksConflict


@transaction.atomic
def start_attempt(
    *,
    user: Any,
    version: CaseVersion,
    assignment: Assignment | None = None,
    moment: datetime | None = None,
    request: Any = None,
) -> Attempt:
    """Begin to read a version, or go on with the read of it that is under way.

    :raises NotFound: when the person may not read it (another tenant, not published, no role).
    """
    if not queries.readable_versions(user).filter(pk=version.pk).exists():
        raise NotFound
    active = _active(user=user, version=version)
    if active is not None:
        return active
    assignment, reason = _reason(user=user, version=version, assignment=assignment)
    attempt = Attempt(
        organisation_id=version.organisation_id,
        user=user,
        version=version,
        assignment=assignment,
        reason=reason,
        seed=secrets.randbelow(2**31),
        started_at=moment or timezone.now(),
    )
    try:
        with transaction.atomic():
            attempt.save()
    except IntegrityError:
        # Two tabs started at once: the other one won, go on with its read.
        found = _active(user=user, version=version)
        if found is None:
            raise
        return found
    tell(action="attempt.started", attempt=attempt, actor=user, request=request, detail={"reason": reason})
    return attempt


def _active(*, user: Any, version: CaseVersion) -> Attempt | None:
    found: Attempt | None = (
        Attempt.objects.filter(user=user, version=version, state=Attempt.State.STARTED)
        .select_related("version__case", "assignment")
        .first()
    )
    return found


def _reason(*, user: Any, version: CaseVersion, assignment: Assignment | None) -> tuple[Assignment | None, str]:
    """Why this read: the assignment named or found for it, else free choice. Whether it was a repetition that was due is
    said by the commit (`practice.services.commit`): before, it would tell the diagnosis."""
    open_ones = queries.open_assignments(user).filter(assignment_cases__case_id=version.case_id)
    chosen = open_ones.order_by("due_at") if assignment is None else open_ones.filter(pk=assignment.pk)
    found = chosen.first()
    if found is not None and not queries.has_read_for(user=user, case_id=version.case_id, assignment=found):
        return found, Attempt.Reason.ASSIGNED
    return None, Attempt.Reason.FREE


@transaction.atomic
def save_draft(*, user: Any, attempt: Attempt, draft: Mapping[str, Any], version: int | None = None) -> int:
    """Keep answers that are not committed yet; returns the new version of the draft.

    :raises AttemptClosed: once committed or abandoned. DraftConflict: another version is stored.
    """
    locked = lock_own(user=user, attempt=attempt)
    if not locked.is_active:
        raise AttemptClosed
    if version is not None and version != locked.draft_version:
        raise DraftConflict
    locked.draft = responses.clean_draft(draft, questions=locked.version.content["questions"])
    locked.draft_version += 1
    locked.save(update_fields=["draft", "draft_version"])
    return locked.draft_version


@transaction.atomic
def save_marks(*, user: Any, attempt: Attempt, marks: Sequence[Mark], version: int | None = None) -> int:
    """Keep the reader's marks; returns the new version of the layer. The caller has checked them against the images.

    :raises AttemptClosed: once committed or abandoned. MarksConflict: another version is stored.
    """
    locked = lock_own(user=user, attempt=attempt)
    if not locked.is_active:
        raise AttemptClosed
    if version is not None and version != locked.marks_version:
        raise MarksConflict
    locked.marks = [mark.to_json() for mark in marks]
    locked.marks_version += 1
    locked.save(update_fields=["marks", "marks_version"])
    return locked.marks_version


@transaction.atomic
def abandon_attempt(*, user: Any, attempt: Attempt, request: Any = None) -> None:
    """Stop without an answer: nothing is scored and nothing revealed. Repeating it changes nothing."""
    locked = lock_own(user=user, attempt=attempt)
    if Attempt.objects.filter(pk=locked.pk, state=Attempt.State.STARTED).update(state=Attempt.State.ABANDONED):
        tell(action="attempt.abandoned", attempt=locked, actor=user, request=request)
    elif locked.is_revealed:
        raise AttemptClosed
    attempt.refresh_from_db(fields=["state"])


def lock_own(*, user: Any, attempt: Attempt) -> Attempt:
    locked: Attempt | None = (
        Attempt.objects.select_for_update(of=("self",))
        .select_related("version__case", "assignment")
        .filter(pk=attempt.pk, user=user)
        .first()
    )
    # Asked under the lock: a right that ends at this moment is either seen as gone, or the read came first.
    if locked is None or not Attempt.objects.filter(within_reach(user), pk=locked.pk).exists():
        raise NotFound
    return locked


@transaction.atomic
def keep_looks(*, attempt_id: str, user: Any, events: Sequence[Any]) -> None:
    """Store a batch of what was on screen while the read is under way; looks at the result are not part of the read."""
    attempt = Attempt.objects.filter(public_id=attempt_id, user=user, state=Attempt.State.STARTED).first()
    if attempt is None or not events:
        return
    Look.objects.create(
        organisation_id=attempt.organisation_id, attempt=attempt, events=[event.to_json() for event in events]
    )
    Attempt.objects.filter(pk=attempt.pk).update(looked_ms=F("looked_ms") + sum(event.milliseconds for event in events))
