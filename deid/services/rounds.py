"""A run that works again after its end: what is stored stays stored and proven; an unfinished round leaves no trace in it.

A release after the end begins a new round. When the round is rejected or cancelled, the run goes back to the state that
its stored images give it, with the receipt renewed.
"""

from __future__ import annotations

import hashlib

from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from access.models import User
from deid.models import DeidentificationRun, DeidentifiedInstance

Decision = DeidentifiedInstance.Decision
HELD_BACK = DeidentifiedInstance.Verdict.HELD_BACK

#: What `hold_again` changes.
UNDONE = [
    "decision", "decided_by", "decided_at", "decision_reason", "released_reasons", "frames_shown", "verdict", "reasons",
    "residue_paths", "target_sop_instance_uid", "target_digest", "spool_name", "actions", "approved_by", "approved_at",
]  # fmt: skip


def is_later(run: DeidentificationRun) -> bool:
    """Whether an earlier round of the run ended with images in the target archive."""
    return bool(run.receipt) and DeidentifiedInstance.objects.filter(run=run, is_stored=True).exists()


def hold_again(row: DeidentifiedInstance) -> None:
    """Undo the decision on an image that is not stored; the caller saves `UNDONE`."""
    if row.decision == Decision.RELEASED:
        row.verdict = HELD_BACK
        row.reasons = list(row.released_reasons)
        row.residue_paths, row.target_sop_instance_uid, row.target_digest, row.actions = [], "", b"", {}
        row.spool_name, row.approved_by, row.approved_at = "", None, None
    row.decision, row.decided_by, row.decided_at, row.decision_reason = "", None, None, ""
    row.released_reasons, row.frames_shown = [], None


def prepared(run: DeidentificationRun) -> QuerySet[DeidentifiedInstance]:
    """Images that passed and are not in the target archive: what a second person approves."""
    return DeidentifiedInstance.objects.filter(run=run, is_stored=False).exclude(verdict=HELD_BACK)


def proposal(run: DeidentificationRun) -> str:
    """A digest of what an approval would store now: which images, and the content prepared of each. Hexadecimal."""
    digest = hashlib.sha256()
    for key, content in prepared(run).order_by("pk").values_list("pk", "target_digest").iterator():
        digest.update(b"%d %s\n" % (key, bytes(content or b"").hex().encode()))
    return digest.hexdigest()


def approve(run: DeidentificationRun, *, actor: User) -> None:
    prepared(run).update(approved_by=actor, approved_at=timezone.now())


def undo(run: DeidentificationRun, *, rejected_by: User | None = None, note: str = "") -> None:
    """Take back what a round prepared: released images are held again, or left out where a person rejected them.

    Images that came into the source since the end belong to no round any more.
    """
    rows = DeidentifiedInstance.objects.select_for_update(of=("self",)).filter(run=run, is_stored=False)
    released = [
        row
        for row in rows.filter(decision=Decision.RELEASED)
        # Another reason than was put aside: this one was done, and is held back again.
        if not row.is_held_back or row.reasons == row.released_reasons
    ]
    for row in released:
        hold_again(row)
        if rejected_by is not None:
            row.decision, row.decided_by, row.decided_at = Decision.DROPPED, rejected_by, timezone.now()
            row.decision_reason = note[:500] or _("The second person rejected it.")
    DeidentifiedInstance.objects.bulk_update(released, UNDONE, batch_size=500)
    rows.filter(~Q(verdict=HELD_BACK), decision="").delete()


def last_approval(run: DeidentificationRun) -> DeidentifiedInstance | None:
    """The stored image that was approved last; None where no second person was asked."""
    found: DeidentifiedInstance | None = (
        DeidentifiedInstance.objects.filter(run=run, is_stored=True, approved_by__isnull=False)
        .select_related("approved_by")
        .order_by("-approved_at", "-pk")
        .first()
    )
    return found
