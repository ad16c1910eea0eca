"""Filters of the REST lists of trials."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django_filters import rest_framework as filters

from trials import queries
from trials.models import Subject

MOST_WORDS = 8


class Ordering(filters.OrderingFilter):
    """With the row's number last, so that equal rows keep their pages."""

    def filter(self, qs: Any, value: Any) -> Any:
        found = super().filter(qs, value)
        return found.order_by(*found.query.order_by, "pk") if value else found


class TrialFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", help_text="Words in protocol ID, name or sponsor.")
    closed = filters.BooleanFilter(field_name="closed_at", lookup_expr="isnull", exclude=True)
    ordering = Ordering(fields=("protocol_id", "name", "created_at"))

    def search(self, rows: Any, name: str, value: str) -> Any:
        for word in value.split()[:MOST_WORDS]:
            rows = rows.filter(Q(protocol_id__icontains=word) | Q(name__icontains=word) | Q(sponsor__icontains=word))
        return rows


class SiteFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", help_text="Words in site ID, name or principal investigator.")
    closed = filters.BooleanFilter(field_name="closed_at", lookup_expr="isnull", exclude=True)
    ordering = Ordering(fields=("number", "name", "subject_count", "enrolled_count", "study_count"))

    def search(self, rows: Any, name: str, value: str) -> Any:
        for word in value.split()[:MOST_WORDS]:
            rows = rows.filter(Q(number__icontains=word) | Q(name__icontains=word) | Q(investigator__icontains=word))
        return rows


class SubjectFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", help_text="Any part of the subject ID.")
    site = filters.CharFilter(method="at_site", help_text="Key of a site, or its ID in the trial.")
    state = filters.ChoiceFilter(choices=Subject.State.choices)
    without_images = filters.BooleanFilter(field_name="subject_studies", lookup_expr="isnull")
    ordering = Ordering(
        fields=(
            ("subject_id", "subject_id"), ("site__number", "site_number"), ("enrolled_on", "enrolled_on"),
            ("study_count", "study_count"), ("last_study", "last_study_date"), ("created_at", "created_at"),
        )
    )  # fmt: skip

    def search(self, rows: Any, name: str, value: str) -> Any:
        return queries.find_subjects(rows, value)

    def at_site(self, rows: Any, name: str, value: str) -> Any:
        return rows.filter(Q(site__public_id=value) | Q(site__number=value))


class WaitingFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", help_text="Words in patient ID or description.")
    study_instance_uid = filters.CharFilter()
    ordering = Ordering(fields=("last_received_at", "study_date", "instance_count"))

    def search(self, rows: Any, name: str, value: str) -> Any:
        for word in value.split()[:MOST_WORDS]:
            rows = rows.filter(Q(patient__patient_id__icontains=word) | Q(description__icontains=word))
        return rows
