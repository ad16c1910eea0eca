"""Head CT without contrast: normal, subdural, epidural and intracerebral haemorrhage, infarction."""

from __future__ import annotations

import numpy as np

from pacsweb.demo.phantoms.dicom import CT, CT_SCANNER, HTJ2KLossless, SeriesPlan, VolumeGeometry, ct_series
from pacsweb.demo.phantoms.head import HeadBody, HeadSize, head, signal
from pacsweb.demo.phantoms.head_findings import HeadFinding, covers, masks
from pacsweb.demo.phantoms.model import Lesion, PhantomStudy, Visit, seed_of
from pacsweb.demo.phantoms.raster import Array, NoiseBank, ellipse_distance, step
from pacsweb.demo.phantoms.truth import stack_lesion

SIZES = {"full": HeadSize(352, 0.65, 28, 4.2), "small": HeadSize(64, 3.6, 12, 10.5)}

HOUNSFIELD = {
    "air": -1000, "skin": 25, "fat": -90, "muscle": 55, "cortical bone": 1250, "marrow": 520, "csf": 7, "grey": 37,
    "white": 28, "deep grey": 39, "vessel": 52, "dura": 55, "vitreous": 9, "mucosa": 35, "nerve": 35,
}  # fmt: skip

_BLOOD = {"subdural": 68.0, "epidural": 70.0, "haematoma": 72.0}


def head_ct_volume(
    body: HeadBody, findings: tuple[HeadFinding, ...] = (), *, size: str = "full", noise: float = 4.2
) -> tuple[Array, dict[str, list[Array | None]]]:
    """Return Hounsfield units[slice, row, column] and each finding's coverage by slice."""
    shape = SIZES[size]
    slices = head(body, shape)
    rng = np.random.default_rng(seed_of(body.seed, "quanta"))
    bank = NoiseBank(rng, (shape.matrix, shape.matrix), wavelength=3.0)
    found: dict[str, list[Array | None]] = {finding.label: [] for finding in findings}
    images = []
    for one in slices:
        image = signal(one, {name: float(value) for name, value in HOUNSFIELD.items()})
        for finding in findings:
            part = masks(finding, one)
            found[finding.label].append(None if part is None else covers(part))
            if part is None:
                continue
            if finding.kind == "infarct":
                brain = (image > 14) & (image < 50)
                image += part.core * brain * (22.5 - image) * 0.9
            else:
                image += part.oedema * np.minimum(18 - image, 0) * (image < 60)
                # Clot settles: a little paler in the middle and to the front.
                image += part.core * (_BLOOD.get(finding.kind, 60.0) - image)
        inside = step(one.brain, 2.0)
        c = one.canvas
        # Beam hardening under the vault and between the petrous bones.
        image += 3.0 * inside * np.exp(-((one.brain / 7) ** 2))
        if 100 < one.s < 122:
            dark = np.exp(-(((c.y - 2) / 9) ** 2)) * np.exp(-((c.x / 42) ** 2))
            image -= 9 * dark.astype(np.float32) * inside
        holder = ellipse_distance(c.x, c.y, centre=(0, 6), radii=(104, 112), power=2.3)
        ring = step(np.abs(holder) - 1.6, 1.2) * (c.y > 30)
        np.copyto(image, np.where((image < -900) & (ring > 0), -1000 + ring * 620, image))
        image += noise * (0.30 + 0.45 * (image > -900) + 0.35 * inside) * bank.next()
        images.append(image)
    return np.stack(images), found


def head_ct(
    visit: Visit | None = None,
    *,
    body: HeadBody | None = None,
    findings: tuple[HeadFinding, ...] = (),
    size: str = "full",
    noise: float = 4.2,
    description: str = "Head 4.2 H31s",
) -> PhantomStudy:
    """Return a head CT study with its truth."""
    visit = visit or Visit(key=f"head-ct-{size}", description="CT head without contrast")
    shape = SIZES[size]
    half = (shape.matrix - 1) / 2 * shape.pixel
    geometry = VolumeGeometry((-half, -half, 1650.0 - shape.top), shape.pixel, shape.spacing, shape.spacing)
    plan = SeriesPlan(visit, 2, "CT", description, CT, CT_SCANNER, "HEAD", HTJ2KLossless)
    volume, found = head_ct_volume(body or HeadBody(), findings, size=size, noise=noise)
    series = ct_series(
        plan,
        np.rint(volume).astype(np.int16),
        geometry,
        windows=[("BRAIN", 40, 80), ("INTERMEDIATE", 70, 200), ("BONE", 600, 2800)],
        kernel="H31s",
    )
    lesions: list[Lesion] = [
        stack_lesion(
            plan,
            geometry,
            found[finding.label],
            label=finding.label,
            kind=finding.kind,
            value=_BLOOD.get(finding.kind, 22.5),
        )
        for finding in findings
    ]
    return PhantomStudy(visit, (series,), tuple(lesions))
