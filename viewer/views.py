"""The viewer's page and the addresses it talks to. Upper floors derive from `ViewerView` and `MarksView`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from csp.decorators import csp_update
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View

from access.break_glass import queries as break_glass
from access.queries import may, require
from archive.models import Study
from core.bodies import read_json
from core.errors import NotFound
from viewer import hooks, queries, services
from viewer.domain import manifest as contract
from viewer.domain.events import parse_events
from viewer.domain.mark_reading import MAX_MARKS, ImageBounds, MarkError, parse_marks
from viewer.domain.marks import TOOLS, Mark
from viewer.errors import MarksClosed, MarksConflict, MarksInvalid
from viewer.models import ReadingSession
from viewer.texts import translations

MAX_BODY = 5 * 1024 * 1024

# The image codecs are WebAssembly; the drawing library sets style attributes on its own elements.
VIEWER_POLICY = {"script-src": ["'wasm-unsafe-eval'"], "style-src": ["'unsafe-inline'"]}


class ViewerView(View):
    """A page of the viewer. Derived classes give the manifest; `template_name` extends `viewer/viewer.html`.

    `?format=json` answers the manifest alone.
    """

    template_name = "viewer/viewer.html"
    http_method_names = ("get", "head", "options")

    def get_manifest(self) -> contract.Manifest:
        """What may be shown to this person; fetches and authorises in one call."""
        raise NotImplementedError

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        return context

    @method_decorator(csp_update(VIEWER_POLICY))
    def get(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        manifest = self.get_manifest()
        if request.GET.get("format") == "json":
            response: HttpResponse = JsonResponse(manifest.to_json())
        else:
            query = request.GET.copy()
            query["format"] = "json"
            context = self.get_context_data(
                manifest=manifest,
                manifest_json=manifest.to_json(),
                manifest_url=f"{request.path}?{query.urlencode()}",
                sign_in_url=settings.LOGIN_URL,
                texts=translations(),
            )
            response = render(request, self.template_name, context)
        # The manifest holds marks and names: no cache keeps it, not even the browser's.
        response["Cache-Control"] = "private, no-store"
        return response


class MarksView(View):
    """GET the layers, PUT one layer, as docs/viewer.md says. Derived classes fetch, authorise and store."""

    http_method_names = ("get", "head", "put", "options")
    mark_limit: int = MAX_MARKS
    tools: Sequence[str] = TOOLS
    confidence: tuple[float, float] | None = None

    def get_bounds(self) -> Mapping[str, ImageBounds] | None:
        """Images that may carry marks; authorises the caller."""
        raise NotImplementedError

    def load_layers(self) -> Sequence[contract.Layer]:
        raise NotFound

    def save_marks(self, *, layer: str, version: int, marks: Sequence[Mark]) -> int:
        """Store the marks; the new version. Raises `MarksConflict` or `MarksClosed`."""
        raise NotImplementedError

    def get(self, _request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        layers = [contract.plain(layer) for layer in self.load_layers()]
        response = JsonResponse({"layers": layers})
        response["Cache-Control"] = "private, no-store"
        return response

    def put(self, request: HttpRequest, **_kwargs: Any) -> HttpResponse:
        try:
            bounds = self.get_bounds()
            body = _body(request)
            layer, version = body.get("layer"), body.get("version")
            if not isinstance(layer, str) or isinstance(version, bool) or not isinstance(version, int):
                raise MarksInvalid([{"index": 0, "field": "version", "message": "Layer and version are needed."}])
            try:
                marks = parse_marks(
                    body.get("marks"),
                    bounds=bounds,
                    limit=self.mark_limit,
                    tools=self.tools,
                    confidence=self.confidence,
                )
            except MarkError as error:
                raise MarksInvalid(error.errors) from error
            stored = self.save_marks(layer=layer, version=version, marks=marks)
        except MarksInvalid as error:
            return JsonResponse({"code": error.code, "detail": str(error.message), "errors": error.errors}, status=422)
        except MarksConflict as error:
            return JsonResponse({"code": error.code, "detail": str(error.message)}, status=409)
        except MarksClosed as error:
            return JsonResponse({"code": error.code, "detail": str(error.message)}, status=423)
        return JsonResponse({"version": stored})


def _body(request: HttpRequest) -> dict[str, Any]:
    if int(request.headers.get("Content-Length") or 0) > MAX_BODY:
        raise MarksInvalid([{"index": 0, "field": "marks", "message": "The request is too large."}])
    body = read_json(request)
    if not isinstance(body, dict):
        raise MarksInvalid([{"index": 0, "field": "marks", "message": "A JSON object was expected."}])
    return cast("dict[str, Any]", body)


def _study(request: HttpRequest, public_id: str) -> Study:
    study = (
        Study.objects.select_related("archive__organisation", "patient", "organisation")
        .filter(public_id=public_id)
        .first()
    )
    if study is None:
        raise NotFound
    if (
        not may(request.user, "archive.view_archive", study.archive)
        and break_glass.of_target(user=request.user, target=study) is None
    ):
        require(request.user, "archive.view_archive", study.archive)
    return study


def _reason(request: HttpRequest, study: Study) -> str:
    """What made the study the person's business, where it is no role: the trail names that by itself."""
    glass = break_glass.of_target(user=request.user, target=study)
    return glass.mark if glass is not None else ""


