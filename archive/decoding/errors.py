"""Why a frame has no pixels, as codes: the doors have the sentences (`dicomweb.reasons`). No Django: decoders load this."""

from __future__ import annotations

from enum import StrEnum


class Why(StrEnum):
    DAMAGED = "damaged"
    DECODER_DIED = "decoder-died"
    DOES_NOT_DECODE = "does-not-decode"
    FRAME_MISSING = "frame-missing"
    FRAME_TOO_LARGE = "frame-too-large"
    FRAMES_DIFFER = "frames-differ"
    FRAMES_UNCLEAR = "frames-unclear"
    HEADER_UNREADABLE = "header-unreadable"
    NO_PIXELS = "no-pixels"
    NOT_DESCRIBED = "not-described"
    OBJECT_TOO_LARGE = "object-too-large"
    OTHER_SIZE = "other-size"
    OVER_BUDGET = "over-budget"
    SYNTAX_UNKNOWN = "syntax-unknown"
    TOO_LONG_FOR_SYNTAX = "too-long-for-syntax"
    TOO_MUCH_MEMORY = "too-much-memory"
    TOO_SLOW = "too-slow"
    VALUES_UNCLEAR = "values-unclear"


class Busy(Exception):
    """Decoders, or the memory for images, were taken for as long as this process waits. Nothing is said about the frame."""


class DecodeError(Exception):
    """The frame cannot be decoded. `why` is for doors; `detail` for logs only, without identifying data."""

    def __init__(self, why: Why, detail: str = "") -> None:
        self.why = why
        super().__init__(f"{why.value}: {detail}" if detail else why.value)
