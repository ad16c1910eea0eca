"""The sections of a case in its editor."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.errors import Invalid
from teaching import presentation, services
from teaching.errors import PartChanged
from teaching.models import Case, CaseSection
from teaching.views.case_and_revision import load, open_page, saved, seen_revision, tagged
from teaching.views.conflicts import section_conflict
from teaching.views.order import moved


def sections_fragment(request: Any, case: Case, *, undo: int | None = None) -> HttpResponse:
    context = {
        "case": case,
        "sections": presentation.sections_of(case),
        "visibilities": CaseSection.Visibility.choices,
        "section_kinds": CaseSection.Kind.choices,
        "may_edit": True,
        "undo": undo,
    }
    return tagged(render(request, "teaching/_sections.html", context), case)


@require_POST
def add_section(request: Any, organisation: str, case: str) -> HttpResponse:
    found = load(request, case)
    services.add_section(
        actor=request.user,
        case=found,
        kind=request.POST.get("kind", "custom"),
        heading=request.POST.get("heading", ""),
        body=request.POST.get("body", ""),
        request=request,
    )
    return sections_fragment(request, found)


@require_http_methods(["POST", "DELETE"])
def section(request: Any, organisation: str, case: str, section: str) -> HttpResponse:
    """POST saves a section (autosave), or moves it with `move`; DELETE removes it. `If-Match` is the revision at which the
    page saw this section."""
    found = load(request, case)
    if request.method == "DELETE":
        before = found.revision
        try:
            services.delete_section(
                actor=request.user, case=found, section_id=section, revision=seen_revision(request), request=request
            )
        except PartChanged as error:
            return section_conflict(request=request, case=found, section_id=section, error=error)
        return sections_fragment(request, found, undo=before)
    if "move" in request.POST:
        ids = moved([row.public_id for row in found.sections.all()], section, request.POST["move"])
        services.order_sections(actor=request.user, case=found, section_ids=ids, request=request)
        return sections_fragment(request, found)
    changes: dict[str, Any] = {
        name: request.POST[name] for name in ("heading", "body", "visibility") if name in request.POST
    }
    if "visible_from" in request.POST:
        changes["visible_from"] = _date(request.POST["visible_from"])
    try:
        services.change_section(
            actor=request.user,
            case=found,
            section_id=section,
            changes=changes,
            revision=seen_revision(request),
            request=request,
            coalesce=True,
            editor=open_page(request),
        )
    except PartChanged as error:
        return section_conflict(request=request, case=found, section_id=section, error=error)
    return saved(found)


def _date(raw: str) -> date | None:
    try:
        return date.fromisoformat(raw) if raw else None
    except ValueError:
        raise Invalid(fields={"visible_from": [_("Write the date as year-month-day.")]}) from None
