"""Callers that were refused, for those who can let them in."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_scopes import ScopedManager

from archive.domain import ae_titles
from core.models import new_public_id
from dimse.domain import callers


class RefusedCaller(models.Model):
    """One caller at one AE title from one address, refused for one reason: how often, and when first and last.

    The row belongs to the organisation of the archive that was called. A called AE title that no archive has, and a
    connection that failed before it named one, are the installation's: such rows have no organisation.
    """

    class Reason(models.TextChoices):
        UNKNOWN_CALLED = callers.UNKNOWN_CALLED, _("No archive has this AE title")
        UNKNOWN_CALLING = callers.UNKNOWN_CALLING, _("Calling AE title not allowed")
        WRONG_ADDRESS = callers.WRONG_ADDRESS, _("Calling AE title known, but not from this address")
        NOT_A_SOURCE = callers.NOT_A_SOURCE, _("May not send: not a source of this archive")
        CLOSED = callers.CLOSED, _("The archive takes no DICOM associations")
        SUSPENDED = callers.SUSPENDED, _("The organisation is suspended")
        TLS = callers.TLS, _("TLS handshake failed")
        PROTOCOL = callers.PROTOCOL, _("The request broke the protocol")
        UNSOUND_TITLE = callers.UNSOUND_TITLE, _("Calling AE title not allowed by DICOM")

    organisation = models.ForeignKey(
        "access.Organisation", on_delete=models.CASCADE, null=True, related_name="+", editable=False
    )
    archive = models.ForeignKey("archive.Archive", on_delete=models.CASCADE, null=True, related_name="refused_callers")
    public_id = models.CharField(max_length=12, unique=True, default=new_public_id, editable=False)
    called_ae_title = models.CharField(max_length=16, blank=True)
    # Empty: further titles from an address that tried more than `dimse.refusals.MOST_PER_ADDRESS`.
    calling_ae_title = models.CharField(max_length=16, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True)
    reason = models.CharField(max_length=20, choices=Reason.choices)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()

    objects: ClassVar[Any] = ScopedManager(organisation="organisation")

    permission_path: ClassVar[str] = "archive"

    class Meta:
        ordering = ("-last_at", "-pk")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["organisation", "archive", "called_ae_title", "calling_ae_title", "address", "reason"],
                name="refused_caller_once",
                nulls_distinct=False,
            )
        ]
        indexes = [models.Index(fields=["archive", "-last_at"]), models.Index(fields=["organisation", "-last_at"])]

    def __str__(self) -> str:
        return self.public_id

    @property
    def audit_label(self) -> str:
        return self.public_id

    @property
    def is_curable(self) -> bool:
        """Whether letting the calling AE title in would mend it."""
        return self.archive_id is not None and self.reason in callers.CURABLE and not self.why_not_curable

    @property
    def why_not_curable(self) -> str:
        """What has to change instead, for the manager of the archive; empty where the reason says it, or for who is curable."""
        if self.reason == self.Reason.PROTOCOL:
            return gettext("The sender asks in a way that DICOM does not allow. Correct its configuration.")
        if self.reason == self.Reason.UNSOUND_TITLE and self.calling_ae_title == callers.NO_TITLE:
            return gettext("The sender names no calling AE title. Set one there.")
        if self.reason == self.Reason.UNSOUND_TITLE:
            return gettext("The calling AE title has characters that DICOM does not allow. Change it at the sender.")
        if self.reason not in callers.CURABLE:
            return ""
        if not self.calling_ae_title:
            return gettext(
                "Too many AE titles from this address to list each. Enter the ones you know in the settings."
            )
        if not ae_titles.is_sound(self.calling_ae_title):
            return gettext("The calling AE title has characters that DICOM does not allow. Change it at the sender.")
        if self.archive is not None and self.archive.is_gated and self.address is None:
            return gettext("The address is not known. Add the sender under Sources.")
        return ""
