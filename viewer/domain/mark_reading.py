"""Marks from JSON: what a page sent is not to be trusted, what was stored is ours."""

from __future__ import annotations

import math
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from viewer.domain.geometry import PatientPoint, Point
from viewer.domain.marks import POINT_COUNTS, TOOLS, VERDICTS, Mark, Measurement, Tool, Verdict

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
class ImageBounds:
    """What is known of an instance that marks may be placed on."""

    columns: int
    rows: int
    frames: int = 1
    series_instance_uid: str = ""


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
    """A mark from JSON that `Mark.to_json` wrote, its verdict included."""
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
