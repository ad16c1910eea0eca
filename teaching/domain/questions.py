"""What makes a question a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

MAX_OPTIONS: Final = 12
MAX_POINTS: Final = 100
CONFIDENCE_LEVELS: Final = (2, 100)


def faults(question: Mapping[str, Any]) -> list[str]:
    """Codes of what is wrong, in the order of the form; empty when it can be asked."""
    found: list[str] = []
    if not str(question.get("stem", "")).strip():
        found.append("stem")
    points = question.get("points")
    if not isinstance(points, int) or isinstance(points, bool) or not 1 <= points <= MAX_POINTS:
        found.append("points")
    kind = question.get("kind")
    if kind in ("single", "multiple"):
        found += _choice_faults(question, single=kind == "single")
    elif kind == "mark":
        if not 1 <= int(question.get("max_marks") or 0) <= 50:
            found.append("max-marks")
    elif kind == "text":
        found += _rubric_faults(question)
    else:
        found.append("kind")
    if question.get("asks_confidence") and not (
        CONFIDENCE_LEVELS[0] <= int(question.get("confidence_levels") or 0) <= CONFIDENCE_LEVELS[1]
    ):
        found.append("confidence")
    return found


def _choice_faults(question: Mapping[str, Any], *, single: bool) -> list[str]:
    options = question.get("options") or []
    found: list[str] = []
    if not 2 <= len(options) <= MAX_OPTIONS:
        found.append("options-count")
    texts = [str(option.get("text", "")).strip() for option in options]
    if not all(texts):
        found.append("options-empty")
    elif len({text.casefold() for text in texts}) != len(texts):
        found.append("options-same")
    right = sum(bool(option.get("is_correct")) for option in options)
    if single and right != 1:
        found.append("one-right")
    if not single and right < 1:
        found.append("some-right")
    return found


def _rubric_faults(question: Mapping[str, Any]) -> list[str]:
    rubric = question.get("rubric") or []
    if not rubric:
        return ["rubric"]
    if any(not str(line.get("text", "")).strip() for line in rubric):
        return ["rubric-empty"]
    if sum(int(line.get("points") or 0) for line in rubric) <= 0:
        return ["rubric-points"]
    return []
