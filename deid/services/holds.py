"""What becomes of images held back for their pixels: a person looks at them and releases or drops each, with a reason.

A release puts the reasons aside that held the image back, for this image in this run. The run goes on as after a retry:
the image is de-identified, checked for residues and, where the archive asks for two people, approved by somebody who
released none of it. Until then the release can be taken back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from access.models import User
from access.queries import require
from audit import services as audit
from core.errors import Invalid
from deid import hooks, notices
from deid.errors import NoImageChosen, NotReleasable, NotTakenBack, ReasonMissing, WrongState
from deid.models import DeidentificationRun, DeidentifiedInstance, ShownFrame
from deid.services import endings, receipts, rounds, runs
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
        run = _locked(run)
        rows = _claim(run=run, instances=instances)
        for row in rows:
            row.decision = Decision.RELEASED
            row.released_reasons = list(row.reasons)
        _note(rows, actor=actor, reason=reason)
        run = _go_on(run, actor=actor)
        _settle_review(run)
        _record("deidentification.released", actor=actor, run=run, rows=rows, reason=reason, request=request)
        hooks.holds_decided(run=run)
    return run


def drop_images(
    *, actor: User, run: DeidentificationRun, instances: Iterable[int], reason: str, request: Any = None
) -> DeidentificationRun:
    """Decide that held images stay out of the copy; they are asked about no more."""
    may_release(actor=actor, run=run)
    reason = _checked(reason)
    with transaction.atomic():
        run = _locked(run)
        rows = _claim(run=run, instances=instances)
        for row in rows:
            row.decision = Decision.DROPPED
        _note(rows, actor=actor, reason=reason)
        _settle_review(run)
        _record(
            "deidentification.dropped",
            actor=actor,
            run=run,
            rows=rows,
            reason=reason,
            request=request,
            **receipts.renew(run),
        )
        hooks.holds_decided(run=run)
    return run


def take_back(
    *, actor: User, run: DeidentificationRun, instances: Iterable[int], request: Any = None
) -> DeidentificationRun:
    """Undo decisions on held images: they are held again and wait for another look.

    A release can be taken back until the copy is approved, while nothing of the image is in the target archive; a drop
    as long as held images can be decided on. Raises `NotTakenBack` past that, `NoImageChosen` without images.
    """
    may_release(actor=actor, run=run)
    with transaction.atomic():
        run = _locked(run)
        rows = _rows(run=run, instances=instances)
        if any(not row.can_be_taken_back(run=run) for row in rows):
            raise NotTakenBack
        were = sorted({row.decision for row in rows})
        released = [row for row in rows if row.decision == Decision.RELEASED]
        for row in rows:
            rounds.hold_again(row)
        DeidentifiedInstance.objects.bulk_update(rows, rounds.UNDONE, batch_size=500)
        if released:
            run = _go_on(run, actor=actor)
        _settle_review(run)
        _record(
            "deidentification.taken_back",
            actor=actor,
            run=run,
            rows=rows,
            request=request,
            decisions=were,
            **({} if released else receipts.renew(run)),
        )
        hooks.holds_decided(run=run)
    return run


def note_shown(*, actor: User, run: DeidentificationRun, instance_id: int, frame: int) -> None:
    """Remember that a frame of a held image was shown to the person; of an image that waits for no decision nothing."""
    rows = DeidentifiedInstance.objects.filter(run=run, pk=instance_id, decision="")
    image = rows.filter(verdict=DeidentifiedInstance.Verdict.HELD_BACK).first()
    if image is not None:
        ShownFrame.objects.bulk_create(
            [ShownFrame(organisation_id=run.organisation_id, image=image, person=actor, frame=frame)],
            ignore_conflicts=True,
        )


def _locked(run: DeidentificationRun) -> DeidentificationRun:
    """The run as it is now, held until the transaction ends. Raises `WrongState` where no held image is decided on.

    Each decision begins with it: whoever locked images first would wait for the run, and its holder for the images.
    """
    rows = DeidentificationRun.objects.select_for_update(of=("self",))
    if rows.filter(pk=run.pk, state__in=DeidentificationRun.REVIEWABLE_STATES).first() is None:
        raise WrongState
    return runs.load(run.pk)


def _go_on(run: DeidentificationRun, *, actor: User) -> DeidentificationRun:
    """Let the locked run work again with what was decided, by the right of whoever decided."""
    job = start_job(owner=actor, source=run.source_archive, archive=run.target_archive, total=run.total)
    # An approval that was given covered other images: it is asked again for all that is not stored.
    rounds.prepared(run).update(approved_by=None, approved_at=None)
    DeidentificationRun.objects.filter(pk=run.pk).update(
        state=State.RUNNING, job=job, error="", finished_at=None, decided_by=None, decided_at=None, decision_note=""
    )
    run = runs.load(run.pk)
    point_job_at(run)
    notices.approval_over(run=run)
    enqueue(run)
    return run


def _settle_review(run: DeidentificationRun) -> None:
    """Ask the people who may release as long as something waits for them, and no longer."""
    if not endings.has_open_holds(run):
        notices.review_over(run=run)
    elif not run.is_working:
        notices.review_needed(run=run)


def is_reason(words: str) -> bool:
    return len(words.strip()) >= SHORTEST_REASON


def _checked(reason: str) -> str:
    if not is_reason(reason):
        raise ReasonMissing
    return reason.strip()[:500]


def _claim(*, run: DeidentificationRun, instances: Iterable[int]) -> list[DeidentifiedInstance]:
    """The rows, locked, each one still undecided and releasable."""
    rows = _rows(run=run, instances=instances)
    if any(not row.is_open_hold for row in rows):
        raise NotReleasable
    return rows


def _rows(*, run: DeidentificationRun, instances: Iterable[int]) -> list[DeidentifiedInstance]:
    wanted = set(instances)
    if not wanted:
        raise NoImageChosen
    rows = list(
        DeidentifiedInstance.objects.select_for_update(of=("self",))
        .filter(run=run, pk__in=wanted)
        .select_related("source_instance")
    )
    if len(rows) != len(wanted):
        raise Invalid(NotReleasable.default_message)
    return rows


def _note(rows: list[DeidentifiedInstance], *, actor: User, reason: str) -> None:
    now = timezone.now()
    looks = ShownFrame.objects.filter(image__in=rows, person=actor).order_by().values_list("image")
    shown = dict(looks.annotate(n=Count("pk")))
    for row in rows:
        row.decided_by, row.decided_at, row.decision_reason = actor, now, reason
        row.frames_shown = shown.get(row.pk, 0)
    DeidentifiedInstance.objects.bulk_update(
        rows,
        ["decision", "released_reasons", "decided_by", "decided_at", "decision_reason", "frames_shown"],
        batch_size=500,
    )


def _record(
    action: str,
    *,
    actor: User,
    run: DeidentificationRun,
    rows: list[DeidentifiedInstance],
    request: Any,
    **more: Any,
) -> None:
    audit.record(
        action=action,
        organisation=run.organisation,
        actor=actor,
        target=run,
        detail={
            "archive": run.target_archive.slug,
            "count": len(rows),
            "frames": sum(row.frames for row in rows),
            "frames_shown": sum(row.frames_shown or 0 for row in rows),
            "held_for": sorted({code for row in rows for code in row.reasons}),
            "source_sha256": [bytes(row.source_digest).hex() for row in rows[:500]],
            **more,
        },
        request=request,
    )
