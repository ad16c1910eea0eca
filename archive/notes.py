"""What a note on an instance means, in a sentence."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from archive.domain import pixel_notes

TEXTS: dict[str, Any] = {
    pixel_notes.DAMAGED: _(
        "The pixel data is damaged: it is not the image that the header describes, or has no end. The file is kept as it "
        "came, and damaged frames are not decoded; send the image again from its source."
    ),
    pixel_notes.PRIVATE: _(
        "The pixels are in a private element of the manufacturer. The file is kept as it came; there is no picture of it."
    ),
    pixel_notes.DELIMITER_MISSING: _(
        "The compressed pixel data ends without its delimiter. All frames are whole; the file is kept as it came."
    ),
}
TITLES: dict[str, Any] = {
    pixel_notes.DAMAGED: _("Pixel data damaged"),
    pixel_notes.PRIVATE: _("Pixels in a private element"),
    pixel_notes.DELIMITER_MISSING: _("Delimiter missing"),
}


def explain(code: str) -> dict[str, Any]:
    """`title` and `text` of a note; of one that a later version wrote, its code."""
    return {"code": code, "title": TITLES.get(code, code), "text": TEXTS.get(code, "")}
