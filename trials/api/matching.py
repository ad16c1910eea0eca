"""REST: whose images are whose."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.queries import require
from archive.models import Study
from core.errors import NotFound
from trials import queries, services
from trials.api.common import TrialMixin, wanted
from trials.api.filters import WaitingFilter
from trials.api.serializers import SubjectStudySerializer, WaitingStudySerializer, WantedMatchSerializer
from trials.errors import AlreadyMatched
from trials.models import Subject, SubjectStudy
from trials.permissions import MANAGE_SUBJECTS, VIEW_SUBJECTS
from trials.services.matching import said_by


class Waiting(TrialMixin, generics.ListAPIView[Study]):
    """Studies of the trial's archive that belong to no subject yet, received last first, for who sees all subjects."""

    serializer_class = WaitingStudySerializer
    filterset_class = WaitingFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Study.objects.none()
        trial = self.get_trial()
        require(self.actor, VIEW_SUBJECTS, trial)
        return queries.waiting(self.actor, trial=trial).order_by("-last_received_at", "-pk")


class SubjectImages(TrialMixin, APIView):
    """One study (key or Study Instance UID) of a subject: PUT says that it shows the subject, and at which time point;
    DELETE takes it off again, and it waits. Saying the same again changes nothing; a study of another subject answers
    409."""

    @extend_schema(responses=SubjectStudySerializer)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        return self._answer(self.get_subject(self.get_trial()))

    @extend_schema(
        request=WantedMatchSerializer,
        responses={
            200: SubjectStudySerializer,
            201: SubjectStudySerializer,
            409: OpenApiResponse(description="The trial is closed, or the study shows another subject."),
        },
    )
    def put(self, request: Request, **_kwargs: Any) -> Response:
        subject = self._manageable()
        values = wanted(request, WantedMatchSerializer)
        study = queries.find_study(self.actor, trial=subject.trial, key=self.kwargs["study"])
        if study is None:
            raise NotFound
        known = SubjectStudy.objects.filter(study=study).select_related("subject__trial__organisation").first()
        if known is None:
            # As the page does that matches by hand: what the images say is offered.
            time_point = values.get("time_point", said_by(study).time_point_id)
            services.match_study(
                actor=self.actor,
                study=study,
                subject=subject,
                time_point=time_point,
                reason=values.get("reason", ""),
                request=request._request,
            )
            return self._answer(subject, created=True)
        if known.subject_id != subject.pk:
            raise AlreadyMatched
        services.change_time_point(
            actor=self.actor,
            row=known,
            time_point=values.get("time_point", known.time_point),
            request=request._request,
        )
        return self._answer(subject)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, **_kwargs: Any) -> Response:
        row = self._row(self._manageable())
        services.unmatch_study(actor=self.actor, row=row, request=request._request)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _manageable(self) -> Subject:
        subject = self.get_subject(self.get_trial())
        require(self.actor, MANAGE_SUBJECTS, subject.trial)
        return subject

    def _row(self, subject: Subject) -> SubjectStudy:
        rows = queries.images_of(self.actor, subject=subject).select_related(
            "study__patient", "study__archive", "study__organisation", "matched_by",
            "subject__trial__organisation", "subject__site__trial",
        )  # fmt: skip
        found = queries.by_key(rows, self.kwargs["study"]).first()
        if found is None:
            raise NotFound
        return found

    def _answer(self, subject: Subject, *, created: bool = False) -> Response:
        body = SubjectStudySerializer(self._row(subject), context={"request": self.request}).data
        return Response(body, status=status.HTTP_201_CREATED if created else status.HTTP_200_OK)
