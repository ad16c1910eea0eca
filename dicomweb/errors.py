from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from core.errors import Forbidden, Invalid, PermanentError


class BadRequest(Invalid):
    code = "bad-request"
    default_message = _("The request is not one of PS3.18.")


class NotAcceptable(PermanentError):
    status_code = 406
    code = "not-acceptable"
    default_message = _("None of the media types in the Accept header can be given for this resource.")


class UnsupportedMediaType(PermanentError):
    status_code = 415
    code = "unsupported-media-type"
    default_message = _("Send multipart/related with parts of type application/dicom.")


class RangeNotSatisfiable(PermanentError):
    status_code = 416
    code = "range-not-satisfiable"
    default_message = _("The range lies outside the data.")


class ScopeMissing(Forbidden):
    code = "token-scope"
    default_message = _("This token was not made for DICOMweb; make one with the scope “dicomweb”.")


class ForeignOrigin(Forbidden):
    code = "foreign-origin"
    default_message = _("A page of another site may not store images with your session; use a token.")


class Unrenderable(PermanentError):
    status_code = 406
    code = "not-renderable"
    default_message = _("This object has no image that can be shown.")


class Withheld(Forbidden):
    code = "withheld"
    default_message = _(
        "You see this study as part of a case, so its files are withheld: they hold descriptions and dates that would tell "
        "what there is to find. Ask for frames, rendered images or metadata instead."
    )
