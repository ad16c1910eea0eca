"""Go back to an earlier state of a case."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from core.errors import NotFound
from teaching.models import Case, CaseRevision
from teaching.services.editing import editing
from teaching.services.snapshot import apply


def restore_revision(*, actor: Any, case: Case, number: int, revision: int | None = None, request: Any = None) -> Case:
    """Make the working copy what it was at revision `number`; this is itself an edit and can be undone."""
    found = CaseRevision.objects.filter(case=case, number=number).first()
    if found is None:
        raise NotFound
    with editing(
        actor=actor,
        case=case,
        summary=_("Restored state %d") % number,
        revision=revision,
        request=request,
        action="case.restored",
        detail={"restored": number},
    ) as locked:
        apply(case=locked, content=found.content)
    return case
