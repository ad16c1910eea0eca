"""Figures of merit of a reader over many cases (after Chakraborty).

ψ(x, y) = 1 if y > x, ½ if equal, 0 otherwise; what was not marked has rating −∞.

Case AUC: highest rating of a case, normals against abnormals.
θ AFROC  = 1/(K₁ L)  Σᵢ Σⱼ ψ(FPᵢ, LLⱼ): FPᵢ the highest false mark on normal case i, LLⱼ the rating of lesion j.
θ wAFROC = 1/(K₁ K₂) Σᵢ Σₖ Σₗ wₖₗ ψ(FPᵢ, LLₖₗ), Σₗ wₖₗ = 1: every abnormal case counts the same.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

UNMARKED: Final = -math.inf
#: Below this many cases a figure says more about luck than about the reader: none is shown.
MIN_CASES: Final = 20
RESAMPLES: Final = 1000


@dataclass(frozen=True, kw_only=True)
class CaseReading:
    """One case as one reader rated it: a rating a lesion (UNMARKED when missed), and the ratings of false marks."""

    key: str
    lesions: tuple[float, ...] = ()
    false_marks: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()

    @property
    def is_normal(self) -> bool:
        return not self.lesions

    @property
    def highest_false(self) -> float:
        return max(self.false_marks, default=UNMARKED)

    @property
    def highest(self) -> float:
        return max((*self.lesions, *self.false_marks), default=UNMARKED)

    def lesion_weights(self) -> tuple[float, ...]:
        """Weights that sum to 1; equal ones when none are given."""
        if not self.weights:
            return tuple(1 / len(self.lesions) for _lesion in self.lesions)
        total = sum(self.weights)
        return tuple(weight / total for weight in self.weights)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure with its 95 % interval from resampling cases; `value` is None where it is not defined or too few cases."""

    value: float | None
    low: float | None = None
    high: float | None = None
    cases: int = 0
    missing: int = 0


def psi(x: float, y: float) -> float:
    if y > x:
        return 1.0
    return 0.5 if y == x else 0.0


def case_auc(readings: Sequence[CaseReading]) -> float | None:
    """Area under the case-level ROC curve; None without both normals and abnormals."""
    normals = [r.highest for r in readings if r.is_normal]
    abnormals = [r.highest for r in readings if not r.is_normal]
    return _mean_psi(normals, abnormals)


def afroc(readings: Sequence[CaseReading]) -> float | None:
    normals = [r.highest_false for r in readings if r.is_normal]
    lesions = [rating for r in readings for rating in r.lesions]
    return _mean_psi(normals, lesions)


def wafroc(readings: Sequence[CaseReading]) -> float | None:
    normals = [r.highest_false for r in readings if r.is_normal]
    abnormals = [r for r in readings if not r.is_normal]
    if not normals or not abnormals:
        return None
    total = 0.0
    for reading in abnormals:
        for weight, rating in zip(reading.lesion_weights(), reading.lesions, strict=True):
            total += weight * sum(psi(fp, rating) for fp in normals)
    return total / (len(normals) * len(abnormals))


def _mean_psi(low: Sequence[float], high: Sequence[float]) -> float | None:
    if not low or not high:
        return None
    return sum(psi(x, y) for x in low for y in high) / (len(low) * len(high))


def afroc_points(readings: Sequence[CaseReading], *, weighted: bool = True) -> list[tuple[float, float]]:
    """The operating points (FPF, LLF or wLLF) from strict to lax, with (0, 0) first and (1, 1) last.

    The last stretch to (1, 1) is the part nobody marked: it belongs to the area, and is drawn dashed.
    """
    normals = [r.highest_false for r in readings if r.is_normal]
    abnormals = [r for r in readings if not r.is_normal]
    if not normals or not abnormals:
        return []
    parts = [
        (weight / len(abnormals), rating)
        for r in abnormals
        for weight, rating in zip(r.lesion_weights(), r.lesions, strict=True)
    ]
    if not weighted:
        parts = [(1 / len(parts), rating) for _weight, rating in parts]
    thresholds = sorted({v for v in (*normals, *(rating for _w, rating in parts)) if v > UNMARKED}, reverse=True)
    points = [(0.0, 0.0)]
    for threshold in thresholds:
        fpf = sum(value >= threshold for value in normals) / len(normals)
        llf = sum(weight for weight, rating in parts if rating >= threshold)
        points.append((fpf, min(1.0, llf)))
    points.append((1.0, 1.0))
    return points


def area(points: Sequence[tuple[float, float]]) -> float:
    """Trapezoidal area under operating points."""
    pairs = zip(points, points[1:], strict=False)
    return sum((x1 - x0) * (y0 + y1) / 2 for (x0, y0), (x1, y1) in pairs)


def figure(
    readings: Sequence[CaseReading],
    statistic: Callable[[Sequence[CaseReading]], float | None],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
    minimum: int = MIN_CASES,
) -> Figure:
    """The statistic with its percentile interval. Normals and abnormals are resampled apart, as the design fixes both."""
    count = len(readings)
    if count < minimum:
        return Figure(value=None, cases=count, missing=minimum - count)
    value = statistic(readings)
    if value is None:
        return Figure(value=None, cases=count)
    normals = [r for r in readings if r.is_normal]
    abnormals = [r for r in readings if not r.is_normal]
    chance = random.Random(seed)  # noqa: S311 -- statistics, not a secret
    found = []
    for _round in range(resamples):
        sample = chance.choices(normals, k=len(normals)) + chance.choices(abnormals, k=len(abnormals))
        drawn = statistic(sample)
        if drawn is not None:
            found.append(drawn)
    found.sort()
    return Figure(value=value, low=_quantile(found, 0.025), high=_quantile(found, 0.975), cases=count)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """Linear interpolation between order statistics."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
