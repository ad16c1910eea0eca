"""Why somebody has a role: one row for each reason, kept after it ended.

Actions on a grant (state → what may happen):

=======  ==================================================
active   set its end · end → ended (taken back, membership
         ended, no longer claimed by the sign-on provider)
ended    nothing; a role given again is a new grant
=======  ==================================================

A grant whose end has passed opens nothing from that moment on; a task ends it a little later and tells the trail.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from access import hooks
from access.models.people import ContainerRole
from core.models import TenantModel


class RoleGrant(TenantModel):
    """One reason for which a person holds a role on a container."""

    class Source(models.TextChoices):
        DIRECT = "direct", _("Given directly")
        INVITATION = "invitation", _("By invitation")
        REQUEST = "request", _("Asked to join")
        IMPORT = "import", _("By import of a list")
        FOUNDER = "founder", _("By the installation")

    container_role = models.ForeignKey(ContainerRole, on_delete=models.CASCADE, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="role_grants")
    # A `Source`, or "sso:<provider>" or "ldap:<directory>" for a role that follows from what these say of the person.
    source = models.CharField(max_length=80, default=Source.DIRECT)
    granted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    granted_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-granted_at", "-pk")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["container_role", "user", "source"],
                condition=Q(ended_at=None),
                name="one_active_grant_per_source",
            )
        ]
        indexes = [
            models.Index(fields=["user", "container_role"], condition=Q(ended_at=None), name="active_grants_of_person"),
            models.Index(fields=["expires_at"], condition=Q(ended_at=None), name="grants_that_will_end"),
        ]

    def __str__(self) -> str:
        return f"{self.container_role_id} for {self.user_id} ({self.source})"

    def is_active_at(self, moment: datetime) -> bool:
        return self.ended_at is None and (self.expires_at is None or moment < self.expires_at)

    @property
    def source_words(self) -> str:
        if ":" in self.source:
            return hooks.source_words(self.source)
        return str(dict(self.Source.choices).get(self.source, self.source))
