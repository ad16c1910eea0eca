"""API tokens."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from access.models.people import User
from core.models import new_public_id


class ApiToken(models.Model):
    """A secret that stands for a person or service account at the machine doors. Only its SHA-256 is kept.

    Actions (state → what may happen): valid → rotate (a new secret; this one ends when the overlap is over) · revoke →
    revoked; ended and revoked: nothing.
    """

    class Scope(models.TextChoices):
        READ = "read", _("Read through the API")
        WRITE = "write", _("Change through the API")
        DICOMWEB = "dicomweb", _("Images through DICOMweb")
        FHIR = "fhir", _("Orders and reports through FHIR")
        ADMIN = "admin", _("Administer people and settings")

    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    prefix = models.CharField(max_length=12, editable=False)
    scopes = models.JSONField(default=list)
    # Empty: wherever the person may go. Else "archive.archive:12"; nothing beside these containers is open to it.
    containers = ArrayField(models.CharField(max_length=80), default=list, blank=True)
    # Organisations whose administrators shut this token out.
    shut_out_of = ArrayField(models.BigIntegerField(), default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)
    replaced_by = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaces")
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-created_at",)
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.prefix}…"

    @property
    def audit_label(self) -> str:
        return f"{self.prefix}…"

    def is_valid_at(self, moment: datetime) -> bool:
        return self.revoked_at is None and moment < self.expires_at

    def state_at(self, moment: datetime) -> str:
        if self.revoked_at is not None:
            return "revoked"
        if moment >= self.expires_at:
            return "ended"
        return "rotated" if self.replaced_by_id else "valid"

    def ids_of(self, kind: str) -> list[int] | None:
        """The containers of one kind that the token may reach; None when it is not limited."""
        if not self.containers:
            return None
        pairs = (one.rpartition(":") for one in self.containers)
        return [int(number) for found, _colon, number in pairs if found == kind]
