"""The case editor: one page, small saves. Each save names the revision at which its page saw what it changes (`If-Match`)
and gets the new one (`ETag`)."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.queries import get_visible, visible_to
from archive.models import Study
from audit.reasons import of_role
from core.bodies import read_json
from core.errors import Invalid, NothingChosen
from teaching import presentation, services
from teaching.errors import PartChanged
from teaching.models import Case
from teaching.views.case_and_revision import VIEW, load, open_page, saved, seen_revision, tagged
from teaching.views.conflicts import field_conflict
from viewer.domain import manifest as contract
from viewer.errors import MarksInvalid
from viewer.queries import image_bounds
from viewer.services import open_session
from viewer.views import MarksView, ViewerView

# The page ------------------------------------------------------------------------------------------------------------


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
            explained_by=of_role(person=request.user, places=(case.library,)),
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


# What is saved of the case itself ------------------------------------------------------------------------------------


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
            request=request,
        )
    context = {"case": found, "truth": list(found.truth_marks.all()), "may_edit": True}
    return tagged(render(request, "teaching/_truth.html", context), found)


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
    try:
        services.save_case(
            actor=request.user,
            case=found,
            changes=changes,
            revision=seen_revision(request),
            request=request,
            coalesce=True,
            editor=open_page(request),
        )
    except PartChanged as error:
        return field_conflict(request=request, case=found, error=error)
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
    try:
        services.set_layout(
            actor=request.user,
            case=found,
            layout=layout,
            revision=seen_revision(request),
            request=request,
            editor=open_page(request),
        )
    except PartChanged as error:
        return field_conflict(request=request, case=found, error=error)
    return saved(found)


@require_POST
def attach(request: Any, organisation: str, case: str) -> HttpResponse:
    """Show a study of the library's archive in the case."""
    found = load(request, case)
    if not request.POST.get("study"):
        back = reverse("teaching:case-edit", kwargs={"organisation": organisation, "case": case})
        raise NothingChosen(_("Choose a study."), back=back)
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
