"""The states of a subject, and what leads from one to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

SCREENING: Final = "screening"
ENROLLED: Final = "enrolled"
COMPLETED: Final = "completed"
WITHDRAWN: Final = "withdrawn"

ENROL: Final = "enrol"
COMPLETE: Final = "complete"
WITHDRAW: Final = "withdraw"
RESUME: Final = "resume"

#: Action → the states in which it may be done.
POSSIBLE_IN: Final[Mapping[str, tuple[str, ...]]] = {
    ENROL: (SCREENING,),
    COMPLETE: (ENROLLED,),
    WITHDRAW: (SCREENING, ENROLLED),
    RESUME: (COMPLETED, WITHDRAWN),
}
ACTIONS: Final = tuple(POSSIBLE_IN)
NEEDS_REASON: Final = frozenset({WITHDRAW, RESUME})


def actions(state: str) -> tuple[str, ...]:
    return tuple(action for action, states in POSSIBLE_IN.items() if state in states)


def is_editable(state: str) -> bool:
    return state in (SCREENING, ENROLLED)


def state_after(action: str, *, was_enrolled: bool) -> str:
    """The state that an action leads to. Raises `KeyError` for an action that is none."""
    if action == RESUME:
        return ENROLLED if was_enrolled else SCREENING
    return {ENROL: ENROLLED, COMPLETE: COMPLETED, WITHDRAW: WITHDRAWN}[action]
