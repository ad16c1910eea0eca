"""REST: cases, for those who write them. Learners read cases through their attempts (see practice)."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.queries import get_visible
from core.errors import Invalid
from teaching import queries, services
from teaching.models import Case, CaseVersion, Library
from teaching.services.snapshot import content_of
from teaching.views.case_and_revision import seen_revision

WRITABLE = (
    "title", "abstract", "alternative_title", "alternative_abstract", "age_band", "sex", "category", "organ_system",
    "modality", "anatomy", "level", "certainty", "licence", "keywords", "codes", "authors", "diagnosis_group", "is_normal",
)  # fmt: skip


class CaseSerializer(serializers.ModelSerializer[Case]):
    """A case as its editors see it."""

    id = serializers.CharField(source="public_id", read_only=True)
    library = serializers.CharField(source="library.slug", read_only=True)
    author = serializers.CharField(source="owner.username", read_only=True)
    version = serializers.IntegerField(source="current_version.number", default=None, read_only=True)

    class Meta:
        model = Case
        fields = (
            "id", "library", "state", "revision", "version", "author", "title", "alternative_title", "category",
            "organ_system", "modality", "level", "keywords", "is_normal", "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields


class VersionSerializer(serializers.ModelSerializer[CaseVersion]):
    published_by = serializers.CharField(source="published_by.username", read_only=True)

    class Meta:
        model = CaseVersion
        fields = ("number", "digest", "note", "published_by", "published_at", "is_normal")


class NewCaseSerializer(serializers.Serializer[Any]):
    library = serializers.SlugField()
    title = serializers.CharField(max_length=200)


class Cases(generics.ListCreateAPIView[Case]):
    """Cases of the libraries one may see; POST makes an empty draft. `q` searches; `state`, `library` filter."""

    serializer_class = CaseSerializer
    filterset_fields = ("state", "category", "organ_system", "modality", "level")

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Case.objects.none()
        rows = queries.search_cases(queries.cases_of(self.request.user), self.request.query_params.get("q", ""))
        library = self.request.query_params.get("library")
        return rows.filter(library__slug=library) if library else rows

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = NewCaseSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        library = get_visible(
            request.user,
            Library.objects.select_related("organisation"),
            "teaching.edit_cases",
            slug=data.validated_data["library"],
        )
        case = services.create_case(
            actor=request.user, library=library, title=data.validated_data["title"], request=request._request
        )
        return Response(CaseSerializer(case).data, status=201, headers={"ETag": f'"{case.revision}"'})


class CaseDetail(APIView):
    """One case with its whole content. PATCH changes fields; `If-Match` names the revision that was seen."""

    def _case(self, request: Request, permission: str) -> Case:
        rows = Case.objects.select_related("library__organisation", "owner", "current_version")
        return get_visible(request.user, rows, permission, public_id=self.kwargs["case"])

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        case = self._case(request, "teaching.view_library")
        services.record_opened(actor=request.user, case=case, request=request._request)
        body = {
            **CaseSerializer(case).data,
            "content": content_of(case),
            "versions": VersionSerializer(case.versions.select_related("published_by"), many=True).data,
        }
        return Response(body, headers={"ETag": f'"{case.revision}"'})

    @extend_schema(request=OpenApiTypes.OBJECT, responses=CaseSerializer)
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        case = self._case(request, "teaching.edit_cases")
        if not isinstance(request.data, dict):
            raise Invalid(_("An object was expected."))
        services.save_case(
            actor=request.user,
            case=case,
            changes={name: value for name, value in request.data.items() if name in WRITABLE or _refuse(name)},
            revision=seen_revision(request._request),
            request=request._request,
        )
        return Response(CaseSerializer(case).data, headers={"ETag": f'"{case.revision}"'})


def _refuse(name: str) -> bool:
    raise Invalid(fields={name: [_("This cannot be changed here.")]})


class CasePublication(APIView):
    """POST publishes the case as it stands."""

    @extend_schema(request=OpenApiTypes.OBJECT, responses={201: VersionSerializer})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        case = get_visible(
            request.user,
            Case.objects.select_related("library"),
            "teaching.publish_cases",
            public_id=self.kwargs["case"],
        )
        version = services.publish_case(
            actor=request.user,
            case=case,
            revision=seen_revision(request._request),
            note=str(request.data.get("note", "")) if isinstance(request.data, dict) else "",
            request=request._request,
        )
        return Response(VersionSerializer(version).data, status=201)
