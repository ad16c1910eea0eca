"""Marks on images: measurements, regions and pointers in image terms, independent of any drawing library.

A mark belongs to one frame of one instance. Its points are image coordinates ``(column, row)`` in pixels with
``(0, 0)`` at the *centre* of the top-left pixel, so the image covers ``-0.5 … columns - 0.5``. When the frame has a
frame of reference, the same points are also kept in patient millimetres (PS3.3 C.7.6.2.1.1).
"""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

Tool = Literal["length", "ellipse", "rectangle", "freehand", "probe", "arrow", "angle", "bidirectional"]
Verdict = Literal["hit", "miss", "false"]
Point = tuple[float, float]
PatientPoint = tuple[float, float, float]

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

MAX_MARKS: Final = 500
MAX_LABEL: Final = 200
MAX_MEASUREMENTS: Final = 24
MAX_GROUP: Final = 100
#: A handle may be dragged this many pixels beyond the edge before the mark is refused.
EDGE_TOLERANCE: Final = 0.5
MAX_MILLIMETRES: Final = 1.0e5
MAX_VALUE: Final = 1.0e12

_UID: Final = re.compile(r"[0-9.]{1,64}\Z")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


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


@dataclass(frozen=True, kw_only=True)
class ImageBounds:
    """What is known of an instance that marks may be placed on."""

    columns: int
    rows: int
    frames: int = 1
    series_instance_uid: str = ""


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
            return _polygon_centre(self.points)
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
        x, y, z = (sum(p[i] for p in self.patient_points) / n for i in range(3))
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
            a, b, _ = _ellipse_axes(self.points)
            return math.pi * a * b
        if self.tool in ("rectangle", "freehand"):
            return abs(_signed_area(self.outline()))
        return 0.0

    def outline(self, *, segments: int = 64) -> tuple[Point, ...]:
        """The mark's border as a polygon; for tools without an area, its points."""
        if self.tool == "ellipse":
            a, b, angle = _ellipse_axes(self.points)
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
            a, b, angle = _ellipse_axes(self.points)
            if a <= 0 or b <= 0:
                return False
            cx, cy = self.target
            dx, dy = point[0] - cx, point[1] - cy
            u = dx * math.cos(angle) + dy * math.sin(angle)
            v = -dx * math.sin(angle) + dy * math.cos(angle)
            return (u / a) ** 2 + (v / b) ** 2 <= 1.0
        if self.tool in REGION_TOOLS:
            return _inside(point, self.outline())
        return False


class MarkError(ValueError):
    """Marks that cannot be accepted; ``errors`` lists ``{index, field, message}`` for every fault found."""

    def __init__(self, errors: Sequence[Mapping[str, Any]]) -> None:
        self.errors: list[dict[str, Any]] = [dict(e) for e in errors]
        super().__init__("; ".join(f"marks[{e['index']}].{e['field']}: {e['message']}" for e in self.errors))


class _Fault(Exception):
    def __init__(self, field_name: str, message: str) -> None:
        super().__init__(message)
        self.field = field_name
        self.message = message


def parse_marks(
    payload: object,
    *,
    bounds: Mapping[str, ImageBounds] | None = None,
    limit: int = MAX_MARKS,
    tools: Sequence[str] = TOOLS,
    confidence: tuple[float, float] | None = None,
) -> tuple[Mark, ...]:
    """Marks from untrusted JSON (a list of objects).

    :param bounds: SOP Instance UID → size. When given, a mark on any other instance is refused.
    :param confidence: least and greatest confidence; any finite number passes when None.
    :raises MarkError: with every fault found, at most one a mark.

    ``verdict`` is the server's word and is dropped from what comes in.
    """
    if not isinstance(payload, list):
        raise MarkError([{"index": 0, "field": "marks", "message": "A list of marks was expected."}])
    if len(payload) > limit:
        raise MarkError([{"index": limit, "field": "marks", "message": f"More than {limit} marks."}])
    marks: list[Mark] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    for index, item in enumerate(payload):
        try:
            mark = _parse_mark(item, bounds=bounds, tools=tools, confidence=confidence)
            if mark.id in seen:
                raise _Fault("id", "Two marks have the same id.")
            seen.add(mark.id)
            marks.append(mark)
        except _Fault as fault:
            errors.append({"index": index, "field": fault.field, "message": fault.message})
    if errors:
        raise MarkError(errors)
    return tuple(marks)


def stored_mark(item: Mapping[str, Any]) -> Mark:
    """A mark from JSON this module wrote, its verdict included."""
    mark = _parse_mark(dict(item), bounds=None, tools=TOOLS, confidence=None)
    verdict = item.get("verdict")
    return mark.judged(verdict=cast("Verdict", verdict)) if verdict in VERDICTS else mark


def _parse_mark(
    item: object,
    *,
    bounds: Mapping[str, ImageBounds] | None,
    tools: Sequence[str],
    confidence: tuple[float, float] | None,
) -> Mark:
    if not isinstance(item, dict):
        raise _Fault("mark", "An object was expected.")
    tool = item.get("tool")
    if not isinstance(tool, str) or tool not in POINT_COUNTS:
        raise _Fault("tool", "Unknown tool.")
    if tool not in tools:
        raise _Fault("tool", "This tool is not allowed here.")
    sop = _uid(item, "sop_instance_uid")
    series = _uid(item, "series_instance_uid")
    frame = item.get("frame", 1)
    if isinstance(frame, bool) or not isinstance(frame, int) or not 1 <= frame <= 1_000_000:
        raise _Fault("frame", "A frame number from 1 was expected.")
    points = cast("tuple[Point, ...]", _points(item.get("points"), name="points", size=2, limit=1.0e6))
    least, greatest = POINT_COUNTS[tool]
    if not least <= len(points) <= greatest:
        raise _Fault("points", f"{tool} needs {least if least == greatest else f'{least} to {greatest}'} points.")
    if bounds is not None:
        _check_bounds(bounds, sop=sop, series=series, frame=frame, points=points)
    patient: tuple[PatientPoint, ...] | None = None
    frame_of_reference: str | None = None
    if item.get("patient_points") is not None:
        patient = cast(
            "tuple[PatientPoint, ...]",
            _points(item["patient_points"], name="patient_points", size=3, limit=MAX_MILLIMETRES),
        )
        if len(patient) != len(points):
            raise _Fault("patient_points", "Each point needs its patient coordinates.")
        frame_of_reference = _uid(item, "frame_of_reference_uid")
    return Mark(
        id=_identifier(item.get("id")),
        tool=cast("Tool", tool),
        series_instance_uid=series,
        sop_instance_uid=sop,
        frame=frame,
        points=points,
        patient_points=patient,
        frame_of_reference_uid=frame_of_reference,
        label=_text(item, "label", MAX_LABEL),
        confidence=_confidence(item.get("confidence"), span=confidence),
        group=_text(item, "group", MAX_GROUP),
        measurements=_measurements(item.get("measurements")),
    )


def _check_bounds(
    bounds: Mapping[str, ImageBounds], *, sop: str, series: str, frame: int, points: Sequence[Point]
) -> None:
    image = bounds.get(sop)
    if image is None or (image.series_instance_uid and image.series_instance_uid != series):
        raise _Fault("sop_instance_uid", "The image does not belong to what is shown.")
    if frame > image.frames:
        raise _Fault("frame", f"The image has {image.frames} frames.")
    edge = EDGE_TOLERANCE + 0.5
    for column, row in points:
        if not (-edge <= column <= image.columns - 1 + edge and -edge <= row <= image.rows - 1 + edge):
            raise _Fault("points", "A point lies outside the image.")


def _identifier(value: object) -> str:
    if not isinstance(value, str):
        raise _Fault("id", "An id (UUID) was expected.")
    try:
        return str(uuid.UUID(value))
    except ValueError:
        raise _Fault("id", "An id (UUID) was expected.") from None


