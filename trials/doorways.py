"""Where other parts of the product lead into trials: the navigation, the home page, the search for everything."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from access import rights
from access.queries import visible_to
from core import home
from core.palette import Hit
from trials import queries
from trials.models import Subject
from trials.permissions import MANAGE_SUBJECTS, VIEW, VIEW_SITE, VIEW_SUBJECTS


def has_trials(request: Any) -> bool:
    return (
        rights.holds_anywhere(request, VIEW)
        or rights.holds_anywhere(request, VIEW_SITE)
        or rights.holds(request, "access.add_container")
    )


def waiting(request: Any) -> home.Section | None:
    """A coordinator's: images that belong to no subject yet."""
    if not rights.holds_anywhere(request, MANAGE_SUBJECTS):
        return None
    slug = request.organisation.slug
    return home.Section(
        title=_("Images without a subject"),
        side=True,
        entries=[
            home.Entry(
                title=trial.protocol_id,
                url=reverse("trials:waiting", kwargs={"organisation": slug, "trial": trial.slug}),
                note=ngettext("%(n)s study waits to be matched", "%(n)s studies wait to be matched", n) % {"n": n},
                icon="user-round-search",
                tone="query",
            )
            for trial, n in queries.waiting_counts(request.user, permission=MANAGE_SUBJECTS)
        ],
    )


def find_in_palette(request: Any, words: str, limit: int) -> list[Hit]:
    """Trials by protocol or name, and subjects by their ID."""
    slug = request.organisation.slug
    wanted = words.casefold()
    hits = [
        Hit(
            label=trial.protocol_id,
            url=reverse("trials:trial", kwargs={"organisation": slug, "trial": trial.slug}),
            icon="flask-conical",
            note=trial.name,
        )
        for trial in queries.trials(request.user)
        if wanted in f"{trial.protocol_id} {trial.name} {trial.sponsor}".casefold()
    ]
    if not (rights.holds_anywhere(request, VIEW_SUBJECTS) or rights.holds_anywhere(request, VIEW_SITE)):
        return hits[:limit]
    rows = visible_to(request.user, Subject.objects.select_related("trial"), VIEW_SUBJECTS)
    hits += [
        Hit(
            label=subject.subject_id,
            url=reverse(
                "trials:subject",
                kwargs={"organisation": slug, "trial": subject.trial.slug, "subject": subject.public_id},
            ),
            icon="user-round",
            note=subject.trial.protocol_id,
        )
        for subject in queries.find_subjects(rows, words)[:limit]
    ]
    return hits[:limit]
