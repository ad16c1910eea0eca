"""Why a frame could not be given, in sentences for people."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from archive.decoding import DecodeError, Why

DAMAGED = _(
    "The pixel data of this image is damaged: it is not the image that its header describes. It is kept as it came and "
    "can be retrieved as a whole instance with transfer-syntax=*."
)
SENTENCES: Final = MappingProxyType(
    {
        Why.DAMAGED: DAMAGED,
        Why.DECODER_DIED: _(
            "The decoder stopped on this image, most likely for lack of memory or time. The stored file is unchanged."
        ),
        Why.DOES_NOT_DECODE: _("The pixel data could not be decoded. The stored file is unchanged."),
        Why.FRAME_MISSING: _(
            "The file has fewer frames than its header says, and this one is missing. Others can be shown."
        ),
        Why.FRAME_TOO_LARGE: _("The frame is larger than this server decodes."),
        Why.FRAMES_DIFFER: _("The frames of this object have different sizes."),
        Why.FRAMES_UNCLEAR: _("The frames of this object cannot be told apart."),
        Why.HEADER_UNREADABLE: _("The header of this object cannot be read."),
        Why.NO_PIXELS: _("This object has no pixel data."),
        Why.NOT_DESCRIBED: _("The header does not fully describe the pixel data."),
        Why.OBJECT_TOO_LARGE: _(
            "This object has to be read as a whole to get one frame, and it is larger than this server reads as a whole."
        ),
        Why.OTHER_SIZE: _("The decoded frame has another size than the header says."),
        Why.OVER_BUDGET: _(
            "This image is too large for this server: decoding or drawing it needs more memory than it gives to images. "
            "The stored file can be retrieved."
        ),
        Why.SYNTAX_UNKNOWN: _("This server does not decode the transfer syntax of this image."),
        Why.TOO_LONG_FOR_SYNTAX: _("The decoded pixel data is too long for Explicit VR Little Endian."),
        Why.TOO_MUCH_MEMORY: _("Decoding needs more memory than an image of this size should. It was stopped."),
        Why.TOO_SLOW: _("Decoding took too long and was stopped."),
        Why.VALUES_UNCLEAR: _("The header's description of grey values or colours is damaged."),
    }
)


def sentence(error: DecodeError) -> Promise:
    """What to tell people; the rest of the error is for the log."""
    return SENTENCES[error.why]
