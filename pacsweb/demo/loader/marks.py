"""From a phantom's truth, or a simulated reader's opinion, to marks of the viewer."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable

from pacsweb.demo.phantoms import Lesion
from pacsweb.demo.phantoms.model import NAMESPACE
from viewer.domain.geometry import PatientPoint, Point
from viewer.domain.marks import Mark

MapUid = Callable[[str], str]


def mark_id(*parts: object) -> str:
    return str(uuid.uuid5(NAMESPACE, "/".join(map(str, ("mark", *parts)))))


def _patient(lesion: Lesion, points: tuple[Point, ...]) -> tuple[PatientPoint, ...] | None:
    """Axial stacks only, which is what the phantoms with a frame of reference are."""
    if lesion.centre_mm is None:
        return None
    spacing = lesion.radius_mm / lesion.radius_px
    x, y, z = lesion.centre_mm
    return tuple(
        (round(x + (p[0] - lesion.centre_px[0]) * spacing, 3), round(y + (p[1] - lesion.centre_px[1]) * spacing, 3), z)
        for p in points
    )


def truth_mark(lesion: Lesion, *, key: str, new_uid: MapUid, frame_of_reference: str) -> Mark:
    """Return the lesion as the educator would draw it: its outline where it has one, else an ellipse round it."""
    if lesion.outline_px:
        tool, points = "freehand", lesion.outline_px
    else:
        (x, y), r = lesion.centre_px, max(lesion.radius_px, 1.5)
        tool, points = "ellipse", ((x - r, y), (x + r, y), (x, y - r), (x, y + r))
    patient = _patient(lesion, points)
    return Mark(
        id=mark_id("truth", key, lesion.label),
        tool=tool,  # type: ignore[arg-type]
        series_instance_uid=new_uid(lesion.series_instance_uid),
        sop_instance_uid=new_uid(lesion.sop_instance_uid),
        frame=lesion.frame,
        points=points,
        patient_points=patient,
        frame_of_reference_uid=new_uid(frame_of_reference) if patient else None,
        label=lesion.label,
    )


def reader_mark(truth: Mark, *, key: str, group: str, offset_px: Point, confidence: float) -> Mark:
    """Return a probe mark near (or, with a large offset, away from) a true lesion on the same image."""
    x, y = truth.target
    point = (round(x + offset_px[0], 2), round(y + offset_px[1], 2))
    patient: tuple[PatientPoint, ...] | None = None
    if truth.patient_points is not None and truth.target_patient is not None:
        spacing = _spacing(truth, truth.patient_points)
        px, py, pz = truth.target_patient
        patient = ((round(px + offset_px[0] * spacing, 3), round(py + offset_px[1] * spacing, 3), pz),)
    return Mark(
        id=mark_id("reader", key),
        tool="probe",
        series_instance_uid=truth.series_instance_uid,
        sop_instance_uid=truth.sop_instance_uid,
        frame=truth.frame,
        points=(point,),
        patient_points=patient,
        frame_of_reference_uid=truth.frame_of_reference_uid if patient else None,
        confidence=confidence,
        group=group,
    )


def _spacing(mark: Mark, places: tuple[PatientPoint, ...]) -> float:
    """Return millimetres a pixel, from the two points of a mark that lie farthest apart."""
    a, b = max(
        ((i, j) for i in range(len(mark.points)) for j in range(i)),
        key=lambda pair: math.dist(mark.points[pair[0]], mark.points[pair[1]]),
    )
    return math.dist(places[a], places[b]) / math.dist(mark.points[a], mark.points[b])
