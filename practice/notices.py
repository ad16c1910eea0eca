"""Whom practice tells of what, behind the bell."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core import notifications
from practice.models import Attempt

SCORED = "practice.scored"


def register() -> None:
    notifications.register(
        kind=SCORED, label=_("Reads"), icon="circle-check", sentence=_("%(by)s scored your read of “%(title)s”")
    )


def scored(*, attempt: Attempt, actor: Any) -> None:
    """Tell the reader that an educator looked at what they wrote."""
    slug = attempt.organisation.slug
    notifications.send(
        kind=SCORED,
        organisation=attempt.organisation,
        persons=[attempt.user],
        subject=attempt.public_id,
        url=reverse("practice:attempt", kwargs={"organisation": slug, "attempt": attempt.public_id}),
        detail={"title": attempt.version.alternative_title, "by": str(actor)},
        by=actor,
    )
