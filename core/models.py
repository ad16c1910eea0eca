"""Base classes of tenant rows, and `Job`: long work that people watch.

Actions on a job (state → what may happen):

===========  =================================================================
queued       start → running · cancel → cancelled
running      report progress · cancel (asks; the work stops at its next step)
             · finish → succeeded | failed | cancelled
succeeded    nothing; the result stays
failed       nothing; the error stays
cancelled    nothing
===========  =================================================================
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _
from django_scopes import ScopedManager

PUBLIC_ID_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"


def new_public_id() -> str:
    """A short random identifier for addresses: 12 characters, about 58 bits, no look-alikes."""
    return "".join(secrets.choice(PUBLIC_ID_ALPHABET) for _unused in range(12))


class TenantModel(models.Model):
    """A row that belongs to one organisation; its manager refuses to work outside a scope."""

    organisation = models.ForeignKey("access.Organisation", on_delete=models.PROTECT, related_name="+", editable=False)

    objects: ClassVar[Any] = ScopedManager(organisation="organisation")

    class Meta:
        abstract = True


class TimeStampedModel(models.Model):
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        abstract = True


class Job(TenantModel):
    """Long work with an owner, progress, a way to cancel it and a result."""

    class State(models.TextChoices):
        QUEUED = "queued", _("Waiting")
        RUNNING = "running", _("Running")
        SUCCEEDED = "succeeded", _("Done")
        FAILED = "failed", _("Failed")
        CANCELLED = "cancelled", _("Cancelled")

    ACTIVE_STATES: ClassVar[tuple[str, ...]] = (State.QUEUED, State.RUNNING)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="jobs")
    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=16, choices=State.choices, default=State.QUEUED)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=300, blank=True)
    error = models.TextField(blank=True)
    result = models.JSONField(default=dict, blank=True)
    result_url = models.CharField(max_length=500, blank=True)
    cancel_requested = models.BooleanField(default=False)
    # The rights that it hangs on, as long as it runs and as long as its result is kept:
    # {"permission": "archive.export_images", "container": "archive.archive:12"}.
    needs = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-created_at",)
        indexes = [models.Index(fields=["owner", "-created_at"]), models.Index(fields=["state"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def is_active(self) -> bool:
        return self.state in self.ACTIVE_STATES

    @property
    def is_cancellable(self) -> bool:
        return self.is_active and not self.cancel_requested

    @property
    def percent(self) -> int | None:
        """Whole percent done, or None while the total is not known."""
        return min(100, self.done * 100 // self.total) if self.total else None


class Notification(TenantModel):
    """What happened for one person: an assignment, a review that is asked for, work that ended.

    `kind` names the sentence (`core.notifications`), `detail` what it is filled with, so that each person reads it in
    their own language. `subject` names what it is about: the same thing happening again renews the line instead of
    adding one. Neither holds identifying data.
    """

    public_id = models.CharField(max_length=12, default=new_public_id, unique=True, editable=False)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=64)
    subject = models.CharField(max_length=100)
    detail = models.JSONField(default=dict, blank=True)
    url = models.CharField(max_length=500, blank=True)
    happened_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-happened_at", "-pk")
        indexes = [models.Index(fields=["organisation", "person", "-happened_at"], name="notification_latest")]
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "person", "kind", "subject"], name="notification_once_for_a_subject"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class SavedView(TenantModel):
    """A name for what the address of a list says: words, filters, order, columns.

    ``list_key`` is the list's key, ``place`` its path, so that "CT of last week" of one archive is not offered in another.
    """

    public_id = models.CharField(max_length=12, default=new_public_id, unique=True, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    list_key = models.CharField(max_length=64)
    place = models.CharField(max_length=300)
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(max_length=2000, blank=True)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "owner", "list_key", "place", "name"], name="saved_view_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class DefaultView(TenantModel):
    """The saved view a person opens a list with: their own, or one that is shared with them."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="default_views")
    view = models.ForeignKey(SavedView, on_delete=models.CASCADE, related_name="defaults")
    list_key = models.CharField(max_length=64)
    place = models.CharField(max_length=300)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "person", "list_key", "place"], name="one_default_view_of_a_list"
            )
        ]

    def __str__(self) -> str:
        return f"{self.list_key} {self.place}"
