"""A measuring phantom: cylinders of exact density and beads at exact distances, to check tools that measure.

A water cylinder holds six density inserts on a ring and five beads on two axes. Every number that a length, ellipse or
probe tool should find is in :data:`INSERTS` and :data:`BEADS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pacsweb.demo.phantoms.dicom import (
    CT,
    CT_SCANNER,
    ExplicitVRLittleEndian,
    SeriesPlan,
    VolumeGeometry,
    ct_series,
    lesion_in_stack,
)
from pacsweb.demo.phantoms.model import PhantomStudy, Visit, seed_of
from pacsweb.demo.phantoms.raster import Canvas

#: label → (x mm, y mm, radius mm, HU)
INSERTS: dict[str, tuple[float, float, float, int]] = {
    "air": (60.0, 0.0, 14.0, -1000),
    "fat": (30.0, 51.9615, 14.0, -100),
    "soft tissue": (-30.0, 51.9615, 14.0, 50),
    "blood clot": (-60.0, 0.0, 14.0, 75),
    "contrast": (-30.0, -51.9615, 14.0, 300),
    "bone": (30.0, -51.9615, 14.0, 1000),
}

#: label → (x mm, y mm); neighbours on one axis are 25 mm apart, the far ones 50 mm
BEADS: dict[str, tuple[float, float]] = {
    "centre": (0.0, 0.0),
    "left": (25.0, 0.0),
    "right": (-25.0, 0.0),
    "posterior": (0.0, 25.0),
    "anterior": (0.0, -25.0),
}


@dataclass(frozen=True)
class RulerSize:
    matrix: int
    pixel: float
    slices: int
    spacing: float


SIZES = {"full": RulerSize(256, 1.0, 24, 5.0), "small": RulerSize(64, 4.0, 12, 5.0)}


def ruler(visit: Visit | None = None, *, size: str = "full", noise: float = 0.0) -> PhantomStudy:
    """Return the measuring phantom as one CT series; ``noise`` is a standard deviation in HU."""
    visit = visit or Visit(key=f"ruler-{size}", description="Measuring phantom")
    shape = SIZES[size]
    half = (shape.matrix - 1) / 2 * shape.pixel
    geometry = VolumeGeometry(
        (-half, -half, (shape.slices - 1) / 2 * shape.spacing), shape.pixel, shape.spacing, shape.spacing
    )
    plan = SeriesPlan(visit, 1, "CT", "Densities and distances", CT, CT_SCANNER, "", ExplicitVRLittleEndian)
    plan.extra["Laterality"] = ""
    canvas = Canvas(shape=(shape.matrix, shape.matrix), pixel=shape.pixel, origin=(-half, -half), fill=-1000)
    canvas.ellipse(0, centre=(0, 0), radii=(100, 100))
    for x, y, radius, value in INSERTS.values():
        canvas.ellipse(value, centre=(x, y), radii=(radius, radius))
    for x, y in BEADS.values():
        canvas.ellipse(1500, centre=(x, y), radii=(2, 2))
    rng = np.random.default_rng(seed_of(visit.key, "noise"))
    volume = np.repeat(canvas.image[None], shape.slices, axis=0)
    if noise:
        volume = volume + rng.normal(0, noise, volume.shape).astype(np.float32)
    series = ct_series(
        plan, np.rint(volume).astype(np.int16), geometry, windows=[("SOFT TISSUE", 40, 400)], kernel="STANDARD"
    )
    middle = geometry.position(shape.slices // 2)[2]
    lesions = [
        lesion_in_stack(
            plan, geometry, shape.slices, label=label, kind="insert", centre=(x, y, middle), radius=radius,
            value=value, half_height=1e6,
        )
        for label, (x, y, radius, value) in INSERTS.items()
    ]  # fmt: skip
    lesions += [
        lesion_in_stack(
            plan, geometry, shape.slices, label=label, kind="bead", centre=(x, y, middle), radius=2.0, value=1500,
            half_height=1e6,
        )
        for label, (x, y) in BEADS.items()
    ]  # fmt: skip
    return PhantomStudy(visit, (series,), tuple(lesions))
