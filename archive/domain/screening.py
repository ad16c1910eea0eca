"""What the check of arriving files says. The check itself stands above (`archive.hooks.register_screener`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IDENTITY_FOUND: Final = "identity-found"
NOT_DECLARED: Final = "identity-not-removed"
HELD: Final = "held-by-screening"
NOT_SCREENED: Final = "not-screened"
NOT_OF_A_RUN: Final = "not-of-a-run"
#: The file is clean; its study belongs to other senders (`archive.hooks.register_guard`).
OTHER_SENDER: Final = "other-sender"

#: Codes of files that only a person who looked at them may store.
SCREENING_CODES: Final = frozenset({IDENTITY_FOUND, NOT_DECLARED, HELD, NOT_SCREENED, OTHER_SENDER})

#: Error Comment (0000,0902) is of VR LO.
LONGEST_COMMENT: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why a file does not go into a de-identified archive. `reason` names places, never values.

    `comment` is the same in at most 64 characters, for an Error Comment (0000,0902).
    """

    code: str
    reason: str
    comment: str = ""

    def __post_init__(self) -> None:
        if len(self.comment) > LONGEST_COMMENT:
            raise ValueError(f"an Error Comment has at most {LONGEST_COMMENT} characters")


def as_comment(text: str, *, longest: int = LONGEST_COMMENT) -> str:
    """As many whole words of a text as an Error Comment holds."""
    if len(text) <= longest:
        return text
    room = text[: longest - 3]
    words = room if text[longest - 3] == " " else room.rpartition(" ")[0]
    return (words.rstrip(" ,;:.") or room) + "..."
