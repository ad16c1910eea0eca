"""REST: subjects of a trial."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import generics, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from access.queries import may
from audit import services as audit
from core.errors import Forbidden, Invalid
from trials import queries, services
from trials.api.common import TrialMixin, wanted
from trials.api.filters import SubjectFilter
from trials.api.serializers import (
    ActionSerializer,
    NewSubjectSerializer,
    SubjectDetailSerializer,
    SubjectSerializer,
    WantedSubjectSerializer,
)
from trials.models import Site, Subject, Trial
from trials.permissions import VIEW_SUBJECTS
from trials.services.subjects import authorise

CONFLICT = OpenApiResponse(description="The trial or the site is closed, or the subject is in another state.")


def subject_json(request: Request, subject: Subject) -> Any:
    """The document of one subject that the caller sees."""
    rows = queries.with_images(Subject.objects.filter(pk=subject.pk).select_related("site", "trial", "added_by"))
    found = rows.get()
    context = {
        "request": request,
        "sees_all": may(request.user, VIEW_SUBJECTS, found.trial),
        "images": queries.images_of(request.user, subject=found),
    }
    return SubjectDetailSerializer(found, context=context).data


class Subjects(TrialMixin, generics.ListAPIView[Subject]):
    """Subjects of a trial that the caller sees, by their ID; POST adds one in screening, or enrolled when the day is given.

    Images whose Patient ID names the new subject are matched at once; those that name it elsewhere, soon after.
    """

    serializer_class = SubjectSerializer
    filterset_class = SubjectFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Subject.objects.none()
        rows = queries.subjects(self.actor, trial=self.get_unblinded())
        return queries.with_images(rows).order_by("subject_id", "pk")

    def get_serializer_context(self) -> dict[str, Any]:
        context = dict(super().get_serializer_context())
        if not self.is_schema:
            context["sees_all"] = may(self.actor, VIEW_SUBJECTS, self.get_trial())
        return context

    @extend_schema(request=NewSubjectSerializer, responses={201: SubjectDetailSerializer, 409: CONFLICT})
    def post(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        trial = self.get_trial()
        if not queries.enrols_somewhere(self.actor, trial=trial):
            raise Forbidden
        values = wanted(request, NewSubjectSerializer)
        site = self._site(trial, values.pop("site"))
        made = services.add_subject(actor=self.actor, site=site, request=request._request, **values)
        return Response(subject_json(request, made), status=status.HTTP_201_CREATED)

    def _site(self, trial: Trial, key: str) -> Site:
        rows = queries.sites(self.actor, trial=trial).filter(Q(public_id=key) | Q(number=key))
        found: Site | None = rows.select_related("trial__organisation", "trial__archive").first()
        if found is None:
            raise Invalid(fields={"site": [_("There is no such site that you see.")]})
        return found


class SubjectDetail(TrialMixin, APIView):
    """One subject with its images. PATCH changes it while it is in screening or enrolled."""

    @extend_schema(responses=SubjectDetailSerializer)
    def get(self, request: Request, **_kwargs: Any) -> Response:
        trial = self.get_trial()
        subject = self.get_subject(trial)
        audit.record(
            action="subject.viewed",
            organisation=trial.organisation,
            actor=self.actor,
            target=subject,
            detail={"trial": trial.slug},
            request=request._request,
        )
        return Response(subject_json(request, subject))

    @extend_schema(request=WantedSubjectSerializer, responses={200: SubjectDetailSerializer, 409: CONFLICT})
    def patch(self, request: Request, **_kwargs: Any) -> Response:
        subject = self.get_subject(self.get_trial())
        authorise(actor=self.actor, site=subject.site)
        changes = wanted(request, WantedSubjectSerializer, partial=True)
        services.change_subject(actor=self.actor, subject=subject, changes=changes, request=request._request)
        return Response(subject_json(request, subject))


class SubjectActions(TrialMixin, APIView):
    """POST enrols a subject, completes or withdraws it, or resumes it; one that is in another state answers 409."""

    @extend_schema(request=ActionSerializer, responses={200: SubjectDetailSerializer, 409: CONFLICT})
    def post(self, request: Request, **_kwargs: Any) -> Response:
        subject = self.get_subject(self.get_trial())
        authorise(actor=self.actor, site=subject.site)
        values = wanted(request, ActionSerializer)
        services.move_on(actor=self.actor, subject=subject, request=request._request, **values)
        return Response(subject_json(request, subject))
