from __future__ import annotations


class DecodeError(Exception):
    """The frame cannot be decoded; the text says why, without identifying data."""
