"""The commit: answers become immutable, and only then is the truth shown to their reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from practice import queries
from practice.domain import order, responses
from practice.errors import AttemptClosed, Incomplete
from practice.models import Answer, Attempt
from practice.services.reading import lock_own
from practice.services.scoring import finish_if_scored, score_by_rule
from practice.services.telling import tell
from viewer.domain.mark_reading import stored_mark
from viewer.domain.marks import Mark


@transaction.atomic
def commit_attempt(
    *,
    user: Any,
    attempt: Attempt,
    draft: Mapping[str, Any] | None = None,
    marks: Sequence[Mark] | None = None,
    moment: datetime | None = None,
    request: Any = None,
) -> Attempt:
    """Commit the read; committing a committed one changes nothing and gives it back as it was committed.

    `draft` and `marks` are what the page shows now; without them what was saved counts. Marks have been checked against
    the images by the caller.

    :raises Incomplete: when an answer is missing; nothing is committed. AttemptClosed: when it was abandoned.
    """
    locked = lock_own(user=user, attempt=attempt)
    if locked.is_revealed:
        return locked
    if not locked.is_active:
        raise AttemptClosed
    questions = locked.version.content["questions"]
    given, missing = responses.collect(
        locked.draft if draft is None else draft,
        [stored_mark(mark) for mark in locked.marks] if marks is None else marks,
        questions=questions,
    )
    if missing:
        raise Incomplete({question_id: [what_is_missing(code)] for question_id, code in missing.items()})
    now = moment or timezone.now()
    claimed = Attempt.objects.filter(pk=locked.pk, state=Attempt.State.STARTED).update(
        state=Attempt.State.COMMITTED,
        committed_at=now,
        reason=_reason(locked),
        draft=responses.clean_draft(locked.draft if draft is None else draft, questions=questions),
        **({} if marks is None else {"marks": [mark.to_json() for mark in marks]}),
    )
    if claimed != 1:
        # Only reached should the row lock ever be lost: another commit won.
        locked.refresh_from_db()
        return locked
    locked.refresh_from_db()
    _keep_answers(attempt=locked, given=given, questions=questions, now=now)
    tell(action="attempt.committed", attempt=locked, actor=user, request=request, detail={"answers": len(given)})
    tell(action="truth.revealed", attempt=locked, actor=user, request=request)
    finish_if_scored(attempt=locked, moment=now)
    attempt.refresh_from_db()
    return attempt


def _reason(attempt: Attempt) -> str:
    """Why the read was made, now that it may be said: a diagnosis that was due when it began."""
    group = attempt.version.diagnosis_group
    if attempt.assignment_id is None and queries.is_due(user=attempt.user, group=group, moment=attempt.started_at):
        return str(Attempt.Reason.DUE)
    return attempt.reason


def _keep_answers(
    *, attempt: Attempt, given: Sequence[responses.Given], questions: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    by_id = {str(question["id"]): question for question in questions}
    for answer in given:
        question = by_id[answer.question_id]
        stored = Answer.objects.create(
            organisation_id=attempt.organisation_id,
            attempt=attempt,
            question_id=answer.question_id,
            kind=answer.kind,
            response=_response(answer, question=question, seed=attempt.seed),
            confidence=answer.confidence,
            confidence_levels=answer.confidence_levels,
            submitted_at=now,
        )
        score_by_rule(answer=stored, given=answer, question=question, truth=attempt.version.content["truth"], now=now)


def _response(answer: responses.Given, *, question: Mapping[str, Any], seed: int) -> dict[str, Any]:
    if answer.kind in ("single", "multiple"):
        shown = order.shuffled(
            question["options"], seed=seed, question_id=answer.question_id, shuffle=bool(question["shuffle"])
        )
        return {"choice": list(answer.choice), "order": [str(option["id"]) for option in shown]}
    if answer.kind == "text":
        return {"text": answer.text}
    return {"marks": [mark.to_json() for mark in answer.marks], "none": answer.none}


def what_is_missing(code: str) -> str:
    return {
        "choice": _("Choose an answer."),
        "text": _("Write an answer."),
        "marks": _("Mark what you see, or say that there is nothing to mark."),
        "both": _("You marked something and said that there is nothing: take one of them back."),
        "too-many": _("There are more marks than this question allows. Remove the least likely ones."),
        "ratings": _("Say for each mark how sure you are."),
        "confidence": _("Say how sure you are."),
    }[code]
