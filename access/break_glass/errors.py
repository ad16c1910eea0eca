from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Forbidden, PermanentError


class BreakGlassOff(Forbidden):
    code = "break-glass-off"
    default_message = _("Your organisation does not allow break-glass. Ask a manager of the archive for a role.")


class NothingFound(PermanentError):
    status_code = 422
    code = "nothing-found"
    default_message = _("Nothing was opened: no study has exactly this number. The attempt is in the audit trail.")


class TooOften(PermanentError):
    status_code = 429
    code = "too-often"
    default_message = _("You broke the glass, or tried to, too often lately. Ask a manager of the archive for a role.")
