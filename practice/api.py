"""REST: unknowns and reads. What a learner gets is `learner_view`: the truth comes with the commit, not before."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.errors import Invalid, NotFound
from practice import presentation, queries, services
from practice.models import Answer, Attempt
from teaching import queries as teaching
from teaching.models import CaseVersion
from viewer.domain.mark_reading import MarkError, parse_marks


class UnknownSerializer(serializers.ModelSerializer[CaseVersion]):
    """A case before the answer."""

    id = serializers.CharField(source="case.public_id", read_only=True)
    title = serializers.CharField(source="alternative_title", read_only=True)
    modality = serializers.CharField(source="content.modality", read_only=True)
    category = serializers.CharField(source="content.category", read_only=True)
    level = serializers.CharField(source="content.level", read_only=True)

    class Meta:
        model = CaseVersion
        fields = ("id", "title", "modality", "category", "level", "published_at")


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    id = serializers.CharField(source="public_id", read_only=True)
    case = serializers.CharField(source="version.case.public_id", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    title = serializers.CharField(source="version.alternative_title", read_only=True)
    reader = serializers.CharField(source="user.username", read_only=True)
    assignment = serializers.CharField(source="assignment.public_id", default=None, read_only=True)

    class Meta:
        model = Attempt
        fields = (
            "id", "case", "version", "title", "reader", "assignment", "reason", "state", "started_at", "committed_at",
            "scored_at", "points", "max_points",
        )  # fmt: skip


class Unknowns(generics.ListAPIView[CaseVersion]):
    """Cases one may read as unknowns. `q` searches what may be known before the answer."""

    serializer_class = UnknownSerializer
    filterset_fields: tuple[str, ...] = ()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return CaseVersion.objects.none()
        rows = teaching.search_unknowns(
            queries.readable_versions(self.request.user), self.request.query_params.get("q", "")
        )
        return rows.order_by("-published_at", "-pk")


class NewAttemptSerializer(serializers.Serializer[Any]):
    case = serializers.CharField(max_length=12)


class Attempts(generics.ListCreateAPIView[Attempt]):
    """Own reads; POST `{"case": id}` begins one or gives back the one under way."""

    serializer_class = AttemptSerializer
    filterset_fields = ("state", "reason")

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Attempt.objects.none()
        return queries.attempts_of(self.request.user).select_related("user")

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        data = NewAttemptSerializer(data=request.data)
        data.is_valid(raise_exception=True)
        version = queries.readable_versions(request.user).filter(case__public_id=data.validated_data["case"]).first()
        if version is None:
            raise NotFound
        attempt = services.start_attempt(user=request.user, version=version, request=request._request)
        return Response(document_of(attempt), status=201)


class AttemptDetail(APIView):
    """One read: the unknown while it is open, everything after the commit. Educators see committed reads of learners."""

    @extend_schema(responses=OpenApiTypes.OBJECT)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        attempt = queries.visible_attempt(request.user, self.kwargs["attempt"])
        if attempt.is_revealed:
            services.record_result_viewed(actor=request.user, attempt=attempt, request=request._request)
        return Response(document_of(attempt))


class AttemptCommit(APIView):
    """POST `{"answers": {question id: {"choice"|"text"|"none", "confidence"}}, "marks": […]}`. Repeating it is safe."""

    @extend_schema(request=OpenApiTypes.OBJECT, responses=OpenApiTypes.OBJECT)
    def post(self, request: Request, **_kwargs: Any) -> Response:
        attempt = queries.own_attempt(request.user, self.kwargs["attempt"])
        body = request.data if isinstance(request.data, dict) else {}
        answers = body.get("answers")
        marks = None
        if body.get("marks") is not None and attempt.is_active:
            try:
                marks = parse_marks(body["marks"], bounds=presentation.bounds_of(attempt))
            except MarkError as error:
                raise Invalid(fields={"marks": [str(e["message"]) for e in error.errors]}) from error
        if answers is not None and not isinstance(answers, dict):
            raise Invalid(fields={"answers": [_("An object was expected.")]})
        attempt = services.commit_attempt(
            user=request.user, attempt=attempt, draft=answers, marks=marks, request=request._request
        )
        return Response(document_of(queries.own_attempt(request.user, attempt.public_id)))


def document_of(attempt: Attempt) -> dict[str, Any]:
    """The read as JSON. `case_view` is what may be known now; results only once it is revealed."""
    document: dict[str, Any] = {
        **AttemptSerializer(attempt).data,
        "case_view": presentation.view_of(attempt),
        "studies": [study.study_instance_uid for study in presentation.studies_of(attempt)],
        "draft": attempt.draft,
        "marks": attempt.marks,
    }
    if attempt.is_revealed:
        scores = presentation.newest_scores(attempt)
        document["answers"] = [
            {
                "question": answer.question_id,
                "response": answer.response,
                "confidence": answer.confidence,
                "points": scores[answer.question_id].points if answer.question_id in scores else None,
                "max_points": scores[answer.question_id].max_points if answer.question_id in scores else None,
                "is_correct": scores[answer.question_id].is_correct if answer.question_id in scores else None,
                "detail": scores[answer.question_id].detail if answer.question_id in scores else {},
            }
            for answer in Answer.objects.filter(attempt=attempt)
        ]
    return document
