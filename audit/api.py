"""REST: the trail, for compliance officers and their tools."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from rest_framework import generics, serializers

from audit import queries, services
from audit.models import Event


class EventSerializer(serializers.ModelSerializer[Event]):
    actor = serializers.CharField(
        source="actor_label",
        help_text="User name at the time; without an account, what is known of them, or empty.",
    )
    id = serializers.IntegerField(help_text="The number of the event, the same in every list, export and check.")
    sequence = serializers.IntegerField(source="link.sequence", default=None, help_text="Place in the chain.")
    digest = serializers.SerializerMethodField(help_text="SHA-256 of the chain up to this event, hexadecimal.")

    class Meta:
        model = Event
        fields = (
            "id",
            "occurred_at",
            "recorded_at",
            "action",
            "event_type",
            "outcome",
            "actor",
            "target_kind",
            "target_id",
            "target_label",
            "detail",
            "explained_by",
            "studies",
            "place",
            "address",
            "door",
            "agent",
            "request_id",
            "sequence",
            "digest",
        )

    def get_digest(self, event: Event) -> str | None:
        link = getattr(event, "link", None)
        return bytes(link.digest).hex() if link is not None else None


class EventFilter(filters.FilterSet):
    actor = filters.CharFilter(field_name="actor_label")
    since = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="occurred_at", lookup_expr="lt")
    action = filters.CharFilter()
    outcome = filters.CharFilter()
    event_type = filters.CharFilter()
    target_id = filters.CharFilter()
    door = filters.CharFilter()
    place = filters.CharFilter()
    study = filters.CharFilter(method="about_study", help_text="Public id; its series, images and runs are included.")
    q = filters.CharFilter(method="matching", help_text="Words that a row of the trail shows.")

    def about_study(self, rows: QuerySet[Event], _name: str, value: str) -> QuerySet[Event]:
        return rows.filter(queries.about_study(value.replace("\x00", "")))

    def matching(self, rows: QuerySet[Event], _name: str, value: str) -> QuerySet[Event]:
        return queries.matching(rows, value, organisation=self.request.organisation)


class Events(generics.ListAPIView[Event]):
    """Events of the organisation, newest first. Needs the role of compliance officer."""

    serializer_class = EventSerializer
    filterset_class = EventFilter

    def get_queryset(self) -> Any:
        if getattr(self, "swagger_fake_view", False):
            return Event.objects.none()
        request: Any = self.request
        rows = queries.events(user=request.user, organisation=request.organisation)
        services.note_reading(actor=request.user, organisation=request.organisation, request=request)
        return rows
