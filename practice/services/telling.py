"""How acts of a read enter the trail, with what made them the reader's business."""

from __future__ import annotations

from typing import Any

from audit.services import record
from practice.models import Attempt
from practice.queries import role_behind


def explain(attempt: Attempt) -> str:
    if attempt.assignment is not None:
        return f"assignment {attempt.assignment.public_id}"
    if attempt.reason == Attempt.Reason.DUE:
        return "repetition due"
    return role_behind(attempt, person=attempt.user)


def tell(
    *, action: str, attempt: Attempt, actor: Any, request: Any = None, detail: dict[str, Any] | None = None
) -> None:
    record(
        action=action,
        organisation=attempt.organisation,
        actor=actor,
        target=attempt,
        detail={
            "case": attempt.version.case.public_id,
            "version": attempt.version.number,
            "attempt": attempt.public_id,
            **(detail or {}),
        },
        request=request,
        explained_by=explain(attempt),
    )
