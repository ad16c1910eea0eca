"""Digital mammograms: cranio-caudal and oblique views of both breasts, with a mass or a cluster of calcifications."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pacsweb.demo.phantoms.chest_xray import film_lesion
from pacsweb.demo.phantoms.dicom import MG, MG_ROOM, JPEGLSLossless, Projection, SeriesPlan, radiograph
from pacsweb.demo.phantoms.model import Lesion, PhantomSeries, PhantomStudy, Visit, seed_of
from pacsweb.demo.phantoms.raster import (
    Array,
    Canvas,
    Point,
    bezier,
    ellipse_distance,
    power_noise,
    segment_distance,
    smooth_noise,
    smooth_union,
    step,
    upsample,
)


@dataclass(frozen=True)
class Breast:
    """Composition: ``density`` 0 (fatty) – 1 (extremely dense), size as a factor."""

    seed: str = "breast-a"
    density: float = 0.4
    scale: float = 1.0


@dataclass(frozen=True)
class BreastFinding:
    """kind ``mass``, ``calcifications`` or ``cyst``; side R/L; place = (depth from the chest wall, height) in mm; radius."""

    label: str
    kind: str
    side: str
    place: Point
    radius: float


SIZES = {"full": (1240, 1000, 0.17), "small": (100, 80, 2.1)}


def _view(
    breast: Breast, side: str, view: str, findings: tuple[BreastFinding, ...], size: str
) -> tuple[Array, dict[str, Array]]:
    """Return 12-bit values of one view, chest wall on the left (turned round for the right breast later)."""
    rows, columns, pixel = SIZES[size]
    seed = (breast.seed, side, view)
    rng = np.random.default_rng(seed_of(*seed))
    height = rows * pixel
    c = Canvas(shape=(rows, columns), pixel=pixel, origin=(0.0, -height / 2))
    x, y = (c.x + 0 * c.y).astype(np.float32), (c.y + 0 * c.x).astype(np.float32)
    k = breast.scale
    factor = 4 if size == "full" else 1
    small = (rows // factor, columns // factor)

    def field(exponent: float, low: float) -> Array:
        value = power_noise(rng, small, exponent=exponent, low=low)
        return upsample(value, (rows, columns)) if factor > 1 else value

    warp = (
        upsample(smooth_noise(rng, small, spacing=(pixel * factor, pixel * factor), scale=20.0), (rows, columns))
        if factor > 1
        else smooth_noise(rng, small, spacing=(pixel, pixel), scale=20.0)
    )
    if view == "CC":
        shape = ellipse_distance(x, y, centre=(0, 0), radii=(112 * k, 78 * k), power=2.15) + warp * 0.8
        nipple = (111.0 * k, 0.0)
    else:
        shape = ellipse_distance(x, y, centre=(0, 22), radii=(108 * k, 76 * k), power=2.1) + warp * 0.8
        flank = (x - (52 - (y + 105) * 0.10)).astype(np.float32)
        upper = np.maximum(flank, y - 10)
        shape = smooth_union(shape, np.maximum(upper, -y - 400).astype(np.float32), 34)
        nipple = (107.0 * k, 24.0)
    teat = ellipse_distance(x, y, centre=nipple, radii=(6, 5.5))
    shape = np.minimum(shape, teat).astype(np.float32)
    depth = np.clip(-shape, 0, None)
    thickness = np.sqrt(np.clip(depth * 2 * 14 - np.minimum(depth, 14) ** 2, 0, 14**2)) / 14
    fat = 0.30 * thickness
    # Glandular tissue: fractal clouds gathered in a cone behind the nipple.
    cloud = field(1.75, 3.0)
    fine = field(1.25, 10.0)
    cy = nipple[1]
    cone = np.exp(-(((x - nipple[0] * 0.52) / (42 * k)) ** 2) - ((y - cy * 0.9) / (36 * k + 0.16 * (110 - x))) ** 2)
    level = 0.9 - 1.5 * breast.density
    gland = np.clip(cone * 1.7 + 0.55 * cloud + 0.22 * fine - level - 0.2, 0, 2.2) * np.clip(depth / 9 - 0.45, 0, 1)
    # Fat lobules cut scalloped holes, ligaments draw arcs.
    lobules = np.clip(np.abs(field(1.5, 8.0)) * 1.3, 0, 1)
    gland = gland * (0.55 + 0.45 * lobules)
    ligaments = np.exp(-((field(1.5, 6.0) / 0.05) ** 2)) * np.clip(depth / 14, 0, 1) * 0.05
    # Ducts and vessels on half the resolution: they are soft anyway.
    half = 2 if size == "full" else 1
    fine_c = Canvas(shape=(rows // half, columns // half), pixel=pixel * half, origin=(0.0, -height / 2))
    lines = np.zeros(fine_c.shape, np.float32)

    def draw(path: list[Point], width: float, strength: float) -> None:
        xs, ys = [p[0] for p in path], [p[1] for p in path]
        part = fine_c.window(min(xs) - 3, max(xs) + 3, min(ys) - 3, max(ys) + 3)
        if part is None:
            return
        best = np.full(np.broadcast_shapes(part.x.shape, part.y.shape), np.inf, np.float32)
        for p, q in zip(path, path[1:], strict=False):
            np.minimum(best, segment_distance(part.x, part.y, p, q)[0], out=best)
        target = lines[part.rows, part.columns]
        np.copyto(target, np.maximum(target, np.exp(-((best / width) ** 2)) * strength))

    for _ in range(16):
        angle = rng.uniform(-0.85, 0.85)
        reach = rng.uniform(35, 80)
        end = (float(nipple[0] - reach * np.cos(angle)), float(nipple[1] + reach * np.sin(angle)))
        bend = (
            float(nipple[0] - reach * 0.5 * np.cos(angle * 0.6)),
            float(nipple[1] + reach * 0.5 * np.sin(angle * 0.6)),
        )
        draw(bezier([nipple, bend, end], 7), rng.uniform(0.5, 0.9), rng.uniform(0.02, 0.05))
    for _ in range(4):
        start = (float(rng.uniform(0, 12)), float(rng.uniform(-60, 60) * k))
        end = (float(rng.uniform(70, 100) * k), float(nipple[1] + rng.uniform(-30, 30)))
        draw(bezier([start, (float(rng.uniform(30, 60)), start[1] + rng.uniform(-25, 25)), end], 12), 1.0, 0.055)
    drawn = upsample(lines, (rows, columns)) if half > 1 else lines
    image = fat + 0.21 * gland + ligaments + drawn * (depth > 3)
    image += 0.09 * np.exp(-(((depth - 0.8) / 0.9) ** 2)) * (depth > 0)
    if view == "MLO":
        muscle = (x - (46 - (y + 105) * 0.40)).astype(np.float32) + warp * 1.5
        striae = 0.012 * np.sin((x * 0.55 + y * 0.9) * 0.9 + warp * 2)
        image += (0.30 + striae + 0.02 * fine) * step(muscle, 3.0) * np.clip(depth / 4, 0, 1)
    cover: dict[str, Array] = {}
    for finding in findings:
        if finding.side != side:
            continue
        px = finding.place[0]
        py = finding.place[1] + (14.0 if view == "MLO" else 0.0)
        own = np.random.default_rng(seed_of(*seed, finding.label))
        r = np.hypot(x - px, y - py)
        theta = np.arctan2(y - py, x - px)
        if finding.kind == "mass":
            wobble = 1 + 0.10 * np.sin(3 * theta + 1) + 0.08 * np.sin(5 * theta + 2) + 0.05 * np.sin(9 * theta)
            core = np.sqrt(np.clip(1 - (r / (finding.radius * wobble)) ** 2, 0, 1))
            far = finding.radius * 2.8
            part = c.window(px - far, px + far, py - far, py + far)
            image += 0.21 * core * (0.9 + 0.1 * cloud)
            if part is not None:
                spikes = np.zeros(np.broadcast_shapes(part.x.shape, part.y.shape), np.float32)
                for _ in range(26):
                    turn, long = own.uniform(-np.pi, np.pi), finding.radius * own.uniform(1.3, 2.6)
                    end = (float(px + long * np.cos(turn)), float(py + long * np.sin(turn)))
                    d, t = segment_distance(part.x, part.y, (px, py), end)
                    spikes = np.maximum(
                        spikes, np.exp(-((d / (0.8 - 0.5 * t)) ** 2)) * (1 - t) * own.uniform(0.06, 0.15)
                    )
                image[part.rows, part.columns] += spikes
            cover[finding.label] = step(r - finding.radius * 1.1, 0.3)
        elif finding.kind == "cyst":
            core = np.sqrt(np.clip(1 - (r / finding.radius) ** 2, 0, 1))
            image += 0.20 * core + 0.03 * step(r - finding.radius, 0.4)
            image -= 0.05 * np.exp(-(((r - finding.radius - 0.9) / 0.6) ** 2))
            cover[finding.label] = step(r - finding.radius, 0.3)
        else:
            for _ in range(26):
                dx, dy = own.normal(0, finding.radius * 0.42, 2)
                at = (float(px + dx * 0.75 + dy * 0.3), float(py + dy))
                span, turn = own.uniform(0.14, 0.5), own.uniform(0, 3.1)
                end = (at[0] + span * np.cos(turn) * 1.6, at[1] + span * np.sin(turn) * 1.6)
                part = c.window(at[0] - 2, at[0] + 2, at[1] - 2, at[1] + 2)
                if part is None:
                    continue
                d, _ = segment_distance(part.x, part.y, (float(at[0]), float(at[1])), (float(end[0]), float(end[1])))
                image[part.rows, part.columns] += own.uniform(0.35, 0.7) * np.exp(-((d / (0.10 + span * 0.32)) ** 2))
            cover[finding.label] = step(r - finding.radius, 0.3)
    noise = np.random.default_rng(seed_of(*seed, "quanta"))
    image += noise.normal(0, 0.006, image.shape).astype(np.float32) * (0.5 + thickness)
    tone = 1 - np.exp(-np.clip(image, 0, None) * 2.1)
    values = np.clip(40 + tone * 4000, 0, 4095)
    return values.astype(np.float32), cover


def mammography(
    visit: Visit | None = None,
    *,
    breast: Breast | None = None,
    findings: tuple[BreastFinding, ...] = (),
    size: str = "full",
    truth_view: str = "CC",
) -> PhantomStudy:
    """Return four views (R/L × CC/MLO), one series each; the truth lies on the ``truth_view`` of its side."""
    visit = visit or Visit(key=f"mammography-{size}", description="Screening mammography")
    breast = breast or Breast()
    pixel = SIZES[size][2]
    series = []
    lesions: list[Lesion] = []
    number = 0
    for view in ("CC", "MLO"):
        for side in ("R", "L"):
            number += 1
            plan = SeriesPlan(visit, number, "MG", f"{side} {view}", MG, MG_ROOM, "BREAST", JPEGLSLossless)
            values, cover = _view(breast, side, view, findings, size)
            if side == "R":
                values = values[:, ::-1]
                cover = {label: np.ascontiguousarray(mask[:, ::-1]) for label, mask in cover.items()}
            # PS3.3 C.7.6.1.1.1: towards the nipple or away from it, then lateral to medial, or downwards.
            medial = "L" if side == "R" else "R"
            orientation = ("P" if side == "R" else "A", medial if view == "CC" else "F")
            projection = Projection(
                view=view, orientation=orientation, pixel=pixel, window=(1900, 3000),
                anatomy=("76752008", "SCT", "Breast"), laterality=side, kvp=29, exposure_mas=80,
            )  # fmt: skip
            instance = radiograph(plan, 1, np.rint(values).astype(np.uint16), projection)
            series.append(PhantomSeries(plan.series_uid, number, "MG", plan.description, (instance,)))
            if view == truth_view:
                kinds = {one.label: one.kind for one in findings}
                lesions += [
                    film_lesion(plan, 1, pixel, mask, label=label, kind=kinds[label]) for label, mask in cover.items()
                ]
    return PhantomStudy(visit, tuple(series), tuple(lesions))
