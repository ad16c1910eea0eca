"""The answer to a save that would have overwritten what its page has not seen: both sides, for a person to choose."""

from __future__ import annotations

from typing import Any

from django.http import JsonResponse
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from core.middleware import problem
from teaching import presentation
from teaching.errors import PartChanged
from teaching.models import Case, CaseRevision, CaseSection, Question


def section_conflict(*, request: Any, case: Case, section_id: str, error: PartChanged) -> JsonResponse:
    section = CaseSection.objects.get(case=case, public_id=section_id)
    context = {
        "case": case,
        "section": section,
        "visibilities": CaseSection.Visibility.choices,
        "may_edit": True,
    }
    stored = render_to_string("teaching/_section.html", context, request=request)
    return _conflict(request=request, case=case, error=error, stored={"html": stored})


def question_conflict(*, request: Any, case: Case, question_id: str, error: PartChanged) -> JsonResponse:
    row = Question.objects.get(case=case, public_id=question_id)
    context = {"case": case, "question": presentation.question_row(row, number=row.position + 1), "may_edit": True}
    stored = render_to_string("teaching/_question.html", context, request=request)
    return _conflict(request=request, case=case, error=error, stored={"html": stored})


def field_conflict(*, request: Any, case: Case, error: PartChanged) -> JsonResponse:
    case.refresh_from_db()
    values = {name: getattr(case, name) for name in error.fields}
    return _conflict(request=request, case=case, error=error, stored={"values": values})


def _conflict(*, request: Any, case: Case, error: PartChanged, stored: dict[str, Any]) -> JsonResponse:
    """409 with what is stored (`html` of the form, or `values` by field), its `version`, and who wrote it (`by`)."""
    entry = CaseRevision.objects.select_related("actor").filter(case=case, number__gte=error.version).last()
    if entry is None:
        writer = ""
    elif entry.actor_id == request.user.pk:
        writer = _("you, in another window")
    else:
        writer = str(entry.actor)
    answer = JsonResponse({**problem(error), "version": error.version, "by": writer, **stored}, status=409)
    answer["Cache-Control"] = "private, no-store"
    return answer
