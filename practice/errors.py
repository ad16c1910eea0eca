from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Invalid
from viewer.errors import MarksClosed


class Incomplete(Invalid):
    """Not every question is answered; `fields` names them by their ids."""

    code = "incomplete"
    default_message = _("Some questions are not answered yet. Nothing was committed.")

    def __init__(self, fields: Mapping[str, Sequence[Any]]) -> None:
        super().__init__(fields=fields)


class AttemptClosed(MarksClosed):
    """Drafts and marks of a committed or abandoned read are frozen (423 Locked)."""

    code = "attempt-closed"
    default_message = _("This read is committed: its answers and marks can no longer change.")


class DraftConflict(Conflict):
    code = "draft-conflict"
    default_message = _("These answers were changed in another window. Reload the page to go on with the newest ones.")


class NotRevealed(Conflict):
    code = "not-revealed"
    default_message = _("Commit your read first: the result is shown after that.")
