"""Scores: by rule at the commit, by rubric afterwards; and what follows once every answer has one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from access.queries import require
from core.errors import Invalid, NotFound
from practice import notices
from practice.domain import responses, scoring
from practice.models import Answer, Attempt, Score
from practice.services.repetition import review_diagnosis
from practice.services.telling import tell


def score_by_rule(
    *,
    answer: Answer,
    given: responses.Given,
    question: Mapping[str, Any],
    truth: Sequence[Mapping[str, Any]],
    now: datetime,
) -> None:
    """Score what a rule can score; free text waits for its rubric."""
    if given.kind in ("single", "multiple"):
        result = scoring.score_choice(question, given.choice)
    elif given.kind == "mark":
        result = scoring.score_marks(question, given.marks, truth)
    else:
        return
    _keep(answer=answer, result=result, by=Score.By.RULE, actor=None, note="", now=now)


@transaction.atomic
def score_text(
    *,
    actor: Any,
    attempt: Attempt,
    question_id: str,
    met: Sequence[str],
    note: str = "",
    moment: datetime | None = None,
    request: Any = None,
) -> Attempt:
    """Say which lines of the rubric a free text answer meets.

    The reader does it where the question says so, an educator who may see results always. The newest score counts.
    """
    locked: Attempt = (
        Attempt.objects.select_for_update(of=("self",))
        .select_related("version__case__library", "assignment__course")
        .get(pk=attempt.pk)
    )
    question = next((q for q in locked.version.content["questions"] if q["id"] == question_id), None)
    answer = Answer.objects.filter(attempt=locked, question_id=question_id, kind="text").first()
    if question is None or answer is None or not locked.is_revealed:
        raise NotFound
    is_own = locked.user_id == actor.pk
    if not (is_own and question["scored_by"] == "self"):
        _require_educator(actor=actor, attempt=locked)
    known = {str(line["id"]) for line in question["rubric"]}
    if set(met) - known:
        raise Invalid
    result = scoring.score_rubric(question, set(met))
    now = moment or timezone.now()
    by = Score.By.SELF if is_own and question["scored_by"] == "self" else Score.By.EDUCATOR
    _keep(answer=answer, result=result, by=by, actor=actor, note=note.strip(), now=now)
    tell(action="attempt.scored", attempt=locked, actor=actor, request=request, detail={"by": str(by)})
    finish_if_scored(attempt=locked, moment=now)
    if by == Score.By.EDUCATOR:
        notices.scored(attempt=locked, actor=actor)
    attempt.refresh_from_db()
    return attempt


def _require_educator(*, actor: Any, attempt: Attempt) -> None:
    from access.queries import may

    course = attempt.assignment.course if attempt.assignment is not None else None
    if course is not None and may(actor, "teaching.view_results", course):
        return
    require(actor, "teaching.view_results", attempt.version.case.library)


def _keep(*, answer: Answer, result: scoring.Result, by: str, actor: Any, note: str, now: datetime) -> None:
    Score.objects.create(
        organisation_id=answer.organisation_id,
        answer=answer,
        by=by,
        actor=actor,
        points=result.points,
        max_points=result.max_points,
        is_correct=result.is_correct,
        detail=dict(result.detail),
        note=note,
        scored_at=now,
    )


def finish_if_scored(*, attempt: Attempt, moment: datetime) -> None:
    """Add the points up; with the first whole score the diagnosis goes into the reader's repetition."""
    newest: dict[int, Score] = {}
    for score in Score.objects.filter(answer__attempt=attempt).order_by("pk"):
        newest[score.answer_id] = score
    if len(newest) < Answer.objects.filter(attempt=attempt).count():
        return
    points, most = sum(s.points for s in newest.values()), sum(s.max_points for s in newest.values())
    first = Attempt.objects.filter(pk=attempt.pk, state=Attempt.State.COMMITTED).update(
        state=Attempt.State.SCORED, scored_at=moment, points=points, max_points=most
    )
    if not first:
        Attempt.objects.filter(pk=attempt.pk, state=Attempt.State.SCORED).update(points=points, max_points=most)
        return
    attempt.refresh_from_db()
    review_diagnosis(attempt=attempt)
