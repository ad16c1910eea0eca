"""What was done to each element, for the receipt (counts) and, on request, for the before/after page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataelem import DataElement

from deid.domain.profile import Action

VALUE_LIMIT = 160


@dataclass(frozen=True, slots=True)
class Change:
    """One element before and after. `before` identifies the patient: it is shown, never stored and never logged."""

    path: str
    tag: str
    keyword: str
    vr: str
    action: Action
    rule: str
    before: str | None
    after: str | None

    @property
    def is_kept(self) -> bool:
        """Whether the element is there and says what it said before, whatever the action was."""
        return self.before is not None and self.before == self.after


@dataclass(slots=True)
class Record:
    """Counts of actions, and the changes themselves when they are asked for."""

    keeps_changes: bool = False
    counts: Counter[str] = field(default_factory=Counter)
    changes: list[Change] = field(default_factory=list)

    def note(
        self,
        *,
        action: Action,
        rule: str,
        path: str,
        tag: int,
        keyword: str,
        vr: str,
        before: Any = None,
        after: Any = None,
    ) -> None:
        self.counts[action.value] += 1
        if self.keeps_changes:
            self.changes.append(
                Change(
                    path=path,
                    tag=f"({tag >> 16:04X},{tag & 0xFFFF:04X})",
                    keyword=keyword,
                    vr=vr,
                    action=action,
                    rule=rule,
                    before=shown(before),
                    after=shown(after),
                )
            )


def shown(value: Any) -> str | None:
    """A value as a person reads it, cut to a line; None for an element that is not there."""
    if value is None:
        return None
    if isinstance(value, DataElement):
        if value.VR == "SQ":
            return f"{len(value.value or ())} item(s)"
        value = value.value
        if value is None:
            return ""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, list) or (
        hasattr(value, "__iter__") and not isinstance(value, str) and hasattr(value, "append")
    ):
        text = "\\".join(str(one) for one in value)
    else:
        text = str(value)
    return text if len(text) <= VALUE_LIMIT else text[: VALUE_LIMIT - 1] + "…"
