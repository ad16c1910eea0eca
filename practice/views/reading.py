"""The read itself: one page from the unknown to its review."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from core.bodies import read_json
from core.errors import Conflict, NotFound
from practice import presentation, queries, services
from practice.errors import AttemptClosed, Incomplete
from practice.models import Attempt
from teaching.domain import markup
from teaching.models import Case
from viewer.domain import manifest as contract
from viewer.domain.mark_reading import MarkError, parse_marks
from viewer.errors import MarksInvalid
from viewer.services import open_session
from viewer.views import MarksView, ViewerView

MAX_BODY = 1024 * 1024
MAX_MARKS = 100


@require_POST
def start(request: Any, organisation: str, case: str) -> HttpResponse:
    """Begin (or go on with) the read of a case."""
    version = queries.readable_versions(request.user).filter(case__public_id=case).first()
    if version is None:
        raise NotFound
    attempt = services.start_attempt(user=request.user, version=version, request=request)
    return redirect("practice:attempt", organisation=organisation, attempt=attempt.public_id)


@require_POST
def start_next(request: Any, organisation: str) -> HttpResponse:
    """The next case of the list of the day: assigned first, then due, then free."""
    version = queries.next_version(request.user)
    if version is None:
        return redirect("practice:home", organisation=organisation)
    attempt = services.start_attempt(user=request.user, version=version, request=request)
    return redirect("practice:attempt", organisation=organisation, attempt=attempt.public_id)


class AttemptPage(ViewerView):
    """The unknown before the commit, its review after it; an educator sees reviews only."""

    template_name = "practice/read.html"

    def get_manifest(self) -> contract.Manifest:
        request: Any = self.request
        attempt = self.attempt = queries.visible_attempt(request.user, self.kwargs["attempt"])
        self.is_own = attempt.user_id == request.user.pk
        if attempt.state == Attempt.State.ABANDONED:
            raise Conflict(_("This read was abandoned. Begin the case again from the list."))
        studies = presentation.studies_of(attempt)
        session = open_session(
            user=request.user,
            organisation=request.organisation,
            kind="attempt" if self.is_own and attempt.is_active else "attempt-review",
            key=attempt.public_id,
            studies=studies,
            target=attempt,
            explained_by=queries.explanation(attempt, user=request.user),
            request=request,
        )
        if attempt.is_revealed and request.GET.get("format") != "json":
            services.record_result_viewed(actor=request.user, attempt=attempt, request=request)
        return presentation.manifest_of(
            attempt,
            session=session,
            organisation=request.organisation.slug,
            back=self._back(),
            studies=studies,
            with_all_readers=not self.is_own,
        )

    def _back(self) -> contract.Link:
        slug = self.kwargs["organisation"]
        if self.is_own:
            return contract.Link(label=_("Practice"), href=reverse("practice:home", kwargs={"organisation": slug}))
        case = self.attempt.version.case.public_id
        href = reverse("practice:case-results", kwargs={"organisation": slug, "case": case})
        return contract.Link(label=_("Results"), href=href)

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**panel_context(self.attempt, is_own=self.is_own), **context)


def panel_context(
    attempt: Attempt,
    *,
    is_own: bool = True,
    draft: Mapping[str, Any] | None = None,
    errors: Mapping[str, Any] | None = None,
    message: str = "",
) -> dict[str, Any]:
    view = presentation.view_of(attempt)
    context: dict[str, Any] = {
        "attempt": attempt,
        "is_own": is_own,
        "view": view,
        "sections": presentation.sections_html(view),
        "abstract_html": markup.to_html(view["alternative_abstract"]),
        "patient_words": presentation.patient_words(view["patient"]),
        "message": message,
    }
    if attempt.is_revealed:
        case: Case = attempt.version.case
        context |= {
            "questions": presentation.review_questions(attempt),
            "peers_minimum": presentation.PEERS_MINIMUM,
            "is_withdrawn": case.is_withdrawn,
            "has_newer": case.current_version_id != attempt.version_id and case.state == Case.State.PUBLISHED,
            "diagnosis": queries.diagnosis_of(attempt.version),
            "has_next": is_own and queries.next_version(attempt.user) is not None,
        }
    else:
        context["questions"] = presentation.read_questions(attempt, draft=draft, errors=errors)
        context["answered"] = sum(_is_answered(question) for question in context["questions"])
    return context


def _is_answered(question: Mapping[str, Any]) -> bool:
    given = question["given"]
    return bool(given.get("choice") or given.get("text") or given.get("none"))


class AttemptMarks(MarksView):
    """The reader's marks while the read is open."""

    mark_limit = MAX_MARKS

    def get_bounds(self) -> Any:
        self.attempt = queries.own_attempt(self.request.user, self.kwargs["attempt"])
        if not self.attempt.is_active:
            raise AttemptClosed
        return presentation.bounds_of(self.attempt)

    def save_marks(self, *, layer: str, version: int, marks: Any) -> int:
        if layer != "own":
            raise MarksInvalid([{"index": 0, "field": "layer", "message": "Only own marks can be saved here."}])
        return services.save_marks(user=self.request.user, attempt=self.attempt, marks=marks, version=version)


