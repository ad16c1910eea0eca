"""The errors that services and queries raise; doors translate them, nothing else does.

Every app derives its own from these, so that a door knows the answer from the class alone and a task knows whether
trying again makes sense.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Message = str | Promise


class PacswebError(Exception):
    """A refusal with a sentence for people and a code for programs.

    The message says what happened, what was kept and what to do; it never holds identifying data, because it may be
    logged.
    """

    status_code = 500
    code = "error"
    default_message: Message = _("The request could not be carried out.")

    def __init__(self, message: Message | None = None, *, code: str | None = None) -> None:
        self.message = message if message is not None else self.default_message
        if code is not None:
            self.code = code
        super().__init__(str(self.message))


class PermanentError(PacswebError):
    """Trying again gives the same answer."""


class RetriableError(PacswebError):
    """Something outside did not answer in time; trying again later may succeed."""

    status_code = 503
    code = "try-later"
    #: Sent as Retry-After (RFC 9110 10.2.3) where it is known; 0: it is not.
    retry_after_seconds = 0
    default_message = _("A part of the system did not answer. Nothing was lost; try again in a moment.")


class DiskFull(RetriableError):
    """Database, cache or a folder has no room for what the request had to write."""

    status_code = 507
    code = "disk-full"
    default_message = _(
        "The disk is full, and this needs to write to it. Nothing was changed. Stored images can be viewed; an "
        "administrator has to free space first."
    )


class NotFound(PermanentError):
    """The thing does not exist, or the caller is a stranger to it: from outside both look the same."""

    status_code = 404
    code = "not-found"
    default_message = _("There is nothing here, or it is not shared with you.")


class Forbidden(PermanentError):
    """A member of the organisation lacks the right."""

    status_code = 403
    code = "forbidden"
    default_message = _("Your role does not allow this. Ask a manager of this archive or an administrator.")


class Conflict(PermanentError):
    """The thing is in another state than the caller believed, or somebody else was first."""

    status_code = 409
    code = "conflict"
    default_message = _("Somebody changed this in the meantime. Reload the page and try again.")


class Invalid(PermanentError):
    """Input that does not make sense; `fields` names each field with its sentences."""

    status_code = 400
    code = "invalid"
    default_message = _("Some of the input is not right.")

    def __init__(
        self,
        message: Message | None = None,
        *,
        code: str | None = None,
        fields: Mapping[str, Sequence[Message]] | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.fields: dict[str, list[str]] = {
            name: [str(m) for m in messages] for name, messages in (fields or {}).items()
        }


class NothingChosen(Invalid):
    """An act on several rows, and none was ticked. People are led back to the list, `back`, with the sentence."""

    code = "nothing-chosen"
    default_message = _("Choose at least one row.")

    def __init__(self, message: Message | None = None, *, back: str) -> None:
        super().__init__(message)
        self.back = back
