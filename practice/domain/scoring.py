"""What an answer is worth."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from practice.domain import matching
from viewer.domain.marks import Mark


@dataclass(frozen=True, kw_only=True)
class Result:
    """`points` of `max_points`; `is_correct` only for a wholly right answer; `detail` for the page and the curves."""

    points: float
    max_points: float
    is_correct: bool
    detail: Mapping[str, Any] = field(default_factory=dict)


def score_choice(question: Mapping[str, Any], chosen: Collection[str]) -> Result:
    """A choice question.

    One right answer: all or nothing. Several: each right choice counts up, each wrong one down, never below zero, so
    that ticking everything earns nothing more than what the wrong ticks leave.
    """
    points = float(question["points"])
    right = {str(o["id"]) for o in question["options"] if o["is_correct"]}
    picked = {str(c) for c in chosen}
    exact = picked == right
    if question["kind"] == "single":
        return Result(points=points if exact else 0.0, max_points=points, is_correct=exact)
    gained = len(picked & right) - len(picked - right)
    share = max(0.0, gained / len(right)) if right else float(not picked)
    return Result(points=points * share, max_points=points, is_correct=exact)


def score_marks(question: Mapping[str, Any], marks: Sequence[Mark], truth: Sequence[Mapping[str, Any]]) -> Result:
    """A "mark the lesion" question: lesions found, divided by lesions plus false marks.

    On a normal every point is earned by marking nothing, and none by marking anything.
    """
    points = float(question["points"])
    lesions = [matching.lesion_from(entry) for entry in truth if entry.get("is_lesion")]
    found = matching.match(marks=marks, lesions=lesions)
    wrong = len(found.false_marks)
    share = float(not marks) if not lesions else found.hit_count / (len(lesions) + wrong)
    return Result(
        points=points * share,
        max_points=points,
        is_correct=found.hit_count == len(lesions) and not wrong,
        detail=found.to_json(),
    )


def score_rubric(question: Mapping[str, Any], met: Collection[str]) -> Result:
    """A free text answer, by the lines of the rubric that it meets; scaled to the points of the question."""
    points = float(question["points"])
    lines = {str(line["id"]): float(line["points"]) for line in question["rubric"]}
    total = sum(lines.values())
    gained = sum(value for key, value in lines.items() if key in met)
    share = gained / total if total else 0.0
    kept = [key for key in lines if key in met]
    return Result(points=points * share, max_points=points, is_correct=share >= 1.0, detail={"rubric": kept})
