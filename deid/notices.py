"""Whom de-identification tells of what, behind the bell. A copy goes by its pseudonym; no line names a patient."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from access.models import User
from access.queries import may, people_with_role
from core import notifications
from deid.models import DeidentificationRun

APPROVAL_ASKED = "deid.approval_asked"
APPROVED = "deid.approved"
REJECTED = "deid.rejected"
REVIEW_NEEDED = "deid.review_needed"


def register() -> None:
    label = _("De-identification")
    notifications.register(
        kind=APPROVAL_ASKED,
        label=label,
        icon="shield-question-mark",
        sentence=_("%(by)s asks for approval of the copy %(copy)s into %(archive)s"),
        tone="query",
    )
    notifications.register(
        kind=APPROVED, label=label, icon="shield-check", sentence=_("%(by)s approved the copy %(copy)s"), tone="pass"
    )
    notifications.register(
        kind=REJECTED, label=label, icon="shield-x", sentence=_("%(by)s rejected the copy %(copy)s"), tone="fail"
    )
    notifications.register(
        kind=REVIEW_NEEDED,
        label=label,
        icon="eye",
        sentence=_("Held images of the copy %(copy)s into %(archive)s need review"),
        tone="query",
    )


def approval_asked(*, run: DeidentificationRun, url: str) -> None:
    """Tell everyone who may decide: they see the source and add to the target."""
    deciders = [
        person
        for person in people_with_role(container=run.target_archive)
        if may(person, "archive.add_images", run.target_archive)
        and may(person, "archive.view_archive", run.source_archive)
    ]
    notifications.send(
        kind=APPROVAL_ASKED,
        organisation=run.organisation,
        persons=deciders,
        subject=run.public_id,
        url=url,
        detail=_detail(run, by=run.requested_by),
        by=run.requested_by,
    )


def review_needed(*, run: DeidentificationRun) -> None:
    """Tell those who may release held images, once a run: what they release makes the run end again."""
    if notifications.was_sent(kind=REVIEW_NEEDED, organisation=run.organisation, subject=run.public_id):
        return
    reviewers = [
        person
        for person in people_with_role(container=run.target_archive)
        if may(person, "archive.manage_archive", run.target_archive)
        and may(person, "archive.view_archive", run.source_archive)
    ]
    notifications.send(
        kind=REVIEW_NEEDED,
        organisation=run.organisation,
        persons=reviewers,
        subject=run.public_id,
        url=reverse("deid:run-held", kwargs={"organisation": run.organisation.slug, "run": run.public_id}),
        detail={"copy": run.pseudonym.patient_id, "archive": run.target_archive.name},
    )


def review_over(*, run: DeidentificationRun) -> None:
    notifications.withdraw(kind=REVIEW_NEEDED, organisation=run.organisation, subject=run.public_id)


def decided(*, run: DeidentificationRun, actor: User, approved: bool, url: str) -> None:
    approval_over(run=run)
    if not approved:
        review_over(run=run)
    notifications.send(
        kind=APPROVED if approved else REJECTED,
        organisation=run.organisation,
        persons=[run.requested_by],
        subject=run.public_id,
        url=url,
        detail=_detail(run, by=actor),
        by=actor,
    )


def approval_over(*, run: DeidentificationRun) -> None:
    notifications.withdraw(kind=APPROVAL_ASKED, organisation=run.organisation, subject=run.public_id)


def _detail(run: DeidentificationRun, *, by: User) -> dict[str, str]:
    return {"by": str(by), "copy": run.pseudonym.patient_id, "archive": run.target_archive.name}
