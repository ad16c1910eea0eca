"""Filters of the REST lists."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters

from archive import lists
from archive.models import Delivery, QuarantinedFile


class StudyFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", help_text="Words in name, patient ID, accession, description or UID.")
    study_instance_uid = filters.CharFilter()
    patient_id = filters.CharFilter(field_name="patient__patient_id")
    accession_number = filters.CharFilter()
    modality = filters.CharFilter(method="has_modality")
    date_from = filters.DateFilter(field_name="study_date_parsed", lookup_expr="gte")
    date_to = filters.DateFilter(field_name="study_date_parsed", lookup_expr="lte")
    received_since = filters.IsoDateTimeFilter(field_name="last_received_at", lookup_expr="gte")
    settled = filters.BooleanFilter(method="is_settled")
    ordering = filters.OrderingFilter(
        fields=("study_date", "last_received_at", "description", "instance_count", "size_bytes")
    )

    def search(self, queryset: Any, name: str, value: str) -> Any:
        archive = self.request.archive
        for word in value.replace("\x00", "").split()[:8]:
            queryset = queryset.filter(pk__in=lists.matching_studies(archive=archive, word=word[:64]))
        return queryset

    def has_modality(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.filter(modalities__contains=[value])

    def is_settled(self, queryset: Any, name: str, value: bool) -> Any:
        return queryset.filter(settled_at__isnull=not value)


class DeliveryFilter(filters.FilterSet):
    source = filters.ChoiceFilter(choices=Delivery.Source.choices)
    state = filters.ChoiceFilter(choices=Delivery.State.choices)
    opened_since = filters.IsoDateTimeFilter(field_name="opened_at", lookup_expr="gte")


class QuarantineFilter(filters.FilterSet):
    code = filters.CharFilter()
    state = filters.ChoiceFilter(choices=QuarantinedFile.State.choices)
    delivery = filters.UUIDFilter(field_name="delivery_id")
