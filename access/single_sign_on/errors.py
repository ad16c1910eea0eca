"""Refusals of a sign-on. `code` is what the administrator's list shows; the person reads the sentence."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Forbidden, Message, PermanentError


class SecretUnreadable(Conflict):
    code = "secret-unreadable"
    default_message = _(
        "The secret cannot be read, because the installation's secret key was changed. An administrator has to enter it "
        "again."
    )


class SignOnRefused(PermanentError):
    """The sign-in ends here. `hint` is for the administrator alone and holds nothing that identifies."""

    status_code = 403
    code = "refused"
    default_message = _("The sign-in was refused. Start again from the sign-in page.")

    def __init__(self, message: Message | None = None, *, code: str, hint: str = "") -> None:
        super().__init__(message, code=code)
        self.hint = hint


class ProviderUnreachable(SignOnRefused):
    """The provider did not answer as it must; nothing is known of the person."""

    status_code = 502
    default_message = _(
        "The sign-on service did not answer as expected. Try again in a moment; your own password and passkeys go on "
        "working."
    )


class TooManyTokens(SignOnRefused):
    """So many bad ones came from one address that nothing is asked or written down for another one."""

    status_code = 429


class TooManyGuesses(SignOnRefused):
    """Attempts at one person of a directory failed too often, under whichever of the names that find this person."""

    status_code = 429
    default_message = _("Too many failed attempts. Wait 15 minutes, then try again.")


class Elsewhere(Forbidden):
    code = "sign-in-elsewhere"
    default_message = _("You came in by another organisation's sign-on, which does not open this one.")
