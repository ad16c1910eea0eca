"""Points and shapes on an image, and where a frame lies in the patient."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Point = tuple[float, float]
PatientPoint = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class ImagePlane:
    """Where a frame lies in the patient (PS3.3 C.7.6.2).

    ``orientation`` holds the row direction and then the column direction; ``spacing`` is PixelSpacing as stored:
    the distance between rows first, then between columns, in millimetres.
    """

    position: PatientPoint
    orientation: tuple[float, float, float, float, float, float]
    spacing: tuple[float, float]

    def to_patient(self, point: Point) -> PatientPoint:
        """Image ``(column, row)`` → patient millimetres."""
        column, row = point[0] * self.spacing[1], point[1] * self.spacing[0]
        o, p = self.orientation, self.position
        return (
            p[0] + o[0] * column + o[3] * row,
            p[1] + o[1] * column + o[4] * row,
            p[2] + o[2] * column + o[5] * row,
        )

    def to_image(self, point: PatientPoint) -> Point:
        """Patient millimetres → image ``(column, row)``, projected along the normal of the plane."""
        o = self.orientation
        d = (point[0] - self.position[0], point[1] - self.position[1], point[2] - self.position[2])
        return (
            (d[0] * o[0] + d[1] * o[1] + d[2] * o[2]) / self.spacing[1],
            (d[0] * o[3] + d[1] * o[4] + d[2] * o[5]) / self.spacing[0],
        )


def signed_area(polygon: Sequence[Point]) -> float:
    """The area of a polygon in square pixels; its sign tells which way round the polygon is drawn."""
    pairs = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs) / 2


def corner_weights(polygon: Sequence[Point]) -> list[float]:
    """How much each corner counts for the centre of a polygon's area; all alike, when it has none.

    The weights hold for the same corners in any other coordinates that follow from these by an affine map, such as the
    patient's.
    """
    n = len(polygon)
    # A fan of triangles from the first corner; each has its centre at a third of its three corners.
    first = polygon[0]
    local = [(x - first[0], y - first[1]) for x, y in polygon]
    triangles = [(x0 * y1 - x1 * y0) / 2 for (x0, y0), (x1, y1) in zip(local[1:], local[2:], strict=False)]
    area = sum(triangles)
    if abs(area) < 1e-9:
        return [1 / n] * n
    weights = [0.0] * n
    for number, triangle in enumerate(triangles, start=1):
        for corner in (0, number, number + 1):
            weights[corner] += triangle / (3 * area)
    return weights


def polygon_centre(polygon: Sequence[Point]) -> Point:
    """The centre of a polygon's area; of its corners, when it has none."""
    weights = corner_weights(polygon)
    return (
        sum(weight * x for weight, (x, _y) in zip(weights, polygon, strict=True)),
        sum(weight * y for weight, (_x, y) in zip(weights, polygon, strict=True)),
    )


def ellipse_axes(points: Sequence[Point]) -> tuple[float, float, float]:
    """Half axes and rotation of an ellipse given by the ends of one axis, then the ends of the other."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    first = math.hypot(bx - ax, by - ay) / 2
    second = math.hypot(dx - cx, dy - cy) / 2
    return first, second, math.atan2(by - ay, bx - ax)


def is_inside(point: Point, polygon: Sequence[Point]) -> bool:
    """Whether a point lies in a polygon, whichever way round that is drawn."""
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside
