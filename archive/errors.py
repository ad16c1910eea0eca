from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Forbidden, Invalid, PermanentError, RetriableError


class DeliveryClosed(Conflict):
    code = "delivery-closed"
    default_message = _("This delivery has ended; begin a new one for further files.")


class FileTooLarge(Invalid):
    status_code = 413
    code = "file-too-large"
    default_message = _("The file is larger than this archive takes.")


class OutOfSpace(RetriableError):
    """The spool cannot take the file: nothing of it was kept. C-STORE answers A700 (PS3.4 B.2.3)."""

    status_code = 507
    code = "out-of-space"
    default_message = _("The archive has no room for the file. Nothing of it was kept; send it again later.")


class DecodersBusy(RetriableError):
    """No decoder was free in time, or no memory for the image. Whether it can be decoded is not known yet."""

    code = "decoders-busy"
    default_message = _("All decoders are busy with other images. Nothing was lost; try again in a few seconds.")
    retry_after_seconds = 10


class StorageAway(RetriableError):
    """What is in the spool stays there and is indexed later."""

    code = "storage-away"
    default_message = _(
        "The place where images are kept does not answer. What was received is safe and is stored as soon as it does."
    )


class QuotaReached(OutOfSpace):
    """Answered like a full disk: nothing of the file was kept."""

    code = "storage-quota"
    default_message = _(
        "The organisation has used its storage, or is suspended. Nothing of the file was kept. An administrator can "
        "delete studies or ask for more."
    )


class NotASource(Forbidden):
    """Nothing was kept. The archive is for de-identified images, and its intake policy does not name the sender."""

    code = "not-a-source"
    default_message = _(
        "This archive is for de-identified images. It takes de-identified copies and what the sources in its intake "
        "policy send; you are not one of them. Nothing was kept. A manager of the archive can add you."
    )


class NeedsReason(Conflict):
    code = "release-needs-reason"
    default_message = _(
        "Screening held this file. A manager who has looked at it can release it with a reason; nothing changed."
    )


class ZipRefused(Invalid):
    code = "zip-refused"
    default_message = _("The zip file cannot be unpacked.")


class StillQuarantined(Conflict):
    code = "still-quarantined"
    default_message = _("The file was tried again and is refused for the same reason. It stays in quarantine.")


class NotAnImage(PermanentError):
    status_code = 404
    code = "not-an-image"
    default_message = _("This instance has no frame of that number.")
