from __future__ import annotations


class Busy(Exception):
    """All decoders were busy for as long as this process waits for one. Nothing is said about the frame."""


class DecodeError(Exception):
    """The frame cannot be decoded; the text says why, without identifying data."""
