"""The questions of a case in its editor."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.whole_numbers import read_whole_number
from teaching import presentation, services
from teaching.errors import PartChanged
from teaching.models import Case, Question
from teaching.views.case_and_revision import load, open_page, saved, seen_revision, tagged
from teaching.views.conflicts import question_conflict
from teaching.views.order import moved


def questions_fragment(request: Any, case: Case, *, undo: int | None = None, focus: str = "") -> HttpResponse:
    context = {
        "case": case,
        "questions": presentation.questions_of(case),
        "question_kinds": Question.Kind.choices,
        "may_edit": True,
        "undo": undo,
        "focus": focus,
    }
    return tagged(render(request, "teaching/_questions.html", context), case)


@require_POST
def add_question(request: Any, organisation: str, case: str) -> HttpResponse:
    found = load(request, case)
    question = services.add_question(
        actor=request.user,
        case=found,
        kind=request.POST.get("kind", ""),
        request=request,
        **_new_question(request.POST.get("kind", "")),
    )
    return questions_fragment(request, found, focus=question.public_id)


def _new_question(kind: str) -> dict[str, Any]:
    """A start that needs little change."""
    if kind == "mark":
        return {"stem": _("Mark each abnormality you see, and say how sure you are.")}
    if kind == "text":
        return {"rubric": [{"text": "", "points": 5}], "asks_confidence": False}
    if kind in ("single", "multiple"):
        return {"stem": _("What is the most likely diagnosis?") if kind == "single" else ""}
    return {}


@require_http_methods(["POST", "DELETE"])
def question(request: Any, organisation: str, case: str, question: str) -> HttpResponse:
    """POST saves a question (autosave), moves it, or adds and removes its options; DELETE removes it."""
    found = load(request, case)
    if request.method == "DELETE":
        before = found.revision
        try:
            services.delete_question(
                actor=request.user, case=found, question_id=question, revision=seen_revision(request), request=request
            )
        except PartChanged as error:
            return question_conflict(request=request, case=found, question_id=question, error=error)
        return questions_fragment(request, found, undo=before)
    if "move" in request.POST:
        ids = moved([row.public_id for row in found.questions.all()], question, request.POST["move"])
        services.order_questions(actor=request.user, case=found, question_ids=ids, request=request)
        return questions_fragment(request, found)
    try:
        row = services.change_question(
            actor=request.user,
            case=found,
            question_id=question,
            changes=question_changes(request.POST),
            revision=seen_revision(request),
            request=request,
            coalesce=True,
            editor=open_page(request),
        )
    except PartChanged as error:
        return question_conflict(request=request, case=found, question_id=question, error=error)
    if request.headers.get("HX-Request"):
        context = {
            "case": found,
            "question": presentation.question_row(row, number=row.position + 1),
            "question_kinds": Question.Kind.choices,
            "may_edit": True,
            # What was added is written next.
            "added": next((name for name in ("option", "line") if f"add_{name}" in request.POST), ""),
        }
        return tagged(render(request, "teaching/_question.html", context), found)
    return saved(found)


def question_changes(form: Any) -> dict[str, Any]:
    """The form of a question as changes. Options and rubric lines are parallel lists, kept in the page's order."""
    changes: dict[str, Any] = {
        name: form[name]
        for name in ("stem", "explanation", "points", "max_marks", "confidence_levels", "scored_by", "kind")
        if name in form
    }
    for name in ("shuffle", "asks_confidence"):
        if f"has_{name}" in form:
            changes[name] = name in form
    if "has_options" in form:
        ids, texts, whys = form.getlist("option_id"), form.getlist("option_text"), form.getlist("option_explanation")
        right = set(form.getlist("option_correct"))
        options = [
            {"id": key, "text": text, "explanation": why, "is_correct": key in right}
            for key, text, why in zip(ids, texts, whys, strict=False)
            if key != form.get("remove_option")
        ]
        changes["options"] = [*options, {"text": ""}] if "add_option" in form else options
    if "has_rubric" in form:
        ids, texts, points = form.getlist("rubric_id"), form.getlist("rubric_text"), form.getlist("rubric_points")
        rubric = [
            {"id": key, "text": text, "points": read_whole_number(value) or 0}
            for key, text, value in zip(ids, texts, points, strict=False)
            if key != form.get("remove_line")
        ]
        changes["rubric"] = [*rubric, {"text": "", "points": 5}] if "add_line" in form else rubric
    return changes
