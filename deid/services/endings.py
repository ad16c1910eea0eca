"""How a run ends: with its receipt, before a second person, cancelled or failed. Each is written down once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from archive.services import deliveries
from audit import services as audit
from core.jobs import JobHandle
from deid import hooks, notices
from deid.domain.findings import Reason, Verdict
from deid.models import DeidentificationRun, DeidentifiedInstance
from deid.services import receipts, runs
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


def finish(*, run: DeidentificationRun, handle: JobHandle) -> None:
    passed, held, warned, reasons = _counts(run)
    state = State.COMPLETED if not held else State.PARTIALLY_HELD if passed else State.HELD
    with transaction.atomic():
        ended = DeidentificationRun.objects.filter(pk=run.pk, state__in=DeidentificationRun.WORKING_STATES).update(
            state=state, stored=passed, held=held, warned=warned, finished_at=timezone.now()
        )
        if not ended:
            return
        run = runs.load(run.pk)
        run.receipt = receipts.build(run)
        DeidentificationRun.objects.filter(pk=run.pk).update(receipt=run.receipt)
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
    passed, held, warned, _reasons = _counts(run)
    if not passed:
        # There is nothing to decide on.
        finish(run=run, handle=handle)
        return
    waits = DeidentificationRun.objects.filter(pk=run.pk, state=State.RUNNING).update(
        state=State.AWAITING_APPROVAL, held=held, warned=warned
    )
    if waits:
        notices.approval_asked(run=run, url=address_of(run))
        if has_open_holds(run):
            notices.review_needed(run=run)
    handle.finish(
        result={"run": run.public_id, "ready": passed, "held": held},
        result_url=address_of(run),
        message=_("Ready for a second person to approve"),
    )


def cancelled(*, run_id: int, actor: Any) -> bool:
    """Note that a run was cancelled; what is stored already stays. Returns whether this call did it."""
    with transaction.atomic():
        ended = DeidentificationRun.objects.filter(pk=run_id, state__in=DeidentificationRun.CANCELLABLE_STATES).update(
            state=State.CANCELLED, finished_at=timezone.now()
        )
        if ended:
            run = runs.load(run_id)
            _close(run)
            notices.approval_over(run=run)
            notices.review_over(run=run)
            audit.record(
                action="deidentification.cancelled",
                organisation=run.organisation,
                actor=actor or run.requested_by,
                target=run,
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
