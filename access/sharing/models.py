"""Shares: one thing, opened to one person of another organisation or to whoever holds a link.

Actions on a share (state → what may happen):

=========  ==========================================================================
open       use (as long as uses are left for new visits) · extend · revoke → revoked ·
           who answers for it may no longer share it → paused
paused     opens nothing · keep (who may share it answers for it now) → open ·
           revoke → revoked · whoever answers for it gets the right back → open
expired    extend → open · revoke → revoked
revoked    nothing; the row and its visits stay as the account of the disclosure
=========  ==========================================================================
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.models import TenantModel, new_public_id


class Share(TenantModel):
    class Audience(models.TextChoices):
        PERSON = "person", _("A person")
        LINK = "link", _("Whoever has the link")

    class Mode(models.TextChoices):
        VIEW = "view", _("Look only")
        DOWNLOAD = "download", _("Look and download")

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    audience = models.CharField(max_length=8, choices=Audience.choices)
    mode = models.CharField(_("allows"), max_length=8, choices=Mode.choices, default=Mode.VIEW)
    #: What is shared: a kind of `access.sharing.registry`, and the row's primary key.
    kind = models.CharField(max_length=32)
    object_id = models.BigIntegerField()
    label = models.CharField(max_length=200)
    options = models.JSONField(default=dict)
    container_kind = models.CharField(max_length=64)
    container_id = models.BigIntegerField()

    # Accounting of disclosures (45 CFR 164.528): to whom, where they are, and what for.
    recipient_name = models.CharField(_("recipient"), max_length=150)
    recipient_address = models.CharField(_("address of the recipient"), max_length=300, blank=True)
    purpose = models.CharField(_("purpose"), max_length=300)
    #: As typed by the sharer; the account behind it is never confirmed to them.
    recipient_login = models.CharField(max_length=254, blank=True)
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="shares_received"
    )

    # SHA-256 of the secret of a link; the secret itself is shown once and not kept.
    digest = models.CharField(max_length=64, unique=True, null=True, editable=False)
    password = models.CharField(max_length=128, blank=True, editable=False)
    max_visits = models.PositiveIntegerField(_("number of visits"), null=True, blank=True)
    visit_count = models.PositiveIntegerField(default=0)

    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="shares_made")
    created_at = models.DateTimeField(default=timezone.now)
    # Who took it over from its maker, and answers for it since.
    kept_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="shares_kept"
    )
    kept_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(_("ends"))
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = ()
        ordering = ("-created_at", "-pk")
        indexes = [
            models.Index(fields=["organisation", "-created_at"]),
            models.Index(fields=["recipient", "expires_at"]),
            models.Index(fields=["container_kind", "container_id"]),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return f"share {self.public_id}"

    def is_open_at(self, moment: datetime) -> bool:
        return self.revoked_at is None and moment < self.expires_at

    @property
    def is_used_up(self) -> bool:
        return self.max_visits is not None and self.visit_count >= self.max_visits

    @property
    def state(self) -> str:
        if self.revoked_at is not None:
            return "revoked"
        if timezone.now() >= self.expires_at:
            return "expired"
        return "used-up" if self.is_used_up else "open"

    @property
    def responsible(self) -> Any:
        """Whose right to share it rests on: who made it, or took it over."""
        return self.kept_by if self.kept_by_id is not None else self.created_by

    @property
    def allows_download(self) -> bool:
        return self.mode == self.Mode.DOWNLOAD

    def option(self, name: str) -> Any:
        return self.options.get(name)


class ShareVisit(TenantModel):
    """One use of a share: one browser session of a guest."""

    share = models.ForeignKey(Share, on_delete=models.CASCADE, related_name="visits")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    address = models.GenericIPAddressField(null=True)
    agent = models.CharField(max_length=200, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(default=timezone.now)
    downloads = models.PositiveIntegerField(default=0)

    class Meta:
        default_permissions = ()
        ordering = ("-started_at",)

    def __str__(self) -> str:
        return self.public_id
