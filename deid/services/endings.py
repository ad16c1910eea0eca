"""How a run ends: with its receipt, before a second person, cancelled or failed. Each is written down once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access.models import User
from archive.models import Instance
from archive.services import deliveries
from audit import services as audit
from core.jobs import JobHandle
from deid import hooks, notices
from deid.domain.findings import Reason, Verdict
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import receipts, rounds, runs
from deid.services.requests import address_of

State = DeidentificationRun.State


def has_open_holds(run: DeidentificationRun) -> bool:
    """Whether images of the run wait for somebody to review them."""
    held = DeidentifiedInstance.objects.filter(run=run, verdict=Verdict.HELD_BACK.value, decision="")
    return any(row.is_open_hold for row in held.only("verdict", "decision", "source_instance", "reasons"))


def _counts(run: DeidentificationRun) -> tuple[int, int, int, Counter[str]]:
    """(passed, held back, with a warning, reasons of those held back)"""
    passed = held = warned = 0
    reasons: Counter[str] = Counter()
    for verdict, codes in DeidentifiedInstance.objects.filter(run=run).values_list("verdict", "reasons"):
        if verdict == Verdict.HELD_BACK.value:
            held += 1
            reasons.update(codes[:1] if Reason.NOT_STORED.value not in codes else [Reason.NOT_STORED.value])
        else:
            passed += 1
            warned += verdict == Verdict.PASS_WITH_WARNING.value
    return passed, held, warned, reasons


def _state(*, passed: int, held: int) -> DeidentificationRun.State:
    return State.COMPLETED if not held else State.PARTIALLY_HELD if passed else State.HELD


def _late(run: DeidentificationRun) -> int:
    """Images of the source study that this run never looked at."""
    looked_at = DeidentifiedInstance.objects.filter(run=run, source_instance__isnull=False)
    of_study = Instance.objects.filter(study=run.source_study_id)
    return of_study.exclude(pk__in=looked_at.order_by().values("source_instance")).count()


def _with_receipt(run: DeidentificationRun) -> DeidentificationRun:
    """The ended run with a receipt of what is stored, and with the approval of the last image that went in."""
    run = runs.load(run.pk)
    approval = rounds.last_approval(run)
    if run.decided_by is None and approval is not None:
        run.decided_by, run.decided_at = approval.approved_by, approval.approved_at
    run.receipt = receipts.build(run)
    run.save(update_fields=["receipt", "decided_by", "decided_at"])
    return run


def back_to_stored(run: DeidentificationRun, *, rejected_by: User | None = None, note: str = "") -> dict[str, str]:
    """End a later round without its images: the run is again what its stored images make it. In a transaction.

    Returns the digest of the renewed receipt for the audit trail; {} where no earlier round stored anything, and the run
    stays as it is.
    """
    if not rounds.is_later(run):
        return {}
    rounds.undo(run, rejected_by=rejected_by, note=note)
    passed, held, warned, _reasons = _counts(run)
    DeidentificationRun.objects.filter(pk=run.pk).update(
        state=_state(passed=passed, held=held), stored=passed, held=held, warned=warned, late=_late(run), error="",
        finished_at=timezone.now(), decided_by=None, decided_at=None, decision_note="",
    )  # fmt: skip
    run = _with_receipt(run)
    return {"receipt_sha256": run.receipt["sha256"]}


def finish(*, run: DeidentificationRun, handle: JobHandle) -> None:
    with transaction.atomic():
        passed, held, warned, reasons = _counts(run)
        state = _state(passed=passed, held=held)
        ended = DeidentificationRun.objects.filter(pk=run.pk, state__in=DeidentificationRun.WORKING_STATES).update(
            state=state, stored=passed, held=held, warned=warned, late=_late(run), finished_at=timezone.now()
        )
        if not ended:
            return
        run = _with_receipt(run)
        detail: dict[str, Any] = {
            "archive": run.target_archive.slug,
            "stored": passed,
            "held": held,
            "state": state.value,
            "receipt_sha256": run.receipt["sha256"],
        }
        audit.record(
            action="deidentification.completed",
            organisation=run.organisation,
            actor=run.requested_by,
            target=run,
            detail=detail,
            door="task",
            outcome="success" if passed else "failed",
        )
        if held:
            audit.record(
                action="deidentification.held_back",
                organisation=run.organisation,
                actor=run.requested_by,
                target=run,
                detail={"held": held, "reasons": ", ".join(sorted(reasons)), "by_reason": dict(reasons)},
                door="task",
            )
            if has_open_holds(run):
                notices.review_needed(run=run)
        handle.finish(
            result={"run": run.public_id, "stored": passed, "held": held},
            result_url=address_of(run),
            message=_("%(stored)d copied, %(held)d held back") % {"stored": passed, "held": held},
        )
        hooks.run_completed(run=run)


def ask_for_approval(*, run: DeidentificationRun, handle: JobHandle) -> None:
    _passed, held, warned, _reasons = _counts(run)
    ready = rounds.prepared(run).count()
    if not ready:
        # There is nothing to decide on.
        finish(run=run, handle=handle)
        return
    waits = DeidentificationRun.objects.filter(pk=run.pk, state=State.RUNNING).update(
        state=State.AWAITING_APPROVAL, held=held, warned=warned, late=_late(run)
    )
    if waits:
        notices.approval_asked(run=run, url=address_of(run))
        if has_open_holds(run):
            notices.review_needed(run=run)
    handle.finish(
        result={"run": run.public_id, "ready": ready, "held": held},
        result_url=address_of(run),
        message=_("Ready for a second person to approve"),
    )


def cancelled(*, run_id: int, actor: Any, job_id: str | None = None) -> bool:
    """Note that a run was cancelled; what is stored already stays, and a run that had ended before is again what it was.

    With `job_id` only while that is the run's job. Returns whether this call did it.
    """
    rows = DeidentificationRun.objects.filter(pk=run_id, state__in=DeidentificationRun.CANCELLABLE_STATES)
    with transaction.atomic():
        ended = (rows if job_id is None else rows.filter(job=job_id)).update(
            state=State.CANCELLED, finished_at=timezone.now()
        )
        if ended:
            run = runs.load(run_id)
            _close(run)
            proof = back_to_stored(run)
            run = runs.load(run_id)
            notices.approval_over(run=run)
            notices.review_over(run=run)
            if run.is_successful and has_open_holds(run):
                notices.review_needed(run=run)
            audit.record(
                action="deidentification.cancelled",
                organisation=run.organisation,
                actor=actor or (run.job.owner if run.job is not None else run.requested_by),
                target=run,
                detail={"stored": run.stored, **proof},
            )
            hooks.run_completed(run=run)
    return bool(ended)


def failed(*, run_id: int, message: str) -> None:
    with transaction.atomic():
        ended = DeidentificationRun.objects.filter(
            pk=run_id, state__in=(State.DRAFT, *DeidentificationRun.WORKING_STATES)
        ).update(state=State.FAILED, error=message[:500], finished_at=timezone.now())
        if ended:
            run = runs.load(run_id)
            _close(run)
            audit.record(
                action="deidentification.failed",
                organisation=run.organisation,
                actor=run.requested_by,
                target=run,
                detail={"archive": run.target_archive.slug},
                outcome="failed",
                door="task",
            )
            hooks.run_completed(run=run)


def _close(run: DeidentificationRun) -> None:
    """What was spooled before is checked and acknowledged: it is indexed, and a retry finds it."""
    if run.delivery is not None:
        deliveries.close_delivery(delivery=run.delivery)
