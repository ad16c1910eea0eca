"""What the header of a codestream says, and the fault of one that cannot be decoded safely."""

from __future__ import annotations

from dataclasses import dataclass


class Damaged(ValueError):
    """The frame must not be decoded. `code` names the fault for programs; the message says it, without patient data.

    Codes: `malformed` (no such codestream), `disagrees` (not the image that the data set describes), `too-large`.
    """

    def __init__(self, code: str, reason: str) -> None:
        self.code = code
        self.reason = reason
        super().__init__(reason)


class Unsure(Exception):
    """Something that is not image may be in the frame and cannot be taken out; the message says what."""


def malformed(what: str) -> Damaged:
    return Damaged("malformed", f"The compressed image is damaged: {what}.")


@dataclass(frozen=True, slots=True)
class Codestream:
    """Width and height in pixels, bits of a sample. `components` is None where only decoding would tell."""

    width: int
    height: int
    components: int | None
    precision: int
