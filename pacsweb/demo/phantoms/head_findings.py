"""What can be wrong in the head phantom: shapes of haemorrhages, infarcts, metastases and plaques."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pacsweb.demo.phantoms.head import INDEX, HeadSlice
from pacsweb.demo.phantoms.model import seed_of
from pacsweb.demo.phantoms.raster import Array, Point3, step


@dataclass(frozen=True)
class HeadFinding:
    """One finding.

    kind: ``subdural``, ``epidural``, ``haematoma``, ``infarct``, ``metastasis`` or ``plaque``;
    place: (x, y, s) in mm, x to the patient's left, y to the back, s below the vertex. Blood collections under the
        skull take only the direction of x, y (from the midline) and their level from it;
    size: radii in mm: (in the plane, along the other axis, vertical); for collections (thickness, length, height).
    """

    label: str
    kind: str
    place: Point3
    size: Point3
    angle: float = 0.0
    oedema: float = 0.0
    enhancing: bool = False


@dataclass(frozen=True)
class Masks:
    """Coverage of the parts of a finding in one slice, 0–1."""

    core: Array
    rim: Array
    oedema: Array


def masks(finding: HeadFinding, one: HeadSlice) -> Masks | None:
    """Return the masks of a finding at one level, or None where it does not reach."""
    c = one.canvas
    px, py, ps = finding.place
    a, b, height = finding.size
    reach = height + finding.oedema * 1.2 + 2
    if abs(one.s - ps) > reach:
        return None
    x, y = c.x + 0 * c.y, c.y + 0 * c.x
    inside = step(one.brain + 0.6, 1.0)
    zero = np.zeros_like(inside)
    vertical = float(np.sqrt(max(1 - ((one.s - ps) / height) ** 2, 0.0))) if height else 0.0
    rng = np.random.default_rng(seed_of("head-finding", finding.label, finding.kind))
    phase = rng.uniform(0, 6.28, 6)
    if finding.kind == "subdural":
        if not vertical:
            return None
        angle = np.arctan2(y, x)
        turn = np.arctan2(py, px)
        apart = np.angle(np.exp(1j * (angle - turn))) * 80
        profile = np.clip(1 - (apart / b) ** 2, 0, 1) ** 0.6
        thick = a * profile * vertical * (1 + 0.12 * np.sin(angle * 7 + phase[0]))
        depth = -one.brain + 1.6
        core = step(np.maximum(depth - thick, -depth), 1.3) * (thick > 0.6)
        # It never crosses the falx.
        core = core * step(-np.sign(px) * (x - np.sign(px) * 2.0), 1.0)
        return Masks(core.astype(np.float32), zero, zero)
    if finding.kind == "epidural":
        if not vertical:
            return None
        turn = np.arctan2(py, px)
        # Find the inner table in this direction, then bulge inwards from it.
        ray = np.linspace(20, 110, 181)
        col = np.clip(np.rint((ray * np.cos(turn) - c.origin[0]) / c.pixel).astype(int), 0, c.shape[1] - 1)
        row = np.clip(np.rint((ray * np.sin(turn) - c.origin[1]) / c.pixel).astype(int), 0, c.shape[0] - 1)
        edge = float(ray[np.argmax(one.brain[row, col] > -1.4)])
        u = x * np.cos(turn) + y * np.sin(turn)
        v = -x * np.sin(turn) + y * np.cos(turn)
        lens = np.sqrt(((u - edge) / (a * vertical + 0.1)) ** 2 + (v / (b * vertical + 0.1)) ** 2)
        core = step((lens - 1) * min(a, b) * vertical, 1.3) * step(one.brain - 1.5, 1.0)
        return Masks(core.astype(np.float32), zero, zero)
    ca, sa = np.cos(finding.angle), np.sin(finding.angle)
    u = (x - px) * ca + (y - py) * sa
    v = -(x - px) * sa + (y - py) * ca
    dz = (one.s - ps) / height
    theta = np.arctan2(v, u)
    wobble = 1 + 0.07 * np.sin(3 * theta + phase[0]) + 0.05 * np.sin(5 * theta + phase[1] + dz)
    if finding.kind == "infarct":
        wobble = 1 + 0.10 * np.sin(3 * theta + phase[0]) + 0.07 * np.sin(7 * theta + phase[1])
    radius = np.sqrt((u / a) ** 2 + (v / b) ** 2 + dz * dz) / wobble
    scale = min(a, b)
    core = step((radius - 1) * scale, 1.4 if finding.kind != "infarct" else 5.0) * inside
    # Nothing of the brain's disease fills its CSF spaces.
    tissue = 1 - one.fractions[INDEX["csf"]] - one.fractions[INDEX["dura"]] * 0.5
    if finding.kind in ("infarct", "plaque"):
        core = core * np.clip(tissue, 0, 1)
    rim = zero
    if finding.kind == "metastasis":
        rim = step(np.abs((radius - 0.82) * scale) - max(scale * 0.16, 1.0), 1.2) * inside
    oedema = zero
    if finding.oedema:
        white = one.fractions[INDEX["white"]]
        fingers = 1 + 0.25 * np.sin(4 * theta + phase[2]) + 0.18 * np.sin(7 * theta + phase[3])
        far = np.sqrt(u * u + v * v + ((one.s - ps) * 1.1) ** 2) - scale
        oedema = step(far - finding.oedema * fingers, 5.0) * np.clip(white * 1.25 + 0.1 * tissue, 0, 1) * inside
        oedema = oedema * (1 - core)
    return Masks(core.astype(np.float32), rim.astype(np.float32), oedema.astype(np.float32))


def covers(found: Masks) -> Array:
    """Return the part of a finding that a reader should mark (without its oedema)."""
    return np.maximum(found.core, found.rim)
