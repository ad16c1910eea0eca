"""The case editor: one page, small saves. Each save names the revision it saw (`If-Match`) and gets the new one (`ETag`)."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.queries import get_visible, visible_to
from archive.models import Study
from core.bodies import read_json
from core.errors import Invalid, NotFound, PacswebError
from teaching import presentation, queries, services
from teaching.errors import NotReady
from teaching.models import Case, CaseSection, Question
from viewer.domain import manifest as contract
from viewer.errors import MarksInvalid
from viewer.queries import image_bounds
from viewer.services import open_session
from viewer.views import MarksView, ViewerView

VIEW = "teaching.view_library"
EDIT = "teaching.edit_cases"


def load(request: Any, case: str, permission: str = EDIT) -> Case:
    rows = Case.objects.select_related("library__archive", "library__organisation", "owner", "current_version")
    return get_visible(request.user, rows, permission, public_id=case)


def seen_revision(request: HttpRequest) -> int | None:
    raw = request.headers.get("If-Match", "").strip().strip('"')
    return int(raw) if raw.isdigit() else None


def tagged(response: HttpResponse, case: Case) -> HttpResponse:
    """The new revision, and the news that the checklist may have changed."""
    response["ETag"] = f'"{case.revision}"'
    response["Cache-Control"] = "private, no-store"
    return response


def saved(case: Case) -> HttpResponse:
    return tagged(JsonResponse({"revision": case.revision, "unpublished": case.has_unpublished_changes}), case)


class CaseEditor(View):
    """The editor: with images in the viewer, without any as a plain page."""

    http_method_names = ("get", "head", "options")

    def get(self, request: Any, **kwargs: Any) -> HttpResponseBase:
        case = load(request, kwargs["case"], VIEW)
        if case.state == Case.State.PREPARING:
            return render(request, "teaching/case_preparing.html", preparing_context(case))
        if not case.case_studies.exists():
            services.record_opened(actor=request.user, case=case, request=request)
            context = presentation.editor_context(case, user=request.user)
            return render(
                request, "teaching/case_edit_plain.html", {**context, "candidates": candidates(request, case)}
            )
        return EditorWithImages.as_view()(request, **kwargs)


class EditorWithImages(ViewerView):
    template_name = "teaching/case_edit.html"

    def get_manifest(self) -> contract.Manifest:
        request: Any = self.request
        case = self.case = load(request, self.kwargs["case"], VIEW)
        studies = presentation.studies_of(case)
        session = open_session(
            user=request.user,
            organisation=request.organisation,
            kind="case",
            key=case.public_id,
            studies=studies,
            target=case,
            explained_by=f"library {case.library.slug}",
            request=request,
        )
        if request.GET.get("format") != "json":
            services.record_opened(actor=request.user, case=case, request=request)
        return presentation.author_manifest(
            case=case, studies=studies, session=session, organisation=request.organisation.slug
        )

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return super().get_context_data(**presentation.editor_context(self.case, user=self.request.user), **context)


def candidates(request: Any, case: Case) -> Any:
    """Studies of the library's archive that could be shown in the case, the newest first."""
    rows = visible_to(request.user, Study.objects.filter(archive=case.library.archive), "archive.view_archive")
    return rows.exclude(case_studies__case=case).order_by("-last_received_at")[:20]


def preparing_context(case: Case) -> dict[str, Any]:
    from deid.models import DeidentificationRun

    run = (
        DeidentificationRun.objects.select_related("job").filter(pk=case.deid_run_key).first()
        if case.deid_run_key
        else None
    )
    return {"case": case, "run": run, "job": run.job if run is not None else None}


@require_GET
def preparing(request: Any, organisation: str, case: str) -> HttpResponse:
    """The state of the de-identification; the page asks again until the images are here."""
    found = load(request, case, VIEW)
    if found.state != Case.State.PREPARING:
        response = HttpResponse()
        response["HX-Redirect"] = reverse("teaching:case-edit", kwargs={"organisation": organisation, "case": case})
        return response
    return render(request, "teaching/_preparing.html", preparing_context(found))


