"""Marks on images: measurements, regions and pointers in image terms, independent of any drawing library.

A mark belongs to one frame of one instance. Its points are image coordinates ``(column, row)`` in pixels with
``(0, 0)`` at the *centre* of the top-left pixel, so the image covers ``-0.5 … columns - 0.5``. When the frame has a
frame of reference, the same points are also kept in patient millimetres (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from viewer.domain.geometry import (
    PatientPoint,
    Point,
    corner_weights,
    ellipse_axes,
    is_inside,
    polygon_centre,
    signed_area,
)

Tool = Literal["length", "ellipse", "rectangle", "freehand", "probe", "arrow", "angle", "bidirectional"]
Verdict = Literal["hit", "miss", "false"]

#: Tool → least and greatest number of points.
POINT_COUNTS: Final[dict[str, tuple[int, int]]] = {
    "length": (2, 2),
    "ellipse": (4, 4),
    "rectangle": (4, 4),
    "freehand": (3, 4000),
    "probe": (1, 1),
    "arrow": (2, 2),
    "angle": (3, 3),
    "bidirectional": (4, 4),
}
TOOLS: Final[tuple[str, ...]] = tuple(POINT_COUNTS)
#: Tools whose points enclose an area.
REGION_TOOLS: Final[frozenset[str]] = frozenset({"ellipse", "rectangle", "freehand"})
VERDICTS: Final[tuple[str, ...]] = ("hit", "miss", "false")


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One value of a mark: ``name`` such as ``length`` or ``mean``, the value, and its unit in UCUM where one exists."""

    name: str
    value: float
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "unit": self.unit}


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One mark; see the module's docstring for its coordinates."""

    id: str
    tool: Tool
    series_instance_uid: str
    sop_instance_uid: str
    frame: int = 1
    points: tuple[Point, ...]
    patient_points: tuple[PatientPoint, ...] | None = None
    frame_of_reference_uid: str | None = None
    label: str = ""
    confidence: float | None = None
    group: str = ""
    measurements: tuple[Measurement, ...] = field(default=())
    verdict: Verdict | None = None

    def to_json(self) -> dict[str, Any]:
        """The JSON form that is stored and sent to the page."""
        return {
            "id": self.id,
            "tool": self.tool,
            "series_instance_uid": self.series_instance_uid,
            "sop_instance_uid": self.sop_instance_uid,
            "frame": self.frame,
            "points": [list(p) for p in self.points],
            "patient_points": None if self.patient_points is None else [list(p) for p in self.patient_points],
            "frame_of_reference_uid": self.frame_of_reference_uid,
            "label": self.label,
            "confidence": self.confidence,
            "group": self.group,
            "measurements": [m.to_json() for m in self.measurements],
            "verdict": self.verdict,
        }

    def judged(self, *, verdict: Verdict | None) -> Mark:
        """The same mark with a verdict for the review."""
        return replace(self, verdict=verdict)

    @property
    def target(self) -> Point:
        """The point the mark is about: an arrow's tip, otherwise the centre of its points."""
        if self.tool == "arrow":
            # The first handle is the tip; the second is where the text hangs.
            return self.points[0]
        if self.tool == "freehand":
            return polygon_centre(self.points)
        n = len(self.points)
        return (sum(p[0] for p in self.points) / n, sum(p[1] for p in self.points) / n)

    @property
    def target_patient(self) -> PatientPoint | None:
        """``target`` in patient millimetres, or None without a frame of reference."""
        if self.patient_points is None:
            return None
        if self.tool == "arrow":
            return self.patient_points[0]
        n = len(self.patient_points)
        weights = corner_weights(self.points) if self.tool == "freehand" else [1 / n] * n
        x, y, z = (sum(w * p[i] for w, p in zip(weights, self.patient_points, strict=True)) for i in range(3))
        return (x, y, z)

    def radius(self, *, spacing: tuple[float, float] = (1.0, 1.0)) -> float:
        """Radius of the circle with the mark's area (0 for tools without an area); ``spacing`` as PixelSpacing."""
        if self.tool in REGION_TOOLS:
            return math.sqrt(self.area() * spacing[0] * spacing[1] / math.pi)
        if self.tool in ("length", "bidirectional"):
            (x0, y0), (x1, y1) = self.points[0], self.points[1]
            return math.hypot((x1 - x0) * spacing[1], (y1 - y0) * spacing[0]) / 2
        return 0.0

    def area(self) -> float:
        """Enclosed area in square pixels."""
        if self.tool == "ellipse":
            a, b, _ = ellipse_axes(self.points)
            return math.pi * a * b
        if self.tool in ("rectangle", "freehand"):
            return abs(signed_area(self.outline()))
        return 0.0

    def outline(self, *, segments: int = 64) -> tuple[Point, ...]:
        """The mark's border as a polygon; for tools without an area, its points."""
        if self.tool == "ellipse":
            a, b, angle = ellipse_axes(self.points)
            cx, cy = self.target
            cos, sin = math.cos(angle), math.sin(angle)
            steps = [2 * math.pi * i / segments for i in range(segments)]
            return tuple(
                (
                    cx + a * math.cos(t) * cos - b * math.sin(t) * sin,
                    cy + a * math.cos(t) * sin + b * math.sin(t) * cos,
                )
                for t in steps
            )
        if self.tool == "rectangle":
            # Corners come as top-left, top-right, bottom-left, bottom-right.
            p = self.points
            return (p[0], p[1], p[3], p[2])
        return self.points

    def encloses(self, point: Point) -> bool:
        """Whether ``point`` lies inside the mark's area (never for tools without one)."""
        if self.tool == "ellipse":
            a, b, angle = ellipse_axes(self.points)
            if a <= 0 or b <= 0:
                return False
            cx, cy = self.target
            dx, dy = point[0] - cx, point[1] - cy
            u = dx * math.cos(angle) + dy * math.sin(angle)
            v = -dx * math.sin(angle) + dy * math.cos(angle)
            return (u / a) ** 2 + (v / b) ** 2 <= 1.0
        if self.tool in REGION_TOOLS:
            return is_inside(point, self.outline())
        return False