def _uid(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not _UID.match(value):
        raise _Fault(name, "A DICOM UID was expected.")
    return value


def _text(item: Mapping[str, Any], name: str, limit: int) -> str:
    value = item.get(name) or ""
    if not isinstance(value, str):
        raise _Fault(name, "Text was expected.")
    # PostgreSQL's text cannot hold NUL, and lone surrogates cannot be encoded.
    value = "".join(c for c in value if c >= " " and not "\ud800" <= c <= "\udfff").strip()
    if len(value) > limit:
        raise _Fault(name, f"At most {limit} characters.")
    return value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _points(value: object, *, name: str, size: int, limit: float) -> tuple[tuple[float, ...], ...]:
    if not isinstance(value, list) or not value:
        raise _Fault(name, "A list of points was expected.")
    if len(value) > POINT_COUNTS["freehand"][1]:
        raise _Fault(name, "Too many points.")
    result: list[tuple[float, ...]] = []
    for point in value:
        if not isinstance(point, (list, tuple)) or len(point) != size:
            raise _Fault(name, f"A point needs {size} numbers.")
        numbers = [_number(v) for v in point]
        if any(n is None or abs(n) > limit for n in numbers):
            raise _Fault(name, "A coordinate is not a usable number.")
        result.append(tuple(cast("list[float]", numbers)))
    return tuple(result)


def _confidence(value: object, *, span: tuple[float, float] | None) -> float | None:
    if value is None or value == "":
        return None
    number = _number(value)
    if number is None:
        raise _Fault("confidence", "A number was expected.")
    if span is not None and not span[0] <= number <= span[1]:
        raise _Fault("confidence", f"Confidence goes from {span[0]:g} to {span[1]:g}.")
    return number


def _measurements(value: object) -> tuple[Measurement, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > MAX_MEASUREMENTS:
        raise _Fault("measurements", "A short list of measurements was expected.")
    result: list[Measurement] = []
    for item in value:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(name, str) or not _NAME.match(name):
            raise _Fault("measurements", "A measurement needs a name.")
        number = _number(item.get("value"))
        if number is None or abs(number) > MAX_VALUE:
            raise _Fault("measurements", "A measurement needs a finite value.")
        result.append(Measurement(name=name, value=number, unit=_text(item, "unit", 16)))
    return tuple(result)


def _signed_area(polygon: Sequence[Point]) -> float:
    pairs = zip(polygon, (*polygon[1:], polygon[0]), strict=True)
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairs) / 2


def _polygon_centre(polygon: Sequence[Point]) -> Point:
    area = _signed_area(polygon)
    n = len(polygon)
    mean = (sum(p[0] for p in polygon) / n, sum(p[1] for p in polygon) / n)
    if abs(area) < 1e-9:
        return mean
    # Relative to the mean of the points: keeps precision for small shapes far from the origin.
    local = [(x - mean[0], y - mean[1]) for x, y in polygon]
    cx = cy = 0.0
    for (x0, y0), (x1, y1) in zip(local, (*local[1:], local[0]), strict=True):
        cross = x0 * y1 - x1 * y0
        cx += (x0 + x1) * cross
        cy += (y0 + y1) * cross
    return (mean[0] + cx / (6 * area), mean[1] + cy / (6 * area))


def _ellipse_axes(points: Sequence[Point]) -> tuple[float, float, float]:
    """Half axes and rotation of an ellipse given by the ends of one axis, then the ends of the other."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
    first = math.hypot(bx - ax, by - ay) / 2
    second = math.hypot(dx - cx, dy - cy) / 2
    return first, second, math.atan2(by - ay, bx - ax)


def _inside(point: Point, polygon: Sequence[Point]) -> bool:
    x, y = point
    inside = False
    for (x0, y0), (x1, y1) in zip(polygon, (*polygon[1:], polygon[0]), strict=True):
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside
