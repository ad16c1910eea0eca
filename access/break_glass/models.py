"""Break-glass: emergency access of a member to one patient's studies, with a reason, an end, an alert and a review.

Actions (state → what may happen):

=========  =================================================================================
running    read the patient's studies · end → ended; ends by itself at `expires_at`
ended      nothing; officers review it (also while it runs): acknowledge, justify, escalate
=========  =================================================================================
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, new_public_id


class BreakGlass(TenantModel):
    class Reason(models.TextChoices):
        EMERGENCY = "emergency", _("Emergency: the patient is being treated now")
        CONSULT = "consult", _("Another department asks for my opinion")
        COVER = "cover", _("I stand in for a colleague who has the right")
        QUALITY = "quality", _("An error must be looked into at once")
        OTHER = "other", _("Another reason")

    class ReviewState(models.TextChoices):
        WAITING = "waiting", _("Waiting for review")
        ACKNOWLEDGED = "acknowledged", _("Acknowledged")
        JUSTIFIED = "justified", _("Justified")
        ESCALATED = "escalated", _("Escalated")

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="break_glasses")
    reason = models.CharField(_("reason"), max_length=12, choices=Reason.choices)
    statement = models.CharField(_("in your words"), max_length=1000)
    address = models.GenericIPAddressField(null=True)
    started_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    review_state = models.CharField(
        _("review"), max_length=12, choices=ReviewState.choices, default=ReviewState.WAITING
    )

    class Meta:
        default_permissions = ()
        ordering = ("-started_at", "-pk")
        indexes = [
            models.Index(fields=["user", "expires_at"]),
            models.Index(fields=["organisation", "review_state", "-started_at"]),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return f"break-glass {self.public_id}"

    @property
    def mark(self) -> str:
        """What stands as the explanation of everything done under it."""
        return f"break-glass {self.public_id}"

    def is_running_at(self, moment: datetime) -> bool:
        return self.ended_at is None and moment < self.expires_at

    @property
    def is_running(self) -> bool:
        return self.is_running_at(timezone.now())

    @property
    def closed_at(self) -> datetime:
        return min(self.ended_at, self.expires_at) if self.ended_at else self.expires_at


class BreakGlassSubject(TenantModel):
    """What it opens: the primary key of a patient as one archive knows it."""

    break_glass = models.ForeignKey(BreakGlass, on_delete=models.CASCADE, related_name="subjects")
    object_id = models.BigIntegerField()

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["break_glass", "object_id"], name="subject_once_in_break_glass")]

    def __str__(self) -> str:
        return f"{self.break_glass_id}/{self.object_id}"


class BreakGlassReview(TenantModel):
    """One officer's verdict with its note; the latest one is the state."""

    break_glass = models.ForeignKey(BreakGlass, on_delete=models.CASCADE, related_name="reviews")
    officer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verdict = models.CharField(max_length=12, choices=BreakGlass.ReviewState.choices)
    note = models.CharField(max_length=1000, blank=True)
    decided_at = models.DateTimeField(default=timezone.now)

    class Meta:
        default_permissions = ()
        ordering = ("-decided_at", "-pk")

    def __str__(self) -> str:
        return f"{self.break_glass_id} {self.verdict}"
