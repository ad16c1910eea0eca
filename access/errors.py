from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Invalid


class LastAdministrator(Conflict):
    code = "last-administrator"
    default_message = _("An organisation needs at least one administrator. Make somebody else one first.")


class UnknownRole(Invalid):
    code = "unknown-role"
    default_message = _("There is no such role here.")


class NotAMember(Invalid):
    code = "not-a-member"
    default_message = _("This person is not a member of the organisation. Add them first.")
