"""Whom de-identification tells of what, behind the bell. A copy goes by its pseudonym; no line names a patient."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from access.models import User
from access.queries import may, people_with_role
from core import notifications
from deid.models import DeidentificationRun

APPROVAL_ASKED = "deid.approval_asked"
APPROVED = "deid.approved"
REJECTED = "deid.rejected"


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


def decided(*, run: DeidentificationRun, actor: User, approved: bool, url: str) -> None:
    approval_over(run=run)
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
