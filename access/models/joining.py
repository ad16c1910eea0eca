"""Ways into an organisation: invited by e-mail, or by asking.

Actions on an invitation (state → what may happen):

=========  ===========================================================
open       send again (new links; the old ones stop working; who sends
           answers for it from now on) · withdraw → withdrawn · accept
           → accepted · the inviter loses the right to invite → ended
expired    send again → open · withdraw → withdrawn
ended      send again → open
accepted   nothing
withdrawn  nothing
=========  ===========================================================

Actions on a request: pending → accepted | refused (with a reason) | withdrawn (by the person); then nothing.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, new_public_id


class Invitation(TenantModel):
    """An e-mail address that may join, the roles that wait for it, and the digests of its two links.

    The link in the letter is seen by whoever reads that mailbox and by nobody else: who comes by it has proven the
    address. The link for handing over is shown to the inviter, so it proves nothing.
    """

    class End(models.TextChoices):
        INVITER = "inviter", _("Who invited may no longer invite people")
        SUSPENSION = "suspension", _("The organisation was suspended")

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    email = models.EmailField(_("e-mail"))
    display_name = models.CharField(_("name"), max_length=150, blank=True)
    # "archive.archive:12:reader", as on the page of a person.
    roles = models.JSONField(default=list)
    message = models.CharField(_("a word to the person"), max_length=500, blank=True)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    handed_digest = models.CharField(max_length=64, unique=True, null=True, editable=False)
    # Who answers for it: who invited, or who sent it again.
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField()
    times_sent = models.PositiveIntegerField(default=1)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.CharField(max_length=12, choices=End.choices, blank=True)

    class Meta:
        ordering = ("-created_at",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                "organisation",
                models.functions.Lower("email"),
                condition=Q(accepted_at=None, withdrawn_at=None, ended_at=None),
                name="one_open_invitation_per_address",
            )
        ]

    def __str__(self) -> str:
        return f"invitation {self.public_id}"

    @property
    def is_waiting(self) -> bool:
        return self.accepted_at is None and self.withdrawn_at is None and self.ended_at is None

    @property
    def can_be_sent(self) -> bool:
        return self.accepted_at is None and self.withdrawn_at is None

    def is_open_at(self, moment: datetime) -> bool:
        return self.is_waiting and moment < self.expires_at

    def state_at(self, moment: datetime) -> str:
        if self.accepted_at is not None:
            return "accepted"
        if self.withdrawn_at is not None:
            return "withdrawn"
        if self.ended_at is not None:
            return "ended"
        return "open" if moment < self.expires_at else "expired"


class JoinRequest(TenantModel):
    """A person who asks to be let in."""

    class State(models.TextChoices):
        PENDING = "pending", _("Waits")
        ACCEPTED = "accepted", _("Accepted")
        REFUSED = "refused", _("Refused")
        WITHDRAWN = "withdrawn", _("Withdrawn")

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="join_requests")
    message = models.CharField(_("who you are and what you need"), max_length=500, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.PENDING)
    created_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    reason = models.CharField(_("reason"), max_length=300, blank=True)

    class Meta:
        ordering = ("-created_at",)
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "user"], condition=Q(state="pending"), name="one_pending_request_per_person"
            )
        ]

    def __str__(self) -> str:
        return f"request {self.public_id}"

    @property
    def is_pending(self) -> bool:
        return self.state == self.State.PENDING
