"""What an organisation asks of the sessions of its members."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

DEFAULT_IDLE_MINUTES = 15
DEFAULT_SESSION_HOURS = 12
LONGEST_SESSION_HOURS = 24


class SecurityPolicy(models.Model):
    """An organisation without a row has the defaults. Of several organisations of a person the strictest times hold."""

    organisation = models.OneToOneField(
        "access.Organisation", on_delete=models.CASCADE, primary_key=True, related_name="security_policy"
    )
    mfa_required = models.BooleanField(
        _("second factor required"),
        default=False,
        help_text=_("Members enter the organisation only with an authenticator app or a passkey on their account."),
    )
    idle_lock_minutes = models.PositiveSmallIntegerField(
        _("lock after"),
        default=DEFAULT_IDLE_MINUTES,
        validators=[MinValueValidator(1), MaxValueValidator(8 * 60)],
        help_text=_("Minutes without a key press or a touch until the screen locks. Nothing that is open is lost."),
    )
    session_hours = models.PositiveSmallIntegerField(
        _("sign in again after"),
        default=DEFAULT_SESSION_HOURS,
        validators=[MinValueValidator(1), MaxValueValidator(LONGEST_SESSION_HOURS)],
        help_text=_("Hours after which a session ends, however busy it is."),
    )

    class Meta:
        default_permissions = ()
        verbose_name = _("security policy")

    def __str__(self) -> str:
        return f"security policy of {self.organisation_id}"
