from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Invalid


class CaseChanged(Conflict):
    """The editor's copy is older than what is stored."""

    code = "case-changed"
    default_message = _(
        "Somebody else changed this case since you opened it. Your text is still on your screen: copy it, "
        "reload the page and put it in again."
    )


class PartChanged(Conflict):
    """A section, a question or a field was saved from elsewhere since the caller saw it; nothing was overwritten.

    :param version: the revision at which it last changed: with it a save that has seen the other text goes through.
    """

    code = "part-changed"
    default_message = _("This text was changed elsewhere since you opened it. Nothing was overwritten.")

    def __init__(self, *, version: int, fields: Sequence[str] = ()) -> None:
        super().__init__()
        self.version = version
        self.fields = tuple(fields)


class CaseBusy(Conflict):
    code = "case-busy"
    default_message = _("The images of this case are still being de-identified. It can be edited once they are here.")


class WrongState(Conflict):
    code = "wrong-state"
    default_message = _("This case is in another state than you thought. Reload the page.")


class NotReady(Invalid):
    """The checklist is not green."""

    code = "not-ready"
    default_message = _("This case cannot be published yet: see the checklist.")

    def __init__(self, missing: Sequence[Any] = ()) -> None:
        super().__init__()
        self.missing = tuple(missing)
        self.fields = {"checklist": [str(item) for item in self.missing]}


class ReviewNeeded(Conflict):
    code = "review-needed"
    default_message = _("Publishing in this library needs an approved review of exactly this text.")


class NotALearner(Invalid):
    code = "not-a-learner"
    default_message = _("Assignments go to learners of the course. Give the person that role first.")
