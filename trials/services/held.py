"""Files that were sent to a trial and not let in: who decides on them is asked."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from access.queries import require
from trials import notices, queries
from trials.errors import NobodyToAsk, NothingHeld
from trials.models import Trial
from trials.permissions import MANAGE_SUBJECTS
from trials.services.common import require_open, tell


@transaction.atomic
def ask_about_held(*, actor: Any, trial: Trial, request: Any = None) -> int:
    """Ask the managers of the trial's archive to decide on what is held; returns how many were asked.

    Asking again renews their line. Raises `NothingHeld`, and `NobodyToAsk` where no manager is active.
    """
    require(actor, MANAGE_SUBJECTS, trial)
    require_open(trial=trial)
    count = queries.held_open(actor, trial=trial).count()
    if not count:
        raise NothingHeld
    told = notices.ask_to_decide(trial=trial, actor=actor)
    if not told:
        raise NobodyToAsk
    tell(
        action="trial.held_asked",
        trial=trial,
        target=trial,
        actor=actor,
        request=request,
        detail={"archive": trial.archive.slug, "count": count, "people": told},
    )
    return told
