"""From draft to published: preview, checklist, review, and what can be done now."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from core.errors import Invalid, NotFound, PacswebError
from teaching import presentation, queries, services
from teaching.errors import NotReady
from teaching.models import Case
from teaching.views.case_and_revision import EDIT, VIEW, load, open_page, seen_revision, tagged


@require_GET
def preview(request: Any, organisation: str, case: str) -> HttpResponse:
    """As the trainee sees it, before or after the answer."""
    found = load(request, case, VIEW)
    revealed = request.GET.get("after") == "1"
    return render(request, "teaching/_preview.html", presentation.preview_of(found, revealed=revealed))


@require_GET
def publishing(request: Any, organisation: str, case: str) -> HttpResponse:
    """The checklist and what can be done now."""
    found = load(request, case, VIEW)
    return publishing_fragment(request, found)


def publishing_fragment(request: Any, case: Case, *, problem: str = "", status: int = 200) -> HttpResponse:
    user = request.user
    context = {
        **presentation.publishing_context(case),
        "library": case.library,
        "may_edit": queries.libraries_with(user, EDIT).filter(pk=case.library_id).exists(),
        "may_publish": queries.libraries_with(user, "teaching.publish_cases").filter(pk=case.library_id).exists(),
        "may_review": queries.libraries_with(user, "teaching.review_cases").filter(pk=case.library_id).exists(),
        "problem": problem,
    }
    return tagged(render(request, "teaching/_publishing.html", context, status=status), case)


@require_POST
def act(request: Any, organisation: str, case: str, action: str) -> HttpResponse:
    """Publish, retire, ask for a review, decide one, add new images, or go on without held-back ones."""
    found = load(request, case, VIEW)
    user, form = request.user, request.POST
    try:
        if action == "publish":
            services.publish_case(
                actor=user,
                case=found,
                revision=seen_revision(request),
                editor=open_page(request),
                note=form.get("note", ""),
                request=request,
            )
        elif action == "retire":
            services.retire_case(
                actor=user,
                case=found,
                reason=form.get("reason", ""),
                withdraw=form.get("withdraw") == "on",
                request=request,
            )
        elif action == "request-review":
            services.request_review(actor=user, case=found, note=form.get("note", ""), request=request)
        elif action in ("approve", "ask-for-changes"):
            services.decide_review(
                actor=user,
                case=found,
                approved=action == "approve",
                revision=seen_revision(request),
                note=form.get("note", ""),
                request=request,
            )
        elif action == "add-images":
            services.add_new_images(actor=user, case=found, request=request)
        elif action == "resolve-held-back":
            services.resolve_held_back(actor=user, case=found, request=request)
        else:
            raise NotFound
    except (NotReady, Invalid) as error:
        if not request.headers.get("HX-Request"):
            raise
        return publishing_fragment(request, found, problem=sentence_of(error), status=422)
    if not request.headers.get("HX-Request"):
        return redirect("teaching:case-edit", organisation=organisation, case=case)
    response = publishing_fragment(request, found)
    response["HX-Trigger"] = json.dumps({"case:state": {"state": found.state, "label": str(found.get_state_display())}})
    return response


def sentence_of(error: PacswebError) -> str:
    if isinstance(error, Invalid) and error.fields:
        return " ".join(sentence for sentences in error.fields.values() for sentence in sentences)
    return str(error.message)
