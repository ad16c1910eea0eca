"""Whom trials tell of what, behind the bell. No line names a subject or a patient."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from access.queries import may, people_with_role
from archive.permissions import MANAGE as MANAGE_ARCHIVE
from core import notifications
from trials.models import Trial

HELD_ASKED = "trials.held_asked"


def register() -> None:
    notifications.register(
        kind=HELD_ASKED,
        label=_("Held files"),
        icon="shield-question-mark",
        sentence=_("%(by)s asks you to decide on the files held for %(archive)s"),
        tone="query",
    )


def managers(trial: Trial) -> list[Any]:
    """Those who may release or discard what is held for the trial's archive."""
    found = people_with_role(container=trial.archive)
    return [person for person in found if may(person, MANAGE_ARCHIVE, trial.archive)]


def ask_to_decide(*, trial: Trial, actor: Any) -> int:
    """Asking again renews the line; returns how many people were told."""
    return notifications.send(
        kind=HELD_ASKED,
        organisation=trial.organisation,
        persons=managers(trial),
        subject=trial.archive.slug,
        url=reverse(
            "archive:quarantine", kwargs={"organisation": trial.organisation.slug, "archive": trial.archive.slug}
        ),
        detail={"by": str(actor), "archive": trial.archive.name},
        by=actor,
    )


def last_asked(trial: Trial) -> datetime | None:
    """When the managers were asked last."""
    return notifications.last_sent(kind=HELD_ASKED, organisation=trial.organisation, subject=trial.archive.slug)
