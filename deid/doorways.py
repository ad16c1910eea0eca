"""What de-identification adds to the home page: copies that wait for this person."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from access import rights
from core import home
from deid import queries
from deid.models import DeidentificationRun

SHOWN = 6


def home_sections(request: Any) -> list[home.Section]:
    """Copies to approve as the second person, and held images to review."""
    if not rights.holds_anywhere(request, queries.ADD):
        return []
    who = {"user": request.user, "organisation": request.organisation}
    return [
        home.Section(
            title=_("De-identified copies to approve"),
            entries=[
                _entry(run, name="run", icon="shield-question-mark") for run in queries.approvals_of(**who)[:SHOWN]
            ],
            more_url=_runs(request) + f"?state={DeidentificationRun.State.AWAITING_APPROVAL}",
            more_label=_("All that wait for approval"),
        ),
        home.Section(
            title=_("Held images to review"),
            entries=[_entry(run, name="run-held", icon="eye") for run in queries.reviews_of(**who)[:SHOWN]],
            more_url=_runs(request) + "?held-back=1",
            more_label=_("All with images held back"),
        ),
    ]


def _entry(run: DeidentificationRun, *, name: str, icon: str) -> home.Entry:
    return home.Entry(
        title=run.pseudonym.patient_id,
        url=reverse(f"deid:{name}", kwargs={"organisation": run.organisation.slug, "run": run.public_id}),
        note=_("into %(archive)s, asked for by %(person)s")
        % {"archive": run.target_archive.name, "person": run.requested_by},
        icon=icon,
        tone="query",
    )


def _runs(request: Any) -> str:
    return reverse("deid:run-list", kwargs={"organisation": request.organisation.slug})
