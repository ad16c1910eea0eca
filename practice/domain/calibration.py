"""Does confidence mean what it says?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One answer with its stated probability of being right, and whether it was."""

    key: str
    probability: float
    correct: bool


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Answers of like confidence: what was said on average, what came true, and its 95 % Wilson interval."""

    stated: float
    observed: float
    low: float
    high: float
    count: int
    keys: tuple[str, ...]


def probability(*, confidence: int, levels: int) -> float:
    """A step of a confidence scale as a probability: the middle of its share, so that no step means 0 or 1."""
    if not 1 <= confidence <= levels:
        raise ValueError("The confidence is not a step of the scale.")
    return (confidence - 0.5) / levels


def brier(judgements: Sequence[Judgement]) -> float | None:
    """Mean squared distance of stated probability and outcome: 0 is perfect, 0.25 is what "half" always gets."""
    if not judgements:
        return None
    return sum((j.probability - j.correct) ** 2 for j in judgements) / len(judgements)


def bins(judgements: Sequence[Judgement], *, count: int = 5) -> list[Bin]:
    """The reliability curve: non-empty bins of equal width, from unsure to sure."""
    found: list[list[Judgement]] = [[] for _bin in range(count)]
    for judgement in judgements:
        # Rounded, or 0.3 · 10 = 2.9999… would put an edge into the bin below.
        found[min(count - 1, math.floor(round(judgement.probability * count, 9)))].append(judgement)
    return [_bin(members) for members in found if members]


def _bin(members: Sequence[Judgement]) -> Bin:
    n = len(members)
    right = sum(j.correct for j in members)
    low, high = wilson(right, n)
    return Bin(
        stated=sum(j.probability for j in members) / n,
        observed=right / n,
        low=low,
        high=high,
        count=n,
        keys=tuple(j.key for j in members),
    )


def wilson(successes: int, trials: int, *, z: float = 1.959964) -> tuple[float, float]:
    """Wilson's score interval of a share."""
    if trials <= 0:
        return 0.0, 1.0
    p = successes / trials
    middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials * trials))
    return max(0.0, middle - half), min(1.0, middle + half)


def tendency(judgements: Sequence[Judgement]) -> float | None:
    """Mean stated probability minus share right: above 0 is overconfident."""
    if not judgements:
        return None
    n = len(judgements)
    return sum(j.probability for j in judgements) / n - sum(j.correct for j in judgements) / n