class CaseMarks(MarksView):
    """The truth of a case."""

    mark_limit = 100

    def get_bounds(self) -> Any:
        self.case = load(self.request, self.kwargs["case"])
        return image_bounds(studies=presentation.studies_of(self.case))

    def save_marks(self, *, layer: str, version: int, marks: Any) -> int:
        if layer != "truth":
            raise MarksInvalid([{"index": 0, "field": "layer", "message": "Only the truth can be saved here."}])
        return services.save_truth(
            actor=self.request.user, case=self.case, marks=marks, version=version, request=self.request
        )


@require_POST
def save_fields(request: Any, organisation: str, case: str) -> HttpResponse:
    """Autosave of one or several fields of the case."""
    found = load(request, case)
    changes: dict[str, Any] = {}
    for name in request.POST:
        if name == "csrfmiddlewaretoken":
            continue
        changes[name] = request.POST[name]
    for name in ("codes", "authors", "key_images"):
        if name in changes:
            changes[name] = _json_list(changes[name], name=name)
    if "is_normal" in changes:
        changes["is_normal"] = changes["is_normal"] in ("on", "true", "1")
    services.save_case(
        actor=request.user,
        case=found,
        changes=changes,
        revision=seen_revision(request),
        request=request,
        coalesce=True,
    )
    return saved(found)


def _json_list(raw: str, *, name: str) -> list[Any]:
    try:
        value = json.loads(raw or "[]")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, list):
        raise Invalid(fields={name: [_("A list was expected.")]})
    return value


@require_POST
def save_layout(request: Any, organisation: str, case: str) -> HttpResponse:
    """What the case opens with, as the viewer shows it now (JSON)."""
    found = load(request, case)
    layout = read_json(request)
    if not isinstance(layout, dict):
        raise Invalid
    services.set_layout(actor=request.user, case=found, layout=layout, revision=seen_revision(request), request=request)
    return saved(found)


# Sections ---------------------------------------------------------------------------------------------------------


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
        revision=seen_revision(request),
        request=request,
    )
    return sections_fragment(request, found)


@require_http_methods(["POST", "DELETE"])
def section(request: Any, organisation: str, case: str, section: str) -> HttpResponse:
    """POST saves a section (autosave), or moves it with `move`; DELETE removes it."""
    found = load(request, case)
    if request.method == "DELETE":
        before = found.revision
        services.delete_section(
            actor=request.user, case=found, section_id=section, revision=seen_revision(request), request=request
        )
        return sections_fragment(request, found, undo=before)
    if "move" in request.POST:
        ids = moved([row.public_id for row in found.sections.all()], section, request.POST["move"])
        services.order_sections(
            actor=request.user, case=found, section_ids=ids, revision=seen_revision(request), request=request
        )
        return sections_fragment(request, found)
    changes: dict[str, Any] = {
        name: request.POST[name] for name in ("heading", "body", "visibility") if name in request.POST
    }
    if "visible_from" in request.POST:
        changes["visible_from"] = _date(request.POST["visible_from"])
    services.change_section(
        actor=request.user,
        case=found,
        section_id=section,
        changes=changes,
        revision=seen_revision(request),
        request=request,
        coalesce=True,
    )
    return saved(found)


def _date(raw: str) -> date | None:
    try:
        return date.fromisoformat(raw) if raw else None
    except ValueError:
        raise Invalid(fields={"visible_from": [_("Write the date as year-month-day.")]}) from None


def moved(ids: list[str], one: str, direction: str) -> list[str]:
    """The order after moving one entry a step up or down."""
    if one not in ids:
        raise NotFound
    at = ids.index(one)
    to = max(0, min(len(ids) - 1, at + (-1 if direction == "up" else 1)))
    ids.insert(to, ids.pop(at))
    return ids


# Questions --------------------------------------------------------------------------------------------------------


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
        revision=seen_revision(request),
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
        services.delete_question(
            actor=request.user, case=found, question_id=question, revision=seen_revision(request), request=request
        )
        return questions_fragment(request, found, undo=before)
    if "move" in request.POST:
        ids = moved([row.public_id for row in found.questions.all()], question, request.POST["move"])
        services.order_questions(
            actor=request.user, case=found, question_ids=ids, revision=seen_revision(request), request=request
        )
        return questions_fragment(request, found)
    row = services.change_question(
        actor=request.user,
        case=found,
        question_id=question,
        changes=question_changes(request.POST),
        revision=seen_revision(request),
        request=request,
        coalesce=True,
    )
    if request.headers.get("HX-Request"):
        context = {
            "case": found,
            "question": presentation.question_row(row, number=row.position + 1),
            "question_kinds": Question.Kind.choices,
            "may_edit": True,
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
            {"id": key, "text": text, "points": int(value) if value.isdigit() else 0}
            for key, text, value in zip(ids, texts, points, strict=False)
            if key != form.get("remove_line")
        ]
        changes["rubric"] = [*rubric, {"text": "", "points": 5}] if "add_line" in form else rubric
    return changes


# Truth, preview, publishing ---------------------------------------------------------------------------------------


@require_http_methods(["GET", "POST"])
def truth(request: Any, organisation: str, case: str) -> HttpResponse:
    """What the marks are; POST changes one of them."""
    found = load(request, case)
    if request.method == "POST":
        changes: dict[str, Any] = {}
        if "has_is_lesion" in request.POST:
            changes["is_lesion"] = "is_lesion" in request.POST
        services.set_truth(
            actor=request.user,
            case=found,
            mark_id=request.POST.get("mark", ""),
            changes=changes,
            revision=seen_revision(request),
            request=request,
        )
    context = {"case": found, "truth": list(found.truth_marks.all()), "may_edit": True}
    return tagged(render(request, "teaching/_truth.html", context), found)


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
    """Publish, retire, ask for a review, decide one, or go on without held-back images."""
    found = load(request, case, VIEW)
    user, form = request.user, request.POST
    try:
        if action == "publish":
            services.publish_case(
                actor=user, case=found, revision=seen_revision(request), note=form.get("note", ""), request=request
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
                actor=user, case=found, approved=action == "approve", note=form.get("note", ""), request=request
            )
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


@require_POST
def attach(request: Any, organisation: str, case: str) -> HttpResponse:
    """Show a study of the library's archive in the case."""
    found = load(request, case)
    rows = Study.objects.filter(archive=found.library.archive)
    study = get_visible(request.user, rows, "archive.view_archive", public_id=request.POST.get("study", ""))
    services.attach_studies(actor=request.user, case=found, studies=[study], request=request)
    return redirect("teaching:case-edit", organisation=organisation, case=case)


@require_POST
def delete(request: Any, organisation: str, case: str) -> HttpResponse:
    found = load(request, case)
    library = found.library.slug
    services.delete_case(actor=request.user, case=found, request=request)
    return redirect("teaching:library", organisation=organisation, library=library)


@require_GET
def history(request: Any, organisation: str, case: str) -> HttpResponse:
    """Every kept state of the case, and what each edit changed."""
    from teaching.domain.content import differences

    found = load(request, case, VIEW)
    revisions = list(found.revisions.select_related("actor")[:100])
    rows = []
    for index, revision in enumerate(revisions):
        earlier = revisions[index + 1].content if index + 1 < len(revisions) else {}
        rows.append({"revision": revision, "changes": differences(earlier, revision.content) if earlier else []})
    context = {
        "case": found,
        "rows": rows,
        "versions": {version.number: version for version in found.versions.all()},
        "may_edit": queries.libraries_with(request.user, EDIT).filter(pk=found.library_id).exists(),
    }
    return render(request, "teaching/case_history.html", context)


@require_POST
def restore(request: Any, organisation: str, case: str, number: int) -> HttpResponse:
    found = load(request, case)
    services.restore_revision(
        actor=request.user, case=found, number=number, revision=seen_revision(request), request=request
    )
    address = reverse("teaching:case-edit", kwargs={"organisation": organisation, "case": case})
    if request.headers.get("HX-Request"):
        response = HttpResponse()
        response["HX-Redirect"] = address
        return response
    return redirect(address)
