"""REST: archives, studies, series, instances, deliveries, quarantine."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response

from archive import queries
from archive.api.common import ArchiveMixin
from archive.api.filters import DeliveryFilter, QuarantineFilter, StudyFilter
from archive.api.serializers import (
    ArchiveSerializer,
    DeliverySerializer,
    InstanceSerializer,
    QuarantinedFileSerializer,
    SeriesSerializer,
    StudySerializer,
)
from archive.models import Archive, Delivery, Instance, QuarantinedFile, Study
from archive.permissions import ADD
from core.errors import NotFound


class Archives(generics.ListAPIView[Archive]):
    """Archives that the caller may read."""

    serializer_class = ArchiveSerializer
    filter_backends: tuple[Any, ...] = ()

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Archive.objects.none()
        return queries.archives(user=self.request.user)


class ArchiveDetail(ArchiveMixin, generics.RetrieveAPIView[Archive]):
    """One archive."""

    serializer_class = ArchiveSerializer

    def get_object(self) -> Archive:
        return self.get_archive()


class Studies(ArchiveMixin, generics.ListAPIView[Study]):
    """Studies of an archive, newest first."""

    serializer_class = StudySerializer
    filterset_class = StudyFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Study.objects.none()
        archive = self.request.archive = self.get_archive()
        return queries.studies(user=self.request.user, archive=archive).order_by("-last_received_at", "-pk")


class StudyDetail(ArchiveMixin, generics.RetrieveAPIView[Study]):
    """One study by its key or Study Instance UID."""

    serializer_class = StudySerializer

    def get_object(self) -> Study:
        return self.get_study(self.get_archive())

    def get_study(self, archive: Archive) -> Study:
        key = self.kwargs["study"]
        rows = queries.studies(user=self.request.user, archive=archive)
        study = rows.filter(Q(public_id=key) | Q(study_instance_uid=key)).first()
        if study is None:
            raise NotFound
        return study


class StudySeries(StudyDetail):
    """Series of a study in their order."""

    serializer_class = SeriesSerializer  # type: ignore[assignment]
    queryset = Study.objects.none()

    @extend_schema(responses=SeriesSerializer(many=True))
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        study = self.get_study(self.get_archive())
        rows = queries.series_of(user=request.user, study=study).select_related("organisation")
        return Response(SeriesSerializer(rows, many=True).data)


class SeriesInstances(ArchiveMixin, generics.ListAPIView[Instance]):
    """Instances of a series in their order."""

    serializer_class = InstanceSerializer
    filter_backends: tuple[Any, ...] = ()

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Instance.objects.none()
        study = StudyDetail.get_study(self, self.get_archive())  # type: ignore[arg-type]
        key = self.kwargs["series"]
        series = queries.series_of(user=self.request.user, study=study).filter(
            Q(public_id=key) | Q(series_instance_uid=key)
        )
        found = series.first()
        if found is None:
            raise NotFound
        return queries.instances_of(user=self.request.user, series=found).defer("attributes", "frame_table")


class Deliveries(ArchiveMixin, generics.ListAPIView[Delivery]):
    """What came in, newest first."""

    permission = ADD
    serializer_class = DeliverySerializer
    filterset_class = DeliveryFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return Delivery.objects.none()
        rows = queries.deliveries(user=self.request.user, archive=self.get_archive())
        return rows.select_related("actor").order_by("-opened_at")


class Quarantine(ArchiveMixin, generics.ListAPIView[QuarantinedFile]):
    """Files that were refused, newest first."""

    permission = ADD
    serializer_class = QuarantinedFileSerializer
    filterset_class = QuarantineFilter

    def get_queryset(self) -> Any:
        if self.is_schema:
            return QuarantinedFile.objects.none()
        rows = queries.quarantined(user=self.request.user, archive=self.get_archive())
        return rows.order_by("-received_at", "-pk")
