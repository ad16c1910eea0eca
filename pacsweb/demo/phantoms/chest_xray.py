"""A frontal chest radiograph drawn as thickness along the beam: soft tissue, lungs, heart, vessels, ribs, clavicles.

Everything adds to one map of attenuation; the picture is that map after detector blur, quantum noise and the mild
edge enhancement of a digital system. x runs to the patient's left (right of the image), v downwards from the apices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pacsweb.demo.phantoms.dicom import (
    CR,
    CR_READER,
    DX,
    DX_ROOM,
    JPEGLSLossless,
    Projection,
    SeriesPlan,
    radiograph,
)
from pacsweb.demo.phantoms.model import Lesion, PhantomSeries, PhantomStudy, Visit, seed_of
from pacsweb.demo.phantoms.raster import (
    Array,
    Canvas,
    Point,
    band_noise,
    bezier,
    blur,
    curve,
    ellipse_distance,
    power_noise,
    segment_distance,
    smooth_noise,
    smooth_union,
    step,
    upsample,
)
from pacsweb.demo.phantoms.truth import outline as mask_outline


@dataclass(frozen=True)
class ChestFilm:
    """The patient in front of the detector."""

    seed: str = "film-a"
    heart: float = 1.0
    female: bool = False
    child: bool = False
    lines: bool = False
    hyperinflated: bool = False


@dataclass(frozen=True)
class FilmFinding:
    """kind: ``nodule``, ``pneumonia``, ``pneumothorax`` or ``effusion``; place (x, v) mm; size (radii in mm).

    A pneumothorax takes the side from place and its width at the apex from ``size[0]``; an effusion takes the side from
    place and its height from ``size[1]``.
    """

    label: str
    kind: str
    place: Point
    size: Point


SIZES = {"full": (1840, 1760, 0.2), "small": (116, 112, 3.2)}
TOP = -66.0


def _right_lung() -> list[Point]:
    return [
        *bezier([(-30, -8), (-62, -14), (-104, 22), (-124, 110), (-132, 190), (-134, 250)], 28),
        (-134.0, 252.0), (-118.0, 238.0), (-92.0, 222.0), (-66.0, 214.0), (-44.0, 218.0), (-26.0, 226.0), (-22.0, 200.0),
        (-28.0, 150.0), (-30.0, 120.0), (-20.0, 80.0), (-22.0, 40.0), (-20.0, 10.0),
    ]  # fmt: skip


def _left_lung() -> list[Point]:
    return [
        *bezier([(28, -8), (62, -14), (104, 22), (124, 110), (134, 195), (134, 256)], 28),
        (134.0, 258.0), (118.0, 246.0), (96.0, 232.0), (74.0, 226.0), (50.0, 230.0), (30.0, 236.0), (18.0, 200.0),
        (14.0, 120.0), (18.0, 60.0), (20.0, 10.0),
    ]  # fmt: skip


def _polygon_distance(x: Array, y: Array, points: list[Point]) -> Array:
    """Return the signed distance to a closed polygon; negative inside."""
    best = np.full(np.broadcast_shapes(x.shape, y.shape), np.inf, np.float32)
    inside = np.zeros(best.shape, bool)
    for p, q in zip(points, points[1:] + points[:1], strict=True):
        np.minimum(best, segment_distance(x, y, p, q)[0], out=best)
        crosses = (p[1] > y) != (q[1] > y)
        if p[1] != q[1]:
            at = (q[0] - p[0]) * (y - p[1]) / (q[1] - p[1]) + p[0]
            inside ^= crosses & (x < at)
    return np.where(inside, -best, best)


def _coarse(shape: tuple[int, int], pixel: float, factor: int) -> Canvas:
    rows, columns = -(-shape[0] // factor), -(-shape[1] // factor)
    width = shape[1] * pixel
    return Canvas(shape=(rows, columns), pixel=(width / columns, shape[0] * pixel / rows), origin=(-width / 2, TOP))


@dataclass(frozen=True)
class _Film:
    attenuation: Array
    lung: Array
    left: Array
    right: Array


def _rib_paths(side: int, child: bool) -> list[tuple[list[Point], list[Point]]]:
    """Return posterior and anterior arcs of the ribs of one side, in millimetres."""
    paths = []
    for rib in range(1, 11):
        v = -24 + 23.2 * (rib - 1)
        reach = curve(rib, (1, 2, 4, 7, 10), (52, 84, 112, 130, 134))
        drop = curve(rib, (1, 3, 7, 10), (12, 22, 46, 62))
        posterior = bezier(
            [(side * 12.0, v + 2), (side * reach * 0.45, v - 12 - drop * 0.1), (side * reach * 0.98, v + drop * 0.2),
             (side * reach * 1.03, v + drop)], 26,
        )  # fmt: skip
        end = curve(rib, (1, 2, 5, 7, 10), (26, 40, 66, 84, 112))
        fall = curve(rib, (1, 2, 4, 7, 10), (22, 44, 72, 78, 52))
        anterior = bezier(
            [(side * reach * 1.03, v + drop), (side * reach * 1.02, v + drop + fall * 0.7),
             (side * (end + 26), v + drop + fall * 1.0), (side * end, v + drop + fall * 0.92)], 24,
        )  # fmt: skip
        paths.append((posterior, anterior))
    return paths


def _band(canvas: Canvas, points: list[Point], width: float, *, hollow: float, flat: float, fade: float = 1.0) -> None:
    """Add a long bone: a flat tube whose dense shell shows as two bright edges; ``fade`` scales its far end."""
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    part = canvas.window(min(xs) - width, max(xs) + width, min(ys) - width, max(ys) + width)
    if part is None:
        return
    shape = np.broadcast_shapes(part.x.shape, part.y.shape)
    best, along = np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32)
    count = len(points) - 1
    for index, (p, q) in enumerate(zip(points, points[1:], strict=False)):
        distance, t = segment_distance(part.x, part.y, p, q)
        nearer = distance < best
        best[nearer] = distance[nearer]
        along[nearer] = ((index + t) / count)[nearer]
    half = width / 2
    u = np.clip(best / half, 0, 1)
    shell = np.sqrt(1 - u * u)
    core = np.sqrt(np.clip(1 - (u / 0.84) ** 2, 0, 1))
    ease = np.clip((along - 0.42) / 0.22, 0, 1)
    strength = 1 + (fade - 1) * ease * ease * (3 - 2 * ease)
    # Ends taper into cartilage or joint instead of stopping in a round cap.
    strength = strength * np.clip(along / 0.02, 0, 1) * np.clip((1 - along) / 0.05, 0, 1)
    bone = flat * np.clip(half + 0.3 - best, 0, 1) * 0.35 + hollow * (shell - 0.70 * core) * (best < half)
    canvas.image[part.rows, part.columns] += bone * strength


@lru_cache(maxsize=3)
def _film(film: ChestFilm, size_name: str) -> _Film:
    rows, columns, pixel = SIZES[size_name]
    shape = (rows, columns)
    rng = np.random.default_rng(seed_of(film.seed, "film"))
    factor = 4 if size_name == "full" else 1
    c = _coarse(shape, pixel, factor)
    x, y = c.x + 0 * c.y, c.y + 0 * c.x
    scale = (c.shape[0], c.shape[1])
    spacing = (c.pixel_y, c.pixel_x)
    warp = smooth_noise(rng, scale, spacing=spacing, scale=18.0)
    stretch = 1.06 if film.hyperinflated else 1.0
    # Soft tissue of the trunk: neck, shoulders, axillae, wall.
    trunk = ellipse_distance(x, y, centre=(0, 190), radii=(166, 250), power=3.2)
    neck = np.maximum(np.abs(x) - 52 - np.clip(-y - 20, 0, 100) * 0.05, y - 40)
    shoulders = ellipse_distance(x, y, centre=(0, 62), radii=(196, 92), power=2.6)
    body = smooth_union(smooth_union(trunk, neck.astype(np.float32), 30), shoulders, 30) + warp * 1.5
    depth = np.clip(-body, 0, None)
    thick = np.minimum(np.sqrt(depth * 130), 118) * step(body, 2)
    image = thick * 0.0086
    # Axillary folds and arms' shadows.
    for side in (-1, 1):
        fold = segment_distance(x, y, (side * 150, 60), (side * 168, 170))[0]
        image -= 0.16 * np.exp(-((fold / 16) ** 2)) * step(body, 3)
    # Lungs take soft tissue away; the beam passes more lung in the middle of each.
    left = _polygon_distance(x, y / stretch, _left_lung()) + warp * 0.9
    right = _polygon_distance(x, y / stretch, _right_lung()) + warp * 0.9
    lungs = np.minimum(left, right)
    air = np.sqrt(np.clip(-lungs, 0, 46) / 46)
    image -= 0.74 * air * step(lungs, 1.0) + 0.07 * step(lungs, 0.8)
    # Behind the heart and the domes there is lung too.
    behind = step(ellipse_distance(x, y, centre=(0, 208), radii=(118, 56), power=2.4), 22)
    over = (214 + ((np.abs(x) - 68) / 66) ** 2 * 32) * stretch
    image -= 0.15 * behind * (1 - step(lungs, 2)) * step((y - over + 10).astype(np.float32), 18)
    # Mediastinum and heart.
    h = film.heart
    heart = ellipse_distance(x, y, centre=(26, 184), radii=(60 * h, 45 * h), angle=0.62, power=2.1)
    heart = smooth_union(heart, ellipse_distance(x, y, centre=(-10, 180), radii=(33 * h, 44), power=2.1), 14)
    image += 0.38 * step(heart + warp * 1.4, 4.0) * np.clip(0.55 + 0.45 * np.sqrt(np.clip(-heart, 0, 46) / 46), 0, 1)
    knob = ellipse_distance(x, y, centre=(20, 66), radii=(21, 19))
    trunk_pa = ellipse_distance(x, y, centre=(26, 104), radii=(24, 26), angle=0.4)
    cava = np.maximum(np.abs(x + 20 - y * 0.03) - 10, np.abs(y - 86) - 74)
    aorta = np.maximum(np.abs(x - 24 + np.clip(y - 70, 0, 300) * 0.03) - 13, np.abs(y - 180) - 114)
    central = np.maximum(np.abs(x) - 25, -y - 60)
    vessels = smooth_union(smooth_union(knob, trunk_pa, 12), cava.astype(np.float32), 10)
    image += 0.19 * step(vessels + warp * 0.6, 2.6) + 0.09 * step(aorta.astype(np.float32), 2.4)
    image += 0.13 * step(central.astype(np.float32) + warp * 2, 14)
    # Trachea and main bronchi.
    image -= 0.25 * step(np.maximum(np.abs(x - 1.5 - y * 0.015) - 8, np.abs(y - 10) - 84).astype(np.float32), 2.5)
    for end in ((-40.0, 128.0), (46.0, 126.0)):
        d, _ = segment_distance(x, y, (1.0, 92.0), end)
        image -= 0.14 * step(d - 5.5, 3)
    # Domes of the diaphragm: liver right, stomach bubble left.
    below_right = ((214 + ((x + 66) / 68) ** 2 * 34) * stretch - y).astype(np.float32)
    below_left = ((226 + ((x - 72) / 64) ** 2 * 30) * stretch - y).astype(np.float32)
    below = smooth_union(np.maximum(below_right, x - 40), np.maximum(below_left, -x - 40), 26)
    image += 0.40 * step(below, 1.2) * step(body + 6, 10)
    bubble = ellipse_distance(x, y, centre=(64, 254), radii=(30, 14), angle=0.1) + warp * 2
    image -= 0.24 * step(np.maximum(bubble, y - 266), 2.5)
    if film.female:
        for side in (-1, 1):
            breast = ellipse_distance(x, y, centre=(side * 82, 196), radii=(62, 58))
            shade = np.sqrt(np.clip(-breast, 0, 50) / 50) * (0.35 + 0.65 * np.clip((y - 150) / 90, 0, 1))
            image += 0.17 * shade
    smooth = blur(image.astype(np.float32), (1.2, 1.2) if factor > 1 else (0.4, 0.4))
    full = Canvas(shape=shape, pixel=pixel, origin=(-columns * pixel / 2, TOP))
    full.image = upsample(smooth, shape) if factor > 1 else smooth
    lung_full = upsample(step(lungs, 1.2), shape) if factor > 1 else step(lungs, 1.2)
    # Bones on a canvas of half resolution: sharp enough for 0.4 mm.
    b = _coarse(shape, pixel, 2 if factor > 1 else 1)
    _bones(b, film, rng)
    full.image += upsample(b.image, shape) if factor > 1 else b.image
    # Lung markings: branching vessels from the hila.
    m = _coarse(shape, pixel, 2 if factor > 1 else 1)
    _markings(m, rng)
    marks = upsample(m.image, shape) if factor > 1 else m.image
    full.image += marks * (0.16 + 0.84 * lung_full)
    mottle = band_noise(rng, c.shape, spacing=spacing, wavelength=5.5, width=0.5)
    reach = upsample(mottle, shape) if factor > 1 else mottle
    full.image += 0.011 * reach * lung_full
    if film.lines and not film.child:
        # A side marker of lead letters is left to the annotation of the viewer; electrodes are common enough.
        for at in ((-96.0, 30.0), (104.0, 40.0)):
            full.ellipse(full.image + 0.5, centre=at, radii=(4.2, 4.2))
            full.line(0.95, [at, (at[0] * 1.3, at[1] + 90), (at[0] * 1.5, at[1] + 250)], width=0.9, strength=0.7)
    for array in (full.image, lung_full):
        array.setflags(write=False)
    left_full = upsample(left.astype(np.float32), shape) if factor > 1 else left
    right_full = upsample(right.astype(np.float32), shape) if factor > 1 else right
    return _Film(full.image, lung_full, left_full, right_full)


def _bones(c: Canvas, film: ChestFilm, rng: np.random.Generator) -> None:
    for side in (-1, 1):
        for posterior, anterior in _rib_paths(side, film.child):
            _band(c, posterior + anterior[1:], 12.0, hollow=0.17, flat=0.16, fade=0.62)
        clavicle = bezier([(side * 14, 6), (side * 50, -10), (side * 84, 8), (side * 142, -26)], 24)
        _band(c, clavicle, 12.0, hollow=0.24, flat=0.22)
        # Scapula: the blade's borders, the spine and the coracoid.
        blade = [(side * 138.0, 6.0), (side * 122.0, 60.0), (side * 130.0, 128.0)]
        _band(c, bezier(blade, 12), 4, hollow=0.08, flat=0.05)
        _band(
            c,
            bezier([(side * 152.0, 16.0), (side * 160.0, 80.0), (side * 130.0, 132.0)], 14),
            7,
            hollow=0.10,
            flat=0.09,
        )
        _band(
            c, bezier([(side * 112.0, 26.0), (side * 136.0, 2.0), (side * 168.0, -16.0)], 12), 8, hollow=0.09, flat=0.09
        )
        near, far = sorted((side * 140.0, side * 182.0))
        part = c.window(near, far, -32, 24)
        if part is not None:
            head = ellipse_distance(part.x, part.y, centre=(side * 164, -4), radii=(22, 22))
            c.image[part.rows, part.columns] += 0.30 * np.sqrt(np.clip(-head, 0, 22) / 22)
    for level in range(-4, 13):
        v = level * 23.2 - 14
        a = curve(v, (-60, 260), (13, 21))
        part = c.window(-48, 48, v - 14, v + 14)
        if part is None:
            continue
        block = ellipse_distance(part.x, part.y, centre=(0, v), radii=(a, 9.6), power=5)
        target = c.image[part.rows, part.columns]
        target += 0.15 * step(block, 0.9) + 0.10 * step(np.abs(block) - 0.7, 0.9)
        for side in (-1, 1):
            pedicle = ellipse_distance(part.x, part.y, centre=(side * a * 0.68, v - 1), radii=(3.1, 4.4))
            target += 0.12 * step(np.abs(pedicle) - 0.6, 0.9)
            process, _ = segment_distance(part.x, part.y, (side * a * 0.8, v), (side * (a + 17), v - 3))
            target += 0.10 * step(process - 4, 1.5)
        spinous = ellipse_distance(part.x, part.y, centre=(0, v + 8), radii=(2.6, 6))
        target += 0.09 * step(spinous, 1.2)
    del rng


def _markings(c: Canvas, rng: np.random.Generator) -> None:
    queue: list[tuple[float, float, float, float, float, int]] = []
    for side in (-1, 1):
        for turn in np.linspace(-1.25, 1.35, 9):
            angle = turn if side > 0 else np.pi - turn
            queue.append((side * 36.0, 112.0 + 12 * turn, angle + rng.normal(0, 0.1), 3.1, 26.0, 0))
    while queue:
        x, v, angle, width, length, order = queue.pop()
        bend = angle + rng.normal(0, 0.16)
        middle = (x + np.cos(angle) * length / 2, v + np.sin(angle) * length / 2)
        end = (middle[0] + np.cos(bend) * length / 2, middle[1] + np.sin(bend) * length / 2)
        _vessel(c, (x, v), (float(middle[0]), float(middle[1])), width)
        _vessel(c, (float(middle[0]), float(middle[1])), (float(end[0]), float(end[1])), width * 0.92)
        if order < 5 and width > 0.55:
            queue.extend(
                (float(end[0]), float(end[1]), bend + sign * rng.uniform(0.18, 0.55), width * rng.uniform(0.68, 0.82),
                 length * rng.uniform(0.72, 0.95), order + 1)
                for sign in (-1, 1)
            )  # fmt: skip


def _vessel(c: Canvas, p: Point, q: Point, width: float) -> None:
    part = c.window(min(p[0], q[0]) - width, max(p[0], q[0]) + width, min(p[1], q[1]) - width, max(p[1], q[1]) + width)
    if part is None:
        return
    d, _ = segment_distance(part.x, part.y, p, q)
    target = c.image[part.rows, part.columns]
    np.copyto(target, np.maximum(target, 0.020 * width * np.sqrt(np.clip(1 - (d / (width * 0.62)) ** 2, 0, 1))))


def _apply(film: _Film, finding: FilmFinding, image: Array, pixel: float, rng: np.random.Generator) -> Array:
    """Add a finding to an attenuation map; return its coverage."""
    rows, columns = image.shape
    xs = (-columns * pixel / 2 + np.arange(columns) * pixel).astype(np.float32)[None, :]
    ys = (TOP + np.arange(rows) * pixel).astype(np.float32)[:, None]
    px, pv = finding.place
    side = film.left if px > 0 else film.right
    inside = step(side, 1.5)
    if finding.kind == "nodule":
        radius = finding.size[0]
        r = np.hypot(xs - px, ys - pv)
        theta = np.arctan2(ys - pv, xs - px)
        edge = radius * (1 + 0.05 * np.sin(3 * theta + 1) + 0.04 * np.sin(7 * theta))
        image += 0.017 * radius * np.sqrt(np.clip(1 - (r / edge) ** 2, 0, 1)) + 0.025 * step(r - edge, 1.0)
        return step(r - edge, 0.5)
    if finding.kind == "pneumonia":
        a, b = finding.size
        r = np.sqrt(((xs - px) / a) ** 2 + ((ys - pv) / b) ** 2)
        factor = max(rows // 268, 1)
        coarse = (rows // factor, columns // factor)
        cloud = upsample(power_noise(rng, coarse, exponent=1.5, low=6), (rows, columns))
        dense = np.clip(1.5 - r * 1.35 + 0.26 * cloud, 0, 1)
        # Air bronchograms stay dark inside the consolidation.
        air = np.zeros_like(dense)
        for k in range(3):
            turn = 0.5 + 0.5 * k
            sx = -1 if px < 0 else 1
            p = (px - sx * a * 0.7, pv - b * 0.5)
            q = (px + sx * a * 0.35 * np.cos(turn), pv + b * 0.6 * np.sin(turn))
            d, _ = segment_distance(xs, ys, p, (float(q[0]), float(q[1])))
            air = np.maximum(air, step(d - 1.1, 1.2))
        image += 0.40 * dense * inside - 0.13 * air * (dense > 0.5) * inside
        return (dense * inside > 0.45).astype(np.float32)
    if finding.kind == "pneumothorax":
        width = finding.size[0]
        # The visceral pleura falls away from the wall, most at the apex.
        gap = width * np.clip(1 - (ys - 4) / (finding.size[1] * 2), 0, 1) + 0 * xs
        depth = -side
        free = step(depth - gap, 0.8) * inside * (gap > 1.2)
        line = np.exp(-(((depth - gap) / 0.55) ** 2)) * (gap > 1.2) * inside
        toward = np.clip((np.abs(xs) - 22) / 14, 0, 1)
        image -= free * toward * 0.10
        image += line * toward * 0.055
        return free * (toward > 0.5)
    # Effusion: a meniscus that climbs the lateral wall.
    level = 250 - finding.size[1]
    lateral = np.clip((np.abs(xs) - 40) / 95, 0, 1)
    top = level + 16 - 40 * lateral**2.2
    same_side = np.clip(np.sign(px) * xs / 26, 0, 1)
    fluid = step((top - ys).astype(np.float32), 5) * step(side - 14, 10) * same_side
    image += 0.34 * fluid * np.clip(0.7 + (ys - top) / 90, 0, 1)
    return (fluid * inside > 0.5).astype(np.float32)


def chest_film_pixels(
    film: ChestFilm, findings: tuple[FilmFinding, ...] = (), *, size: str = "full"
) -> tuple[Array, dict[str, Array]]:
    """Return 12-bit values (bright = dense) and the coverage of each finding."""
    pixel = SIZES[size][2]
    base = _film(film, size)
    image = base.attenuation.copy()
    cover = {}
    for finding in findings:
        rng = np.random.default_rng(seed_of(film.seed, "finding", finding.label))
        cover[finding.label] = _apply(base, finding, image, pixel, rng)
    rng = np.random.default_rng(seed_of(film.seed, "quanta"))
    if size == "full":
        # Unsharp mask at 3 mm, as vendors do, computed on the small image.
        small = image[::4, ::4]
        soft = blur(np.ascontiguousarray(small), (6, 6))
        image = image + 0.35 * (image - upsample(soft, image.shape))
    signal = np.exp(-image * 1.6)
    image += (rng.standard_normal(image.shape, dtype=np.float32) * (0.006 / np.sqrt(signal + 0.05))).astype(np.float32)
    tone = 1 / (1 + np.exp(-(image - 0.62) * 3.6))
    return np.clip(120 + tone * 3850, 0, 4095), cover


def film_lesion(
    plan: SeriesPlan, number: int, pixel: float, mask: Array, *, label: str, kind: str, minimum: float = 0.0
) -> Lesion:
    """Return the truth of a finding from its coverage in a single image."""
    rows, columns = np.nonzero(mask > 0.5)
    cy, cx = float(rows.mean()), float(columns.mean())
    if mask[round(cy), round(cx)] <= 0.5:
        nearest = int(np.argmin((rows - cy) ** 2 + (columns - cx) ** 2))
        cy, cx = float(rows[nearest]), float(columns[nearest])
    reach = max(float(np.hypot(rows - cy, columns - cx).max()) + 0.5, minimum)
    return Lesion(
        label=label, kind=kind, sop_instance_uid=plan.instance_uid(number), series_instance_uid=plan.series_uid,
        centre_px=(round(cx, 2), round(cy, 2)), radius_px=round(reach, 2), radius_mm=round(reach * pixel, 2),
        outline_px=mask_outline(mask), extent=(plan.instance_uid(number),),
    )  # fmt: skip


def chest_xray(
    visit: Visit | None = None,
    *,
    film: ChestFilm | None = None,
    findings: tuple[FilmFinding, ...] = (),
    size: str = "full",
    computed: bool = False,
    inverted: bool = False,
) -> PhantomStudy:
    """Return a frontal chest radiograph as DX (or CR when ``computed``); ``inverted`` stores MONOCHROME1."""
    visit = visit or Visit(key=f"chest-xray-{size}", description="Chest radiograph")
    film = film or ChestFilm()
    pixel = SIZES[size][2]
    plan = SeriesPlan(
        visit, 1, "CR" if computed else "DX", "Chest PA", CR if computed else DX,
        CR_READER if computed else DX_ROOM, "CHEST", JPEGLSLossless,
    )  # fmt: skip
    values, cover = chest_film_pixels(film, findings, size=size)
    pixels = np.rint(values).astype(np.uint16)
    projection = Projection(
        view="PA", orientation=("L", "F"), pixel=pixel, window=(2050, 3900),
        anatomy=("51185008", "SCT", "Chest"), inverted=inverted, view_code=("399348003", "SCT", "postero-anterior"),
    )  # fmt: skip
    instance = radiograph(plan, 1, pixels, projection)
    series = PhantomSeries(plan.series_uid, 1, plan.modality, plan.description, (instance,))
    lesions = tuple(film_lesion(plan, 1, pixel, cover[one.label], label=one.label, kind=one.kind) for one in findings)
    return PhantomStudy(visit, (series,), lesions)
