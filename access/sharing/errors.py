from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Forbidden, PermanentError


class LinkClosed(PermanentError):
    """Wrong, expired, revoked and used-up links look the same."""

    status_code = 404
    code = "link-closed"
    default_message = _(
        "This link opens nothing. It may be incomplete, or it was used up, has ended, or was taken back. "
        "Ask whoever sent it for a new one."
    )


class PasswordWanted(PermanentError):
    status_code = 422
    code = "password-wanted"
    default_message = _("This link has a password. Whoever sent it knows it.")


class PasswordWrong(PermanentError):
    status_code = 422
    code = "password-wrong"
    default_message = _("This is not the password of the link.")


class TooManyTries(PermanentError):
    status_code = 429
    code = "too-many-tries"
    default_message = _("Too many attempts failed. Wait a quarter of an hour, then try again.")


class SharingOff(Forbidden):
    code = "sharing-off"
    default_message = _(
        "Your organisation does not allow this kind of sharing. "
        "An administrator decides it under Administration, Guests."
    )


class ViewOnly(Forbidden):
    code = "view-only"
    default_message = _("This was shared to look at, not to download. Ask whoever shared it.")
