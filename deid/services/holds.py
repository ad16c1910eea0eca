"""What becomes of images held back for their pixels: a person looks at them and releases or drops each, with a reason.

A release puts the reasons aside that held the image back, for this image in this run. The run goes on as after a retry:
the image is de-identified, checked for residues and, where the archive asks for two people, approved by somebody who
released none of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.utils import timezone

from access.models import User
from access.queries import require
from audit import services as audit
from core.errors import Invalid
from deid import notices
from deid.errors import NotReleasable, ReasonMissing, WrongState
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import endings, runs
from deid.services.requests import enqueue, point_job_at, start_job

State = DeidentificationRun.State
Decision = DeidentifiedInstance.Decision
VIEW = "archive.view_archive"
MANAGE = "archive.manage_archive"
SHORTEST_REASON = 5


def may_release(*, actor: User, run: DeidentificationRun) -> None:
    """Who sees the source and manages the target archive, because the picture may show the patient to its readers."""
    require(actor, VIEW, run.source_archive)
    require(actor, MANAGE, run.target_archive)


def release_images(
    *, actor: User, run: DeidentificationRun, instances: Iterable[int], reason: str, request: Any = None
) -> DeidentificationRun:
    """Let held images into the copy after somebody looked at their pictures. The run starts to work again.

    Raises `Invalid` without images or a reason, `NotReleasable` for images held for what a picture does not show, and
    `WrongState` while the run works or after it was rejected.
    """
    may_release(actor=actor, run=run)
    reason = _checked(reason)
    with transaction.atomic():
        rows = _claim(run=run, instances=instances)
        for row in rows:
            row.decision = Decision.RELEASED
            row.released_reasons = list(row.reasons)
        _note(rows, actor=actor, reason=reason)
        job = start_job(owner=run.requested_by, source=run.source_archive, archive=run.target_archive, total=run.total)
        # An approval that was given covered other images: it is asked again.
        changed = DeidentificationRun.objects.filter(pk=run.pk, state__in=DeidentificationRun.REVIEWABLE_STATES).update(
            state=State.RUNNING, job=job, error="", finished_at=None, decided_by=None, decided_at=None, decision_note=""
        )
        if not changed:
            raise WrongState
        run = runs.load(run.pk)
        point_job_at(run)
        notices.approval_over(run=run)
        if not endings.has_open_holds(run):
            notices.review_over(run=run)
        _record("deidentification.released", actor=actor, run=run, rows=rows, reason=reason, request=request)
        enqueue(run)
    return run


def drop_images(
    *, actor: User, run: DeidentificationRun, instances: Iterable[int], reason: str, request: Any = None
) -> DeidentificationRun:
    """Decide that held images stay out of the copy; they are asked about no more."""
    may_release(actor=actor, run=run)
    reason = _checked(reason)
    with transaction.atomic():
        if not DeidentificationRun.objects.filter(pk=run.pk, state__in=DeidentificationRun.REVIEWABLE_STATES).exists():
            raise WrongState
        rows = _claim(run=run, instances=instances)
        for row in rows:
            row.decision = Decision.DROPPED
        _note(rows, actor=actor, reason=reason)
        if not endings.has_open_holds(run):
            notices.review_over(run=run)
        _record("deidentification.dropped", actor=actor, run=run, rows=rows, reason=reason, request=request)
    return run


def _checked(reason: str) -> str:
    reason = reason.strip()[:500]
    if len(reason) < SHORTEST_REASON:
        raise ReasonMissing
    return reason


def _claim(*, run: DeidentificationRun, instances: Iterable[int]) -> list[DeidentifiedInstance]:
    """The rows, locked, each one still undecided and releasable."""
    wanted = set(instances)
    rows = list(DeidentifiedInstance.objects.select_for_update(of=("self",)).filter(run=run, pk__in=wanted))
    if not wanted or len(rows) != len(wanted):
        raise Invalid(fields={"instances": [str(NotReleasable.default_message)]})
    if any(not row.is_open_hold for row in rows):
        raise NotReleasable
    return rows


def _note(rows: list[DeidentifiedInstance], *, actor: User, reason: str) -> None:
    now = timezone.now()
    for row in rows:
        row.decided_by, row.decided_at, row.decision_reason = actor, now, reason
    DeidentifiedInstance.objects.bulk_update(
        rows, ["decision", "released_reasons", "decided_by", "decided_at", "decision_reason"], batch_size=500
    )


def _record(
    action: str,
    *,
    actor: User,
    run: DeidentificationRun,
    rows: list[DeidentifiedInstance],
    reason: str,
    request: Any,
) -> None:
    audit.record(
        action=action,
        organisation=run.organisation,
        actor=actor,
        target=run,
        detail={
            "archive": run.target_archive.slug,
            "count": len(rows),
            "reason": reason,
            "held_for": sorted({code for row in rows for code in row.reasons}),
            "source_sha256": [bytes(row.source_digest).hex() for row in rows[:500]],
        },
        request=request,
    )