@require_http_methods(["PUT"])
def draft(request: Any, organisation: str, attempt: str) -> HttpResponse:
    """Keep answers while reading: `{"version": n, "draft": {question id: …}}` → `{"version": n + 1}`."""
    found = queries.own_attempt(request.user, attempt)
    body = _json_body(request)
    version, given = body.get("version"), body.get("draft")
    stored = services.save_draft(
        user=request.user,
        attempt=found,
        draft=given if isinstance(given, dict) else {},
        version=version if isinstance(version, int) else None,
    )
    return JsonResponse({"version": stored})


@require_POST
def commit(request: Any, organisation: str, attempt: str) -> HttpResponse:
    """Commit the read as the page shows it; with htmx the panel becomes the review in place."""
    found = queries.own_attempt(request.user, attempt)
    given = draft_from_form(request.POST, found)
    address = reverse("practice:attempt", kwargs={"organisation": organisation, "attempt": attempt})
    status, message, errors = 200, "", {}
    try:
        marks = _marks_from_form(request, found)
        found = services.commit_attempt(user=request.user, attempt=found, draft=given, marks=marks, request=request)
    except Incomplete as error:
        status, message, errors = 422, str(error.message), error.fields
    except MarkError:
        status, message = 422, _("Some marks lie outside the images. Remove them and commit again.")
    if not request.headers.get("HX-Request"):
        if status == 200:
            return redirect(address)
        return HttpResponse(message, status=status, content_type="text/plain; charset=utf-8")
    # The row was loaded anew: what is shown now is what was stored.
    found = queries.own_attempt(request.user, attempt)
    context = panel_context(found, draft=None if found.is_revealed else given, errors=errors, message=message)
    response = render(request, "practice/_panel.html", {**context, "is_answer": True}, status=status)
    if found.is_revealed:
        response["HX-Trigger"] = json.dumps({"viewer:reload": {"url": f"{address}?format=json"}})
    response["Cache-Control"] = "private, no-store"
    return response


def _marks_from_form(request: HttpRequest, attempt: Attempt) -> Any:
    """The marks that the viewer put into the form; None when it sent none (then the saved ones count)."""
    raw = request.POST.get("marks")
    if not raw or not attempt.is_active:
        return None
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError):
        raise MarkError([{"index": 0, "field": "marks", "message": "not JSON"}]) from None
    return parse_marks(payload, bounds=presentation.bounds_of(attempt), limit=MAX_MARKS)


def draft_from_form(form: Any, attempt: Attempt) -> dict[str, Any]:
    """Answers from the form's fields: `choice-<id>`, `text-<id>`, `none-<id>`, `confidence-<id>`."""
    found: dict[str, Any] = {}
    for question in attempt.version.content["questions"]:
        key = question["id"]
        found[key] = {
            "choice": form.getlist(f"choice-{key}"),
            "text": form.get(f"text-{key}", ""),
            "none": form.get(f"none-{key}") == "on",
            "confidence": form.get(f"confidence-{key}"),
        }
    return found


@require_POST
def abandon(request: Any, organisation: str, attempt: str) -> HttpResponse:
    services.abandon_attempt(user=request.user, attempt=queries.own_attempt(request.user, attempt), request=request)
    return redirect("practice:home", organisation=organisation)


@require_POST
def score(request: Any, organisation: str, attempt: str, question: str) -> HttpResponse:
    """Tick the lines of the rubric that a free text answer meets."""
    found = queries.visible_attempt(request.user, attempt)
    services.score_text(
        actor=request.user,
        attempt=found,
        question_id=question,
        met=request.POST.getlist("met"),
        note=request.POST.get("note", ""),
        request=request,
    )
    if not request.headers.get("HX-Request"):
        return redirect("practice:attempt", organisation=organisation, attempt=attempt)
    found = queries.visible_attempt(request.user, attempt)
    is_own = found.user_id == request.user.pk
    return render(request, "practice/_panel.html", {**panel_context(found, is_own=is_own), "is_answer": True})


def _json_body(request: HttpRequest) -> dict[str, Any]:
    if int(request.headers.get("Content-Length") or 0) > MAX_BODY:
        raise Conflict(_("The request is too large."))
    body = read_json(request)
    return body if isinstance(body, dict) else {}
