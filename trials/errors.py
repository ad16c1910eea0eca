from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Invalid


class Closed(Conflict):
    code = "closed"
    default_message = _("It is closed: it can be looked at, not changed. A coordinator can reopen it.")


class WrongState(Conflict):
    code = "wrong-state"
    default_message = _("The subject is in another state than you thought. Reload the page.")


class AlreadyMatched(Conflict):
    code = "already-matched"
    default_message = _("Somebody has matched this study in the meantime. Nothing was changed.")


class AcrossSites(Invalid):
    """A question, not a refusal: the same again with a reason is done."""

    code = "across-sites"
    default_message = _("Staff of another site sent these images. Say why they show this subject.")


class NothingHeld(Conflict):
    code = "nothing-held"
    default_message = _("No held file waits for a decision.")


class NobodyToAsk(Conflict):
    code = "nobody-to-ask"
    default_message = _("No active person manages this archive. Ask an administrator to name a manager.")
