"""What people decide on a run: approve, reject, cancel, start again."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils import timezone

from access.models import User
from access.queries import require
from audit import services as audit
from core import jobs
from core.errors import Conflict, Forbidden
from deid import hooks, notices
from deid.errors import ProposalChanged, ReleasedByYou, SameReader, WrongState
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import endings, execution, rounds, runs
from deid.services.requests import address_of, enqueue, point_job_at, start_job

State = DeidentificationRun.State


def approve_run(
    *, actor: User, run: DeidentificationRun, seen: str, note: str = "", request: Any = None
) -> DeidentificationRun:
    """A second person lets the checked copy be stored. Needs to see the source and to add to the target.

    `seen` is the `proposal` that the person was shown. Raises `ProposalChanged` when it is another one by now: somebody
    released or took back an image in the meantime, and nobody looked at that.
    """
    _may_decide(actor=actor, run=run)
    with transaction.atomic():
        # Locked, as by everybody who changes what is proposed.
        DeidentificationRun.objects.select_for_update().get(pk=run.pk)
        if run.is_awaiting_approval and rounds.proposal(run) != seen:
            raise ProposalChanged
        job = start_job(owner=actor, source=run.source_archive, archive=run.target_archive, total=run.total)
        _decide(run=run, actor=actor, state=State.STORING, note=note, job=job)
        rounds.approve(run, actor=actor)
        run = runs.load(run.pk)
        point_job_at(run)
        audit.record(
            action="deidentification.approved",
            organisation=run.organisation,
            actor=actor,
            target=run,
            detail={"archive": run.target_archive.slug, "noted": bool(note)},
            request=request,
        )
        notices.decided(run=run, actor=actor, approved=True, url=address_of(run))
        enqueue(run)
    return run


def reject_run(*, actor: User, run: DeidentificationRun, note: str, request: Any = None) -> DeidentificationRun:
    """A second person refuses the copy. What an earlier round stored stays; the images of this one are left out."""
    _may_decide(actor=actor, run=run)
    with transaction.atomic():
        _decide(run=run, actor=actor, state=State.REJECTED, note=note, finished_at=timezone.now())
        run = runs.load(run.pk)
        proof = endings.back_to_stored(run, rejected_by=actor, note=note)
        run = runs.load(run.pk)
        audit.record(
            action="deidentification.rejected",
            organisation=run.organisation,
            actor=actor,
            target=run,
            detail={"archive": run.target_archive.slug, "noted": bool(note), "stored": run.stored, **proof},
            request=request,
        )
        notices.decided(run=run, actor=actor, approved=False, url=address_of(run))
        if run.is_successful and endings.has_open_holds(run):
            notices.review_needed(run=run)
        hooks.run_completed(run=run)
    return run


def cancel_run(*, actor: User, run: DeidentificationRun, request: Any = None) -> DeidentificationRun:
    """Stop a run. Whoever asked for it may, and a manager of the target archive."""
    if actor.pk != run.requested_by_id:
        require(actor, "archive.manage_archive", run.target_archive)
    if not run.is_cancellable:
        raise WrongState
    if run.state == State.AWAITING_APPROVAL or run.job is None or not run.job.is_active:
        execution.index_spooled(run)
        if not endings.cancelled(run_id=run.pk, actor=actor):
            raise WrongState
    else:
        try:
            jobs.cancel(actor=run.job.owner, job=run.job)
        except Conflict as error:
            raise WrongState from error
        run.job.refresh_from_db()
        if not run.job.is_active:
            # It had not begun; nobody else will note it.
            execution.index_spooled(run)
            endings.cancelled(run_id=run.pk, actor=actor)
    return runs.load(run.pk)


def retry_run(*, actor: User, run: DeidentificationRun, request: Any = None) -> DeidentificationRun:
    """Go on with a run that failed or was cancelled; what is done stays done."""
    require(actor, "archive.view_archive", run.source_archive)
    require(actor, "archive.add_images", run.target_archive)
    with transaction.atomic():
        job = start_job(owner=actor, source=run.source_archive, archive=run.target_archive, total=run.total)
        # An approval that was given holds for the same bytes only, which storing checks again.
        state = State.STORING if run.decided_by_id is not None else State.RUNNING
        changed = DeidentificationRun.objects.filter(pk=run.pk, state__in=DeidentificationRun.RETRIABLE_STATES).update(
            state=state, job=job, error="", finished_at=None
        )
        if not changed:
            raise WrongState
        run = runs.load(run.pk)
        point_job_at(run)
        audit.record(
            action="deidentification.retried",
            organisation=run.organisation,
            actor=actor,
            target=run,
            detail={"archive": run.target_archive.slug},
            request=request,
        )
        enqueue(run)
    return run


def _may_decide(*, actor: User, run: DeidentificationRun) -> None:
    require(actor, "archive.view_archive", run.source_archive)
    require(actor, "archive.add_images", run.target_archive)
    if actor.pk == run.requested_by_id:
        raise SameReader
    if DeidentifiedInstance.objects.filter(run=run, decision="released", decided_by=actor).exists():
        raise ReleasedByYou
    if not actor.is_active:
        raise Forbidden


def _decide(*, run: DeidentificationRun, actor: User, state: str, note: str, **changes: Any) -> None:
    decided = DeidentificationRun.objects.filter(pk=run.pk, state=State.AWAITING_APPROVAL).update(
        state=state, decided_by=actor, decided_at=timezone.now(), decision_note=note[:500], **changes
    )
    if not decided:
        raise WrongState
