"""Truth in patient space: where a lesion's centre is and how far it reaches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from viewer.domain.geometry import PatientPoint
from viewer.domain.marks import Mark


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Centre and radius in millimetres, where the images allow it; see `TruthMark`."""

    centre_mm: PatientPoint | None
    radius_mm: float | None
    spacing_mm: tuple[float, float] | None


def extent(mark: Mark, *, spacing: tuple[float, float] | None) -> Extent:
    """The extent of a truth mark. `spacing` is the image's PixelSpacing (between rows, between columns), if known.

    The radius is that of the circle with the mark's area; for lines half their length; for points 0.
    """
    centre = mark.target_patient
    if mark.tool == "freehand" and mark.patient_points is not None:
        centre = _patient_at(mark, mark.patient_points)
    if spacing is not None:
        return Extent(centre_mm=centre, radius_mm=mark.radius(spacing=spacing), spacing_mm=spacing)
    if mark.patient_points is not None:
        return Extent(centre_mm=centre, radius_mm=_patient_radius(mark, mark.patient_points), spacing_mm=None)
    return Extent(centre_mm=None, radius_mm=None, spacing_mm=None)


def _patient_at(mark: Mark, patient: Sequence[PatientPoint]) -> PatientPoint | None:
    """The patient point of a polygon's centre, from its own vertices (an affine fit through three of them)."""
    n = len(mark.points)
    mean = tuple(sum(p[i] for p in patient) / n for i in range(3))
    image_mean = (sum(p[0] for p in mark.points) / n, sum(p[1] for p in mark.points) / n)
    steps = _basis(mark.points, patient)
    if steps is None:
        return (mean[0], mean[1], mean[2])
    dx, dy = mark.target[0] - image_mean[0], mark.target[1] - image_mean[1]
    column, row = steps
    x, y, z = (mean[i] + column[i] * dx + row[i] * dy for i in range(3))
    return (x, y, z)


def _basis(
    points: Sequence[tuple[float, float]], patient: Sequence[PatientPoint]
) -> tuple[PatientPoint, PatientPoint] | None:
    """Millimetres for one column and for one row, from the three vertices that span the largest triangle at vertex 0."""
    best: tuple[float, int, int] = (0.0, 0, 0)
    ax, ay = points[0]
    step = max(1, len(points) // 32)
    chosen = range(1, len(points), step)
    for i in chosen:
        for j in chosen:
            area = abs((points[i][0] - ax) * (points[j][1] - ay) - (points[i][1] - ay) * (points[j][0] - ax))
            if area > best[0]:
                best = (area, i, j)
    if best[0] < 1e-9:
        return None
    _area, i, j = best
    a, b = points[i][0] - ax, points[i][1] - ay
    c, d = points[j][0] - ax, points[j][1] - ay
    determinant = a * d - b * c
    u = [patient[i][k] - patient[0][k] for k in range(3)]
    v = [patient[j][k] - patient[0][k] for k in range(3)]
    column = tuple((d * u[k] - b * v[k]) / determinant for k in range(3))
    row = tuple((a * v[k] - c * u[k]) / determinant for k in range(3))
    return (column[0], column[1], column[2]), (row[0], row[1], row[2])


def _patient_radius(mark: Mark, p: Sequence[PatientPoint]) -> float:
    if mark.tool == "ellipse":
        return math.sqrt(math.dist(p[0], p[1]) / 2 * math.dist(p[2], p[3]) / 2)
    if mark.tool == "rectangle":
        return math.sqrt(math.dist(p[0], p[1]) * math.dist(p[0], p[2]) / math.pi)
    if mark.tool in ("length", "bidirectional"):
        return math.dist(p[0], p[1]) / 2
    if mark.tool == "freehand":
        steps = _basis(mark.points, p)
        if steps is None:
            return 0.0
        scale = math.hypot(*steps[0]) * math.hypot(*steps[1])
        return math.sqrt(mark.area() * scale / math.pi)
    return 0.0


def to_json(found: Extent) -> dict[str, Any]:
    return {
        "centre_mm": None if found.centre_mm is None else [round(v, 4) for v in found.centre_mm],
        "radius_mm": None if found.radius_mm is None else round(found.radius_mm, 4),
        "spacing_mm": None if found.spacing_mm is None else list(found.spacing_mm),
    }
