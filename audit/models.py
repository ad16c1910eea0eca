"""The trail. Events are only ever added; a chain link fixes each one's place and content.

An event is written inside the transaction of the act it tells of. Chaining happens right after, by one writer for each
organisation (`audit.services.seal`), because a chain built by concurrent transactions either forks or makes them wait
for each other.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django_scopes import ScopedManager


class Event(models.Model):
    """One act: who did or was refused what, to what, when, from where and why it was theirs to do."""

    class Outcome(models.TextChoices):
        SUCCESS = "success", _("Done")
        REFUSED = "refused", _("Refused")
        FAILED = "failed", _("Failed")

    organisation = models.ForeignKey("access.Organisation", on_delete=models.PROTECT, null=True, related_name="+")
    occurred_at = models.DateTimeField(default=timezone.now)
    recorded_at = models.DateTimeField(null=True, editable=False)
    """When the row was written, by the database's own clock (a trigger): what the application says is no evidence. None
    in events from before there was one."""
    action = models.CharField(max_length=64)
    event_type = models.CharField(max_length=8)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.SUCCESS)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    actor_label = models.CharField(max_length=150, blank=True)
    target_kind = models.CharField(max_length=64, blank=True)
    target_id = models.CharField(max_length=64, blank=True)
    target_label = models.CharField(max_length=150, blank=True)
    detail = models.JSONField(default=dict)
    explained_by = models.CharField(max_length=150, blank=True)
    address = models.GenericIPAddressField(null=True)
    door = models.CharField(max_length=16, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    studies = ArrayField(models.CharField(max_length=64), default=list, blank=True)
    """Public ids of the studies that the act was about, also when its target is a series, an instance or a run."""
    place = models.CharField(max_length=150, blank=True)
    """The container it happened in, as people call it: "archive Clinical"."""
    search = models.TextField(blank=True)
    """What a row of the trail shows, folded, for searches. Derived, so no part of the chain."""
    stamp = models.BinaryField(max_length=32, null=True, editable=False)
    """Says that the application wrote this (`audit.domain.keys`). None in events from before there were stamps."""

    objects: ClassVar[Any] = ScopedManager(organisation="organisation")

    class Meta:
        ordering = ("-occurred_at", "-pk")
        default_permissions = ()
        indexes = [
            models.Index(fields=["organisation", "-occurred_at", "-id"]),
            models.Index(fields=["organisation", "actor", "-occurred_at"]),
            models.Index(fields=["organisation", "target_kind", "target_id"]),
            models.Index(fields=["organisation", "action", "-occurred_at"]),
            models.Index(fields=["organisation", "place"], name="audit_event_place"),
            # From before events kept their words.
            models.Index(fields=["organisation"], condition=Q(search=""), name="audit_event_without_words"),
            GinIndex(fields=["studies"], name="audit_event_studies"),
            GinIndex(OpClass("search", name="gin_trgm_ops"), name="audit_event_search_words"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.pk}"


class ChainLink(models.Model):
    """The place of an event in its organisation's chain: `digest = SHA256(previous ‖ canonical_json(event))`."""

    organisation = models.ForeignKey("access.Organisation", on_delete=models.PROTECT, null=True, related_name="+")
    sequence = models.BigIntegerField()
    event = models.OneToOneField(Event, on_delete=models.PROTECT, related_name="link")
    previous = models.BinaryField(max_length=32)
    digest = models.BinaryField(max_length=32)
    sealed_at = models.DateTimeField(default=timezone.now)
    form = models.SmallIntegerField(default=2)
    """Which columns of the event the digest covers (`as_sealed`): 1 from before there were signed heads, 2 since."""

    objects: ClassVar[Any] = ScopedManager(organisation="organisation")

    class Meta:
        ordering = ("sequence",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "sequence"],
                nulls_distinct=False,
                name="one_link_per_sequence",
            )
        ]

    def __str__(self) -> str:
        return f"{self.organisation_id}/{self.sequence}"


def as_written(event: Event) -> dict[str, Any]:
    """What the application knows of an event when it writes it, times in UTC with microseconds: what the stamp covers."""
    return _first_form(event) | {"studies": event.studies, "place": event.place}


def _first_form(event: Event) -> dict[str, Any]:
    return {
        "organisation": event.organisation_id,
        "occurred_at": in_utc(event.occurred_at),
        "action": event.action,
        "event_type": event.event_type,
        "outcome": event.outcome,
        "actor": event.actor_id,
        "actor_label": event.actor_label,
        "target_kind": event.target_kind,
        "target_id": event.target_id,
        "target_label": event.target_label,
        "detail": event.detail,
        "explained_by": event.explained_by,
        "address": event.address,
        "door": event.door,
        "agent": event.agent,
        "request_id": event.request_id,
    }


def as_sealed(event: Event, *, form: int) -> dict[str, Any]:
    """The event as it enters the chain. Form 1 lacks the columns that came later."""
    if form == 1:
        return {"id": event.pk} | _first_form(event)
    return (
        {"id": event.pk}
        | as_written(event)
        | {
            "recorded_at": in_utc(event.recorded_at) if event.recorded_at is not None else None,
            "stamp": bytes(event.stamp).hex() if event.stamp is not None else None,
        }
    )


def in_utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
