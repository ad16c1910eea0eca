"""Words that people read: marked here, translated by whoever shows them, since `domain/` knows no framework."""

from __future__ import annotations


def marked(text: str) -> str:
    """The same text. Imported as `_`, so that `makemessages` finds it."""
    return text
