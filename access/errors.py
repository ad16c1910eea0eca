from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Forbidden, Invalid, Message, PermanentError


class LastAdministrator(Conflict):
    code = "last-administrator"
    default_message = _("An organisation needs at least one administrator. Make somebody else one first.")


class UnknownRole(Invalid):
    code = "unknown-role"
    default_message = _("There is no such role here.")


class NotAMember(Invalid):
    code = "not-a-member"
    default_message = _("This person is not a member of the organisation. Add them first.")


class PeopleQuotaReached(Conflict):
    code = "people-quota"
    default_message = _(
        "The organisation has as many people as it may. End a membership, or ask the administrator of the installation "
        "for more."
    )


class OrganisationSuspended(Forbidden):
    code = "organisation-suspended"
    default_message = _("This organisation is suspended. Nothing was deleted; its administrators know more.")


class TokenEnded(PermanentError):
    """Raised inside a streamed answer: the connection breaks, so that no client takes the part for the whole."""

    status_code = 401
    code = "token-ended"
    default_message = _("The token was revoked while its answer was being sent.")


class InvitationClosed(PermanentError):
    """Wrong, used, withdrawn and expired look the same from outside."""

    status_code = 404
    code = "invitation-closed"
    default_message = _("This invitation does not work any more. Ask the person who sent it for a new one.")


class MemberSuspended(Conflict):
    code = "member-suspended"
    default_message = _(
        "This membership is suspended. Only an administrator of the organisation can lift the suspension."
    )


class FactorUnreadable(Conflict):
    code = "factor-unreadable"
    default_message = _(
        "The second factor of this account cannot be read, because the installation's secret key was changed. "
        "Use a passkey, or ask an administrator of your organisation to reset your second factors."
    )


class WrongProof(Invalid):
    code = "wrong-proof"
    default_message = _("This did not prove that it is you. Try again.")


class DirectoryAway(WrongProof):
    """The password could not be compared: nothing was right or wrong."""

    code = "directory-away"
    status_code = 503
    default_message = _("Your organisation's directory is not answering. Use a passkey or a code, or try again later.")


class NotYetProven(WrongProof):
    code = "not-yet-proven"
    default_message = _("You have not signed in there yet, or it was more than five minutes ago.")


class TooManyAttempts(Forbidden):
    status_code = 429
    code = "too-many-attempts"
    default_message = _("Too many failed attempts. Wait 15 minutes, then try again.")


class ProofNeeded(Forbidden):
    """Raised by `access.sudo.require`; the middleware turns it into the page that asks."""

    code = "proof-needed"
    default_message = _("Confirm that it is you first.")

    def __init__(self, *, purpose: str, reason: Message = "") -> None:
        super().__init__()
        self.purpose = purpose
        self.reason = reason


class SecondFactorNeeded(Forbidden):
    code = "second-factor-needed"
    default_message = _("This organisation asks its members for a second factor. Set one up on your security page.")
