"""What the check of arriving files says. The check itself stands above (`archive.hooks.register_screener`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

IDENTITY_FOUND: Final = "identity-found"
NOT_DECLARED: Final = "identity-not-removed"
HELD: Final = "held-by-screening"
NOT_SCREENED: Final = "not-screened"
NOT_OF_A_RUN: Final = "not-of-a-run"

#: Codes of files that only a person who looked at them may store.
SCREENING_CODES: Final = frozenset({IDENTITY_FOUND, NOT_DECLARED, HELD, NOT_SCREENED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why a file does not go into a de-identified archive. `reason` names places, never values.

    `comment` is the same in at most 64 characters, for an Error Comment (0000,0902).
    """

    code: str
    reason: str
    comment: str = ""


UNCHECKED: Final = Finding(
    code=NOT_SCREENED,
    reason="Nothing here can check the file for identity, so this archive does not take it.",
    comment="Cannot be checked for identity",
)
