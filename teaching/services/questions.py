"""The questions of a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Invalid, NotFound
from core.models import new_public_id
from teaching.domain.questions import MAX_OPTIONS
from teaching.models import Case, Question
from teaching.services import validation
from teaching.services.editing import editing, refuse_stale
from teaching.services.snapshot import question_document

MAX_QUESTIONS = 30
_FLAGS = ("shuffle", "asks_confidence")
_NUMBERS = {"points": (1, 100), "confidence_levels": (2, 100), "max_marks": (1, 50)}
_TEXTS = {"stem": 5000, "explanation": 10_000, "scored_by": 8}


def add_question(
    *,
    actor: Any,
    case: Case,
    kind: str,
    revision: int | None = None,
    request: Any = None,
    **fields: Any,
) -> Question:
    """Ask something at the end of the case.

    `fields`: stem, explanation, points, options ([{text, is_correct, explanation}]), shuffle, asks_confidence,
    confidence_levels, max_marks, rubric ([{text, points}]), scored_by. What is not valid yet may be stored; the
    checklist holds publication until it is.
    """
    if kind not in Question.Kind.values:
        raise Invalid(fields={"kind": [_("There is no such kind of question.")]})
    with editing(actor=actor, case=case, summary=_("Question added"), revision=revision, request=request) as locked:
        count = Question.objects.filter(case=locked).count()
        if count >= MAX_QUESTIONS:
            raise Invalid(_("A case has at most %d questions.") % MAX_QUESTIONS)
        question = Question(
            organisation_id=locked.organisation_id, case=locked, kind=kind, position=count, version=locked.revision + 1
        )
        if kind in ("single", "multiple") and "options" not in fields:
            fields["options"] = [{"text": ""}, {"text": ""}]
        _fill(question=question, changes=fields)
        question.save()
    return question


def change_question(
    *,
    actor: Any,
    case: Case,
    question_id: str,
    changes: Mapping[str, Any],
    revision: int | None = None,
    request: Any = None,
    coalesce: bool = False,
    editor: str = "",
) -> Question:
    """Change a question; fields as in `add_question`. Options and rubric lines keep their ids when these are given.

    :param revision: the revision at which the caller saw this question.
    :raises PartChanged: when it was saved from elsewhere since, with other words.
    """
    question = _get(case=case, question_id=question_id)
    with editing(
        actor=actor,
        case=case,
        summary=_("Question %d changed") % (question.position + 1),
        request=request,
        coalesce=coalesce,
        editor=editor,
    ) as locked:
        question = _get(case=locked, question_id=question_id)
        before = question_document(question)
        _fill(question=question, changes=changes)
        if question_document(question) != before:
            refuse_stale(case=locked, version=question.version, seen=revision)
            question.version = locked.revision + 1
            question.save()
    return question


def order_questions(
    *, actor: Any, case: Case, question_ids: Sequence[str], revision: int | None = None, request: Any = None
) -> None:
    with editing(actor=actor, case=case, summary=_("Questions moved"), revision=revision, request=request) as locked:
        rows = {row.public_id: row for row in Question.objects.filter(case=locked)}
        if sorted(rows) != sorted(question_ids):
            raise Invalid(_("The questions changed in the meantime. Reload the page."))
        for position, public_id in enumerate(question_ids):
            rows[public_id].position = position
        Question.objects.bulk_update(rows.values(), ["position"])


def delete_question(
    *, actor: Any, case: Case, question_id: str, revision: int | None = None, request: Any = None
) -> None:
    """Remove a question as the caller saw it at `revision`; the history brings it back."""
    with editing(actor=actor, case=case, summary=_("Question removed"), request=request) as locked:
        question = _get(case=locked, question_id=question_id)
        refuse_stale(case=locked, version=question.version, seen=revision)
        question.delete()
        for position, row in enumerate(Question.objects.filter(case=locked)):
            Question.objects.filter(pk=row.pk).update(position=position)


def _get(*, case: Case, question_id: str) -> Question:
    question: Question | None = Question.objects.filter(case=case, public_id=question_id).first()
    if question is None:
        raise NotFound
    return question


def _fill(*, question: Question, changes: Mapping[str, Any]) -> None:
    known = {*_FLAGS, *_NUMBERS, *_TEXTS, "options", "rubric", "kind"}
    unknown = set(changes) - known
    if unknown:
        raise Invalid(fields={name: [_("There is no such field.")] for name in sorted(unknown)})
    if "kind" in changes:
        _change_kind(question=question, kind=str(changes["kind"]))
    for name, value in changes.items():
        if name in _FLAGS:
            setattr(question, name, bool(value))
        elif name in _NUMBERS:
            least, most = _NUMBERS[name]
            setattr(question, name, validation.whole_of(value, name=name, least=least, most=most))
        elif name in _TEXTS:
            setattr(question, name, validation.text_of(value, limit=_TEXTS[name]))
        elif name == "options":
            question.options = _options(value)
        elif name == "rubric":
            question.rubric = _rubric(value)
    if question.kind == Question.Kind.SINGLE:
        _keep_one_right(question)
    validation.validate(question)


def _change_kind(*, question: Question, kind: str) -> None:
    """Only between the two kinds of choice: anything else would throw content away."""
    choices = (Question.Kind.SINGLE, Question.Kind.MULTIPLE)
    if kind != question.kind and not (kind in choices and question.kind in choices):
        raise Invalid(fields={"kind": [_("Add a new question for another kind.")]})
    question.kind = kind


def _options(value: Any) -> list[dict[str, Any]]:
    rows = list(value or ())
    if len(rows) > MAX_OPTIONS:
        raise Invalid(fields={"options": [_("At most %d options.") % MAX_OPTIONS]})
    return [
        {
            # Random, so that neither order nor numbering tells which one was written first.
            "id": validation.text_of(row.get("id"), limit=12) or new_public_id(),
            "text": validation.text_of(row.get("text"), limit=1000),
            "is_correct": bool(row.get("is_correct")),
            "explanation": validation.text_of(row.get("explanation"), limit=2000),
        }
        for row in rows
    ]


def _rubric(value: Any) -> list[dict[str, Any]]:
    rows = list(value or ())
    if len(rows) > MAX_OPTIONS:
        raise Invalid(fields={"rubric": [_("At most %d lines.") % MAX_OPTIONS]})
    return [
        {
            "id": validation.text_of(row.get("id"), limit=12) or new_public_id(),
            "text": validation.text_of(row.get("text"), limit=1000),
            "points": max(0, min(100, int(row.get("points") or 0))),
        }
        for row in rows
    ]


def _keep_one_right(question: Question) -> None:
    """Ticking a second right answer moves the tick."""
    right = [option for option in question.options if option["is_correct"]]
    for option in right[:-1]:
        option["is_correct"] = False
