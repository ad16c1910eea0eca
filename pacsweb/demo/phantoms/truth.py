"""Truth measured from what was really painted: centre, radius, outline and extent of a coverage mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pacsweb.demo.phantoms.dicom import SeriesPlan, VolumeGeometry
from pacsweb.demo.phantoms.model import Lesion
from pacsweb.demo.phantoms.raster import Array


def outline(mask: Array, *, points: int = 28) -> tuple[tuple[float, float], ...]:
    """Return a closed polygon (column, row) round a mask, or () for an empty one.

    Star-shaped masks are followed from their centre; crescents, whose centre of mass may lie outside, are followed
    along both edges from one tip to the other.
    """
    rows, columns = np.nonzero(mask > 0.5)
    if len(rows) < 4:
        return ()
    cy, cx = rows.mean(), columns.mean()
    if mask[round(cy), round(cx)] > 0.5 and len(rows) > 0.45 * np.ptp(rows) * np.ptp(columns):
        angle = np.arctan2(rows - cy, columns - cx)
        radius = np.hypot(rows - cy, columns - cx)
        edges = np.linspace(-np.pi, np.pi, points + 1)
        polygon = []
        for low, high in zip(edges, edges[1:], strict=False):
            part = (angle >= low) & (angle < high)
            if part.any():
                middle, reach = (low + high) / 2, float(radius[part].max()) + 0.5
                polygon.append((round(cx + reach * np.cos(middle), 2), round(cy + reach * np.sin(middle), 2)))
        return tuple((float(x), float(y)) for x, y in polygon)
    # Crescent: sweep along the longer axis of the mask.
    swap = np.ptp(columns) > np.ptp(rows)
    along, across = (columns, rows) if swap else (rows, columns)
    steps = np.unique(np.linspace(along.min(), along.max(), points // 2).round().astype(int))
    low_edge, high_edge = [], []
    for at in steps:
        line = across[along == at]
        if len(line):
            low_edge.append((float(at), float(line.min()) - 0.5))
            high_edge.append((float(at), float(line.max()) + 0.5))
    loop = low_edge + high_edge[::-1]
    return tuple((a, b) if swap else (b, a) for a, b in loop)


def stack_lesion(
    plan: SeriesPlan,
    geometry: VolumeGeometry,
    coverage: Sequence[Array | None],
    *,
    label: str,
    kind: str,
    value: float | None = None,
) -> Lesion:
    """Return the truth of a finding from its coverage by slice; its image is the one where it is largest."""
    areas = [0.0 if mask is None else float((mask > 0.5).sum()) for mask in coverage]
    index = int(np.argmax(areas))
    mask = coverage[index]
    if mask is None or areas[index] == 0:
        raise ValueError(f"{label} does not show on any slice")
    rows, columns = np.nonzero(mask > 0.5)
    cy, cx = float(rows.mean()), float(columns.mean())
    if mask[round(cy), round(cx)] <= 0.5:
        nearest = int(np.argmin((rows - cy) ** 2 + (columns - cx) ** 2))
        cy, cx = float(rows[nearest]), float(columns[nearest])
    reach = float(np.hypot(rows - cy, columns - cx).max()) + 0.5
    position = geometry.position(index)
    return Lesion(
        label=label,
        kind=kind,
        sop_instance_uid=plan.instance_uid(index + 1),
        series_instance_uid=plan.series_uid,
        centre_px=(round(cx, 3), round(cy, 3)),
        radius_px=round(reach, 3),
        radius_mm=round(reach * geometry.pixel, 3),
        centre_mm=(
            round(position[0] + cx * geometry.pixel, 3),
            round(position[1] + cy * geometry.pixel, 3),
            round(position[2], 3),
        ),
        value=value,
        outline_px=outline(mask),
        extent=tuple(plan.instance_uid(i + 1) for i, area in enumerate(areas) if area > 0),
    )
