from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Conflict, Invalid, PermanentError


class OptionNotOffered(Invalid):
    code = "option-not-offered"
    default_message = _("This option is not offered for copies into an archive that many people read.")


class TargetNotDeidentified(Invalid):
    code = "target-not-deidentified"
    default_message = _("De-identified images go into a teaching or trial archive, not into a clinical one.")


class SameArchive(Invalid):
    code = "same-archive"
    default_message = _("The study is in this archive already; choose another one for the de-identified copy.")


class OtherOptions(Conflict):
    code = "other-options"
    default_message = _(
        "A copy of this study with other options is in that archive already; two copies under the same identifiers "
        "cannot stand side by side. Delete the earlier copy first, or ask for the same options."
    )


class EmptyStudy(Invalid):
    code = "empty-study"
    default_message = _("The study has no images yet. Try again when it has arrived.")


class SameReader(Conflict):
    code = "same-person"
    default_message = _("Whoever asked for the copy cannot approve it. Ask a colleague with a role on the archive.")


class WrongState(Conflict):
    code = "wrong-state"
    default_message = _("This de-identification is past that step. Reload the page to see where it stands.")


class ProposalChanged(Conflict):
    code = "proposal-changed"
    default_message = _(
        "The copy has changed since you opened this page. Nothing was stored. Look at it again, then decide."
    )


class KeyChanged(PermanentError):
    """The installation's secret is not the one the pseudonym domain was made with: pseudonyms would not match."""

    code = "pseudonym-key-changed"
    default_message = _(
        "The installation's de-identification key has changed, so pseudonyms would no longer match. Nothing was done. "
        "Restore the key, or begin a new teaching archive."
    )


class ApprovedContentChanged(PermanentError):
    code = "approved-content-changed"
    default_message = _(
        "An image is no longer the one that was approved. Nothing more was stored; start the de-identification again."
    )


class RightToCopyEnded(PermanentError):
    code = "right-to-copy-ended"
    default_message = _("The right to make this copy has ended, so it was stopped. What was stored before stays.")


class NotReleasable(Conflict):
    code = "not-releasable"
    default_message = _(
        "Some of these images are held for something that a picture does not show, or were decided on already. Nothing "
        "was changed; reload the page."
    )


class NoImageChosen(Invalid):
    code = "no-image-chosen"
    default_message = _("Choose at least one image.")


class NotTakenBack(Conflict):
    code = "not-taken-back"
    default_message = _(
        "Some of these decisions can no longer be taken back: the copy was approved or is being made. Nothing was "
        "changed."
    )


class ReasonMissing(Invalid):
    code = "reason-missing"
    default_message = _("Give the reason: it is kept with the images and in the audit trail.")


class ReleasedByYou(Conflict):
    code = "released-by-you"
    default_message = _("You released held images of this copy, so somebody else approves it.")


class NoPictureOfIt(PermanentError):
    status_code = 406
    code = "no-picture"
    default_message = _("This image cannot be shown: its pixels are damaged, or of a kind that is not decoded here.")


class NotForDeidentified(Conflict):
    code = "not-for-deidentified"
    default_message = _("This archive is not for de-identified images: there is nothing to screen.")


class AlreadyScreening(Conflict):
    code = "already-screening"
    default_message = _("This archive is being screened by another process.")