class StudyView(ViewerView):
    """An archive study with everything in it, for readers of the archive."""

    template_name = "viewer/study.html"

    def get_manifest(self) -> contract.Manifest:
        request = self.request
        user: Any = request.user
        study = self.study = _study(request, self.kwargs["study"])
        organisation = study.organisation
        priors = queries.priors_of(user=user, study=study)
        studies = [study, *priors]
        session = services.open_session(
            user=user,
            organisation=organisation,
            kind="study",
            key=study.public_id,
            studies=studies,
            target=study,
            explained_by=_reason(request, study),
            request=request,
        )
        marks_url = reverse("viewer:study-marks", kwargs={"organisation": organisation.slug, "study": study.public_id})
        banner = queries.patient_banner(study)
        is_reader = may(user, "archive.view_archive", study.archive)
        return services.build_manifest(
            mode="study",
            key=f"study:{study.public_id}:{user.pk}",
            title=banner.name or banner.patient_id or _("Study without a patient name"),
            subtitle=" · ".join(
                part
                for part in ("/".join(study.modalities), study.description, queries.iso_date(study.study_date))
                if part
            ),
            back=contract.Link(
                label=study.archive.name, href=f"/o/{organisation.slug}/archive/{study.archive.slug}/studies/"
            ),
            studies=studies,
            main_study=study,
            patient=banner,
            session=session,
            layers=queries.study_layers(user=user, study=study, own_label=_("My marks")) if is_reader else (),
            load_url=marks_url if is_reader else None,
            # Emergency access reads; it leaves no marks in the archive.
            save_url=marks_url if is_reader else None,
            actions=hooks.study_actions(user=user, study=study, request=request),
        )

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        user: Any = self.request.user
        own = queries.annotations_for(user=user, study=self.study).filter(owner=user).first()
        return super().get_context_data(study=self.study, shared=bool(own and own.shared), **context)


class StudyMarks(MarksView):
    """A person's own marks on an archive study."""

    def get_bounds(self) -> Mapping[str, ImageBounds]:
        self.study = _study(self.request, self.kwargs["study"])
        return queries.image_bounds(studies=[self.study, *queries.priors_of(user=self.request.user, study=self.study)])

    def load_layers(self) -> Sequence[contract.Layer]:
        study = _study(self.request, self.kwargs["study"])
        return queries.study_layers(user=self.request.user, study=study, own_label=_("My marks"))

    def save_marks(self, *, layer: str, version: int, marks: Sequence[Mark]) -> int:
        if layer != "own":
            raise MarksInvalid([{"index": 0, "field": "layer", "message": "These marks belong to somebody else."}])
        return services.save_study_marks(
            user=self.request.user, study=self.study, version=version, marks=marks, request=self.request
        ).version


class StudySharing(View):
    """Show one's marks to the other readers of the archive, or hide them."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        study = _study(request, kwargs["study"])
        shared = request.POST.get("shared") == "on"
        services.share_study_marks(user=request.user, study=study, shared=shared, request=request)
        if request.headers.get("HX-Request"):
            return render(request, "viewer/_sharing.html", {"study": study, "shared": shared})
        return redirect("viewer:study", organisation=kwargs["organisation"], study=study.public_id)


class SessionEvents(View):
    """Where the page reports what was on screen."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        session = ReadingSession.objects.filter(public_id=kwargs["session"], user=request.user).first()  # type: ignore[misc]
        if session is None:
            raise NotFound
        body = read_json(request)
        try:
            events = parse_events(body.get("events") if isinstance(body, dict) else None)
        except ValueError:
            return JsonResponse({"code": "invalid", "detail": "A list of events was expected."}, status=400)
        taken = services.take_events(session=session, user=request.user, events=events, request=request)
        return JsonResponse({"taken": taken})
