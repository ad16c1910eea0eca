"""One head for CT and MR: scalp, skull, meninges, folded cortex, white matter, deep nuclei, ventricles, posterior fossa.

The anatomy is a set of tissue fractions per voxel; each modality turns fractions into its own signal. The folding of
the cortex is the zero set of a band-limited random field whose coordinates shrink with depth, which makes the sulci
run inwards from the surface as real ones do.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from pacsweb.demo.phantoms.model import seed_of
from pacsweb.demo.phantoms.raster import (
    Array,
    Canvas,
    Point,
    band_noise,
    bezier,
    curve,
    ellipse_distance,
    sample,
    segment_distance,
    smooth_noise,
    smooth_union,
    step,
)

#: Tissues in painting order; fractions of a voxel always add up to one.
TISSUES = (
    "air", "skin", "fat", "muscle", "cortical bone", "marrow", "csf", "grey", "white", "deep grey", "vessel",
    "dura", "vitreous", "mucosa", "nerve",
)  # fmt: skip
INDEX = {name: index for index, name in enumerate(TISSUES)}


@dataclass(frozen=True)
class HeadSize:
    matrix: int
    pixel: float
    slices: int
    spacing: float
    top: float = -4.0


@dataclass(frozen=True)
class HeadBody:
    """What makes one head unlike another. ``atrophy`` 0 (young) to 1 (old) widens sulci and ventricles."""

    seed: str = "head-a"
    width: float = 1.0
    length: float = 1.0
    atrophy: float = 0.25
    shift: float = 0.0  # midline shift (mm, positive to the patient's left) at the level of the lateral ventricles
    squeeze: float = 0.0  # −1 … 1: which lateral ventricle is compressed (positive: the left one)


@dataclass
class HeadSlice:
    """One level: tissue fractions [tissue, row, column] and helpers that place lesions."""

    s: float
    fractions: Array
    brain: Array  # signed distance to the brain surface in mm, negative inside
    canvas: Canvas = field(repr=False)


_LEVELS = (-6.0, 0.0, 8.0, 18.0, 32.0, 50.0, 68.0, 86.0, 104.0, 120.0, 136.0, 150.0)


def _outer(body: HeadBody, s: float) -> tuple[Point, Point]:
    """Return radii and centre of the skin outline at ``s`` mm below the vertex."""
    a = curve(s, _LEVELS, (8, 26, 43, 57, 68, 75, 77.5, 77.5, 76, 74, 71, 68)) * body.width
    b = curve(s, _LEVELS, (10, 34, 55, 72, 86, 95, 98, 98, 97, 95, 92, 89)) * body.length
    y = curve(s, _LEVELS, (8, 7, 5, 3, 1, 0, 0, 0, 0, 0, 0, 1))
    return (a, b), (0.0, y)


class _Painter:
    """Blends tissues over each other in one slice."""

    def __init__(self, canvas: Canvas) -> None:
        self.canvas = canvas
        self.x: Array = (canvas.x + 0 * canvas.y).astype(np.float32)
        self.y: Array = (canvas.y + 0 * canvas.x).astype(np.float32)
        self.fractions = np.zeros((len(TISSUES), *canvas.shape), np.float32)
        self.fractions[INDEX["air"]] = 1

    def paint(self, tissue: str, alpha: Array) -> None:
        where = alpha.max(axis=1) > 0
        if not where.any():
            return
        rows = np.nonzero(where)[0]
        part = slice(rows[0], rows[-1] + 1)
        alpha = alpha[part]
        self.fractions[:, part] *= 1 - alpha
        self.fractions[INDEX[tissue], part] += alpha

    def ellipse(
        self, tissue: str, centre: Point, radii: Point, *, angle: float = 0.0, power: float = 2.0, soft: float = 0.0,
        strength: float = 1.0, clip: Array | None = None,
    ) -> None:  # fmt: skip
        if min(radii) <= 0.1:
            return
        c = self.canvas
        distance = ellipse_distance(self.x, self.y, centre=centre, radii=radii, angle=angle, power=power)
        alpha = step(distance, max(soft, c.pixel)) * np.float32(strength)
        self.paint(tissue, alpha if clip is None else alpha * clip)

    def line(
        self, tissue: str, points: list[Point], width: float | tuple[float, ...], *, soft: float = 0.0,
        strength: float = 1.0, clip: Array | None = None,
    ) -> None:  # fmt: skip
        """Paint a line; ``width`` may be given for each point."""
        widths = (width,) * len(points) if isinstance(width, float | int) else width
        if max(widths) <= 0.1:
            return
        c = self.canvas
        # The coordinates may be warped by a few millimetres: leave room for that.
        reach = max(widths) / 2 + soft + 8
        xs, ys = [p[0] for p in points], [p[1] for p in points]
        part = c.window(min(xs) - reach, max(xs) + reach, min(ys) - reach, max(ys) + reach)
        if part is None:
            return
        x, y = self.x[part.rows, part.columns], self.y[part.rows, part.columns]
        best = np.full(x.shape, 1e6, np.float32)
        for index, (p, q) in enumerate(zip(points, points[1:], strict=False)):
            distance, t = segment_distance(x, y, p, q)
            half = (widths[index] + (widths[index + 1] - widths[index]) * t) / 2
            np.minimum(best, distance - half, out=best)
        alpha = step(best, max(soft, c.pixel)) * np.float32(strength * min(1.0, max(widths) / c.pixel))
        if clip is not None:
            alpha = alpha * clip[part.rows, part.columns]
        self.fractions[:, part.rows, part.columns] *= 1 - alpha
        self.fractions[INDEX[tissue], part.rows, part.columns] += alpha


@dataclass(frozen=True)
class _Fields:
    fold: Array
    folia: Array
    warp: Array
    grain: Array
    box: float


def _fields(body: HeadBody) -> _Fields:
    rng = np.random.default_rng(seed_of(body.seed, "fields"))
    n, box = 72, 216.0
    spacing = (box / n,) * 3
    fold = band_noise(rng, (n, n, n), spacing=spacing, wavelength=25.0, width=0.34)
    fold += 0.35 * band_noise(rng, (n, n, n), spacing=spacing, wavelength=14.0, width=0.3)
    folia = band_noise(rng, (n, n, n), spacing=(3.0, 3.0, 3.0), wavelength=9.0, width=0.3)
    warp = smooth_noise(rng, (n, n, n), spacing=spacing, scale=16.0)
    grain = smooth_noise(rng, (n, n, n), spacing=spacing, scale=3.5)
    return _Fields(fold, folia, warp, grain, box)


class _Level:
    def __init__(self, body: HeadBody, size: HeadSize, fields: _Fields, index: int) -> None:
        self.body, self.size, self.fields = body, size, fields
        self.s = size.top + index * size.spacing
        half = (size.matrix - 1) / 2 * size.pixel
        self.canvas = Canvas(shape=(size.matrix, size.matrix), pixel=size.pixel, origin=(-half, -half))
        self.p = _Painter(self.canvas)
        self.k = len(fields.fold) / fields.box

    def _field(self, values: Array, x: Array, y: Array, z: Array | float) -> Array:
        return sample(values, x * self.k, y * self.k, z * self.k)

    def draw(self) -> HeadSlice:
        c, s, body = self.canvas, self.s, self.body
        self.x = (c.x + 0 * c.y).astype(np.float32)
        self.y = (c.y + 0 * c.x).astype(np.float32)
        self.warp = self._field(self.fields.warp, self.x, self.y, s)
        (a, b), centre = _outer(body, s)
        self.radii, self.centre = (a, b), centre
        skin = ellipse_distance(c.x, c.y, centre=centre, radii=(a, b), power=2.12) + self.warp * 0.9
        if s > 78:
            # The face: nose and orbits narrow the front.
            nose = ellipse_distance(
                c.x, c.y, centre=(0, -b - 4), radii=(12, curve(s, (78, 100, 124, 150), (3, 12, 22, 20)))
            )
            skin = smooth_union(skin, nose, 8)
        self.skin = skin
        self._scalp_and_skull()
        brain = self._brain()
        if s > 92:
            self._skull_base()
        return HeadSlice(s, self.p.fractions, brain, c)

    def _scalp_and_skull(self) -> None:
        p, c, s = self.p, self.canvas, self.s
        skin = self.skin
        scalp = 5.5 + 0.8 * self.warp
        p.paint("skin", step(skin, c.pixel))
        p.paint("fat", step(skin + 1.9, c.pixel))
        p.paint("muscle", step(np.abs(skin + scalp - 0.9) - 0.55, c.pixel) * 0.8)
        angle = np.arctan2(self.y - self.centre[1], np.abs(self.x) + 1e-3)
        # Temporalis at the sides, neck muscles at the back and below.
        temporal = np.exp(-(((angle + 0.28) / 0.42) ** 2)) * curve(s, (34, 60, 95, 140), (0, 5, 13, 16))
        nuchal = np.exp(-(((angle - 1.35) / 0.5) ** 2)) * curve(s, (100, 118, 145), (0, 10, 26))
        thick = scalp + temporal + nuchal
        muscle = step(np.maximum(skin + 4.6, -(skin + thick)), 1.2)
        p.paint("muscle", muscle * ((temporal + nuchal) > 2.0))
        self.outer_table = skin + thick
        skull = (
            6.8
            + 0.9 * self.warp
            + 1.8 * np.exp(-(((angle - 1.5) / 0.25) ** 2))
            + 2.2 * np.exp(-(((angle + 1.5) / 0.22) ** 2))
        )
        p.paint("cortical bone", step(self.outer_table, c.pixel))
        diploe = np.maximum(self.outer_table + 1.9, -(self.outer_table + skull - 1.9))
        grain = self._field(self.fields.grain, self.x * 2.1, self.y * 2.1, s * 2.1)
        p.paint("marrow", step(diploe, 1.1) * np.clip(0.8 + 0.25 * grain, 0, 1))
        # Sutures: coronal and lambdoid as thin gaps.
        for at in (-0.55, 0.95):
            gap = np.abs((angle - at - 0.0018 * (s - 50) + 0.010 * grain) * 72) - 0.4
            p.paint(
                "skin",
                step(gap, 0.9) * step(np.abs(self.outer_table + skull / 2) - skull / 2 - 0.2, 0.6) * 0.55 * (s < 100),
            )
        self.inner_table = self.outer_table + skull
        p.paint("dura", step(self.inner_table, c.pixel))

    def _brain(self) -> Array:
        p, c, s, body = self.p, self.canvas, self.s, self.body
        atrophy = body.atrophy
        p.paint("csf", step(self.inner_table + 0.9, c.pixel))
        surface = self.inner_table + 1.4 + 1.5 * atrophy
        inside = step(surface, c.pixel)
        # Coordinates that shrink with depth, so sulci run inwards.
        cx, cy = self.centre
        depth = np.maximum(-surface, 0)
        dx, dy = (self.x - cx), (self.y - cy)
        r = np.sqrt(dx * dx + dy * dy) + 1e-3
        lift = depth * 0.62
        wx, wy = self.x + dx / r * lift, self.y + dy / r * lift
        centre_z = 78.0
        wz = s + (s - centre_z) / 90 * lift * 0.6
        warp2 = self._field(self.fields.grain, self.x * 0.5, self.y * 0.5, s * 0.5)
        wx, wy = wx + self.warp * 2.6 + warp2 * 1.2, wy - self.warp * 2.2 + warp2 * 1.2
        f = self._field(self.fields.fold, wx, wy, wz)
        step_mm = 1.0
        gx = self._field(self.fields.fold, wx + step_mm, wy, wz) - f
        gy = self._field(self.fields.fold, wx, wy + step_mm, wz) - f
        gz = self._field(self.fields.fold, wx, wy, wz + step_mm) - f
        slope = np.sqrt(gx * gx + gy * gy + gz * gz)
        distance = np.abs(f) / np.maximum(slope, 0.045)
        deep = np.clip(1 - depth / (25 + 4 * self.warp), -1, 1)
        sulcus = (0.3 + 1.5 * atrophy) * np.clip(deep * 1.6, 0, 1) * (1 + 0.5 * np.clip(1 - depth / 6, 0, 1))
        sulcal = step(distance - sulcus, 1.1) * (deep > 0)
        ribbon = np.clip(deep * 2.2 + 0.25, 0, 1)
        cortex = np.maximum(
            step(distance - sulcus - 3.5 * ribbon, 1.3) * (deep > -0.25) * (ribbon > 0.02),
            step(depth - 3.0, 1.3),
        )
        p.paint("white", inside)
        p.paint("grey", inside * cortex)
        p.paint("csf", inside * sulcal * 0.95)
        self.grain = warp2
        straight = p.x, p.y
        side_warp = self._field(self.fields.grain, self.x * 0.42 + 31, self.y * 0.42, s * 0.42)
        p.x, p.y = self.x + 1.3 * warp2 + 0.8 * self.warp, self.y + 1.5 * side_warp
        self._midline(inside)
        self._sylvian(inside)
        self._deep(inside)
        self._ventricles(inside)
        if s > 88:
            self._posterior_fossa(inside, surface)
        p.x, p.y = straight
        return surface.astype(np.float32)

    def _bend(self, y: float) -> float:
        """Return how far the midline lies from x = 0 at this point."""
        s = self.s
        return self.body.shift * float(np.exp(-(((s - 66) / 26) ** 2)) * np.exp(-((y / 55) ** 2)))

    def _midline(self, inside: Array) -> None:
        p, s = self.p, self.s
        b, cy = self.radii[1], self.centre[1]
        wide = 0.55 + 1.3 * self.body.atrophy + 0.5 * np.clip(self.warp + self.grain, -1, 1.5)
        bend = self.body.shift * np.exp(-(((s - 66) / 26) ** 2)) * np.exp(-((self.y / 55) ** 2))
        off = np.abs(self.x - bend + self.warp * 0.5)
        anterior = -b
        open_front = curve(s, (0, 44, 54, 70, 84, 96), (200, 200, 30, 26, 24, 20))
        if s < 48:
            band = np.ones_like(off)
        else:
            front = step(self.y - (anterior + 12 + open_front + 6), 3)
            back = step((b - 8 - curve(s, (48, 60, 80, 96), (60, 46, 34, 22))) - self.y, 3)
            band = np.maximum(front, back)
        if s > 98:
            return
        grey = step(off - wide - 3.0, 1.3) * band
        p.paint("grey", grey * inside)
        p.paint("csf", step(off - wide, 1.2) * band * inside)
        p.paint("dura", step(off - 0.4, 0.9) * band * inside * 0.8)
        # Superior sagittal sinus at both ends of the falx.
        for y in (cy - b + 15.5, cy + b - 16):
            p.ellipse("vessel", (0.0, y), (3.4, 3.8), strength=0.9)

    def _sylvian(self, inside: Array) -> None:
        p, s = self.p, self.s
        if not 56 < s < 98:
            return
        a = self.radii[0]
        wide = 1.6 + 2.4 * self.body.atrophy
        for side in (-1, 1):
            deep = curve(s, (56, 64, 84, 98), (0.35, 1, 1, 0.6))
            outer = (side * (a - 13), -16.0 + (s - 70) * 0.2)
            inner = (side * (a - 13 - 27 * deep), -22.0 + (s - 70) * 0.1)
            turn = (inner[0] + side * 1.0, inner[1] + 27 * deep)
            bow = (outer[0] - side * 12, outer[1] - 9)
            stem = bezier([outer, bow, inner, (inner[0], inner[1] + 3), turn], 14)
            p.line("grey", stem, wide + 6.6, clip=inside)
            p.line("csf", stem, (wide * 1.5,) + (wide,) * 8 + (wide * 0.8,) * 5, clip=inside)

    def _deep(self, inside: Array) -> None:
        p, s = self.p, self.s
        if not 44 < s < 100:
            return

        def k(mid: float, reach: float) -> float:
            return float(np.sqrt(max(1 - ((s - mid) / reach) ** 2, 0.0)))

        for side in (-1, 1):
            bend = self._bend(0.0)
            q = k(70, 22)
            if q > 0.1:  # lentiform: putamen and, paler, the pallidum
                p.ellipse(
                    "deep grey", (side * 25 + bend, -4), (6.5 * q, 17 * q), angle=side * 0.16, soft=1.4, clip=inside
                )
                p.ellipse(
                    "white",
                    (side * 18.6 + bend, -3),
                    (3.8 * q, 9 * q),
                    angle=side * 0.22,
                    soft=1.6,
                    strength=0.45,
                    clip=inside,
                )
            q = k(64, 22)
            if q > 0.1:  # caudate head beside the frontal horn
                p.ellipse(
                    "deep grey", (side * 13 + bend, -21), (5.2 * q, 9 * q), angle=side * -0.35, soft=1.3, clip=inside
                )
            q = k(70, 16)
            if q > 0.1:
                p.ellipse(
                    "deep grey",
                    (side * 10.5 + bend, 14),
                    (8.6 * q, 14.5 * q),
                    angle=side * -0.35,
                    soft=1.6,
                    strength=0.92,
                    clip=inside,
                )

    def _ventricles(self, inside: Array) -> None:
        p, s, body = self.p, self.s, self.body
        grow = 1 + 0.75 * body.atrophy
        for side in (-1, 1):
            bend = self._bend(0.0)
            tight = 1.0 - (0.65 * body.squeeze if side > 0 else -0.65 * body.squeeze)
            tight = min(max(tight, 0.25), 1.25)
            w = grow * tight
            if 44 < s < 62:  # bodies
                k = float(np.sqrt(max(1 - ((s - 53) / 9.5) ** 2, 0.0)))
                path = bezier(
                    [
                        (side * 8.5 + bend, -30),
                        (side * 4.5 + bend, -10),
                        (side * 10 + bend, 12),
                        (side * 14 + bend, 24),
                        (side * 24 + bend, 42),
                    ],
                    10,
                )
                p.line("white", path, 6 * w * k + 5, clip=inside)
                p.line(
                    "csf",
                    path,
                    tuple(np.interp(np.arange(10), (0, 3, 7, 9), (6.5, 7.5, 8.0, 3.0)) * w * k),
                    clip=inside,
                )
            if 56 < s < 80:  # frontal horns, a comma on each side of the septum
                k = float(np.sqrt(max(1 - ((s - 66) / 13) ** 2, 0.0)))
                path = bezier([(side * 2.6 + bend, -8), (side * 3.5 + bend, -22), (side * 13 + bend, -34)], 8)
                p.line("csf", path, tuple(np.interp(np.arange(8), (0, 4, 7), (3.0, 7.0, 4.5)) * w * k), clip=inside)
            if 54 < s < 86:  # atria and occipital horns
                k = float(np.sqrt(max(1 - ((s - 68) / 16) ** 2, 0.0)))
                path = bezier([(side * 17 + bend, 22), (side * 27, 33), (side * 28, 44), (side * 21, 64)], 9)
                p.line("csf", path, tuple(np.interp(np.arange(9), (0, 3, 8), (5.0, 9.5, 1.5)) * w * k), clip=inside)
                p.ellipse("vessel", (side * 22.5 + bend, 32), (2.4 * k, 3.6 * k), strength=0.55, clip=inside)
            if 78 < s < 102:  # temporal horns
                k = float(np.sqrt(max(1 - ((s - 90) / 13) ** 2, 0.0)))
                p.line("grey", [(side * 24, -4), (side * 27.5, 6), (side * 27, 17)], 6 * k, clip=inside)
                p.line("csf", bezier([(side * 28, -8), (side * 33, 8), (side * 28, 25)], 8), 2.6 * w * k, clip=inside)
        bend = self._bend(0.0)
        if 58 < s < 74:  # septum
            p.line("white", [(bend, -24), (bend, -8)], 1.4, clip=inside)
        if 66 < s < 90:
            k = float(np.sqrt(max(1 - ((s - 77) / 13) ** 2, 0.0)))
            p.ellipse("csf", (bend, 8), (1.9 * grow * k, 13 * k), clip=inside)
        if 52 < s < 64:  # corpus callosum, genu and splenium
            for y, reach in ((-34, 13), (34, 15)):
                p.ellipse("white", (bend, y), (reach, 4.8), soft=1.5, clip=inside)
        if 70 < s < 80:
            p.ellipse("csf", (0, 31), (11, 4.5 + 2 * self.body.atrophy), soft=1.5, clip=inside)
            p.ellipse("vessel", (0, 30), (1.7, 2.4), strength=0.8)

    def _posterior_fossa(self, inside: Array, surface: Array) -> None:
        p, s, c = self.p, self.s, self.canvas
        # The tentorium opens downwards; what lies behind and below it is cerebellum.
        front = curve(s, (88, 100, 112, 124, 150), (34, 16, 4, 0, 0))
        reach = curve(s, (88, 96, 106, 118, 136, 150), (16, 36, 52, 53, 48, 30))
        length = curve(s, (88, 100, 112, 130, 150), (20, 33, 40, 40, 30))
        centre_y = curve(s, (88, 110, 150), (50, 40, 36))
        shape = ellipse_distance(c.x, c.y, centre=(0, centre_y), radii=(reach, length), power=2.3)
        shape = np.maximum(shape, (front - 14 - self.y) * 0.8).astype(np.float32)
        shape = np.maximum(shape, surface + 1.0)
        p.paint("csf", step(shape - 3.2, 1.4) * inside)
        p.paint("dura", step(np.abs(shape - 3.0) - 0.6, 0.9) * inside * (self.y < centre_y + length * 0.5) * (s < 118))
        folia = self._field(self.fields.folia, self.x, self.y, s)
        folia2 = np.abs(self._field(self.fields.folia, self.x * 1.3 + 40, self.y * 1.9, s * 1.3))
        cereb = step(shape, 1.2) * inside
        p.paint("grey", cereb)
        depth = np.maximum(-shape, 0)
        arbor = np.clip((depth - 7 + 3.2 * folia) / 4, 0, 1) * np.clip(1.2 - 0.5 * folia2, 0.2, 1)
        p.paint("white", (cereb * arbor * 0.85).astype(np.float32))
        p.paint("csf", (cereb * step(folia2 * 5.5 - 0.8, 1.0) * np.clip(1 - depth / 9, 0, 1) * 0.5).astype(np.float32))
        # Vermis, fourth ventricle, brainstem with its cisterns.
        p.ellipse("grey", (0, centre_y + 2), (5.5, length * 0.6), soft=2.5, strength=0.6, clip=cereb)
        if s < 132:
            stem = curve(s, (88, 98, 110, 122, 132), (11, 15, 16, 12, 9))
            y = curve(s, (88, 110, 132), (4, 2, 8))
            p.ellipse("csf", (0, y - 3), (stem + 7, stem + 5), power=2.4, soft=1.5, clip=inside)
            if s < 100:  # midbrain with its peduncles
                for side in (-1, 1):
                    p.ellipse("white", (side * 8, y - 6), (6.5, 9), angle=side * 0.5, soft=1.3, clip=inside)
                p.ellipse("white", (0, y + 4), (12, 9), soft=1.3, clip=inside)
                p.ellipse("csf", (0, y + 6.5), (0.9, 0.9), clip=inside)
            else:
                p.ellipse("white", (0, y), (stem, stem * 0.82), soft=1.3, power=2.2, clip=inside)
                p.ellipse("white", (0, y + stem * 0.9), (stem + 8, 4.5), soft=2, clip=inside)
            p.ellipse("vessel", (0.6, y - stem - 0.5), (1.7, 1.7), clip=inside)
            if 98 < s < 128:
                k = float(np.sqrt(max(1 - ((s - 112) / 16) ** 2, 0.0)))
                p.ellipse("csf", (0, y + stem * 0.82 + 3.4), (6.5 * k, 3.9 * k), power=1.7, clip=inside)
        if 86 < s < 104:  # suprasellar cistern, a star in front of the stem
            k = float(np.sqrt(max(1 - ((s - 94) / 10) ** 2, 0.0)))
            p.ellipse("csf", (0, -17), (15 * k, 10 * k), power=1.5, soft=1.5, clip=inside)
            for side in (-1, 1):
                p.ellipse("vessel", (side * 9, -20), (1.8, 1.8), clip=inside)
                p.line("vessel", [(side * 9, -20), (side * 24, -24)], 2.0, strength=0.8, clip=inside)

    def _skull_base(self) -> None:
        p, s, c = self.p, self.s, self.canvas
        a, b = self.radii
        grain = self._field(self.fields.grain, self.x * 2.4, self.y * 2.4, s * 2.4)
        # The anterior fossa ends: orbits, ethmoid cells, frontal sinus, then the sphenoid and petrous bones.
        floor = curve(s, (92, 102, 112, 124, 150), (0.0, 0.55, 0.92, 1.0, 1.0))
        region = step(self.y - (-b + 12 + 62 * floor), 3) * step(self.inner_table - 2, 1.5)
        middle = curve(s, (104, 118, 130), (0.0, 0.6, 1.0))
        side = step(self.y - (-2 + 0 * self.x) - 26 * middle, 4) * middle * step(self.inner_table - 2, 1.5)
        p.paint("fat", np.maximum(region * floor, side))
        if s > 96:
            for sign in (-1, 1):
                k = float(np.sqrt(max(1 - ((s - 112) / 17) ** 2, 0.0)))
                if k > 0.1:
                    centre = (sign * 31.0, -b + 27)
                    p.ellipse("cortical bone", (sign * 30, -b + 35), (21 * k, 26 * k), angle=sign * -0.35)
                    p.ellipse("fat", (sign * 30, -b + 34), (19.3 * k, 24.5 * k), angle=sign * -0.35)
                    p.ellipse("skin", centre, (12.6 * k, 12.6 * k))
                    p.ellipse("vitreous", centre, (11.6 * k, 11.6 * k))
                    p.ellipse("muscle", (sign * 31, -b + 18.6), (4.6 * k, 2.2 * k))
                    p.line("nerve", [(sign * 30, -b + 39), (sign * 19, -b + 58)], 3.6 * k)
                    for off in (-13, 12):
                        p.line(
                            "muscle", [(sign * (31 + off * 0.9), -b + 32), (sign * (21 + off * 0.2), -b + 56)], 3.2 * k
                        )
            cells = np.clip(np.abs(grain) * 2.2 - 0.25, 0, 1)
            width = curve(s, (96, 108, 130), (5, 11, 12))
            p.ellipse("cortical bone", (0, -b + 36), (width + 1.4, 25))
            p.ellipse("air", (0, -b + 36), (width, 24))
            zone = step(ellipse_distance(c.x, c.y, centre=(0, -b + 36), radii=(width, 24)), 1)
            p.paint("mucosa", zone * step(cells * 3 - 0.35, 1.2))
            if s > 106:
                p.ellipse("cortical bone", (0, -26), (17, 13))
                for sign in (-1, 1):
                    p.ellipse("air", (sign * 7.2, -27), (6.8, 10.5))
        if s > 104:
            # Petrous pyramids and mastoid cells.
            k = curve(s, (104, 112, 126, 138), (0.0, 1.0, 1.0, 0.5))
            for sign in (-1, 1):
                tip, base = (sign * 12.0, -12.0), (sign * (a - 14), 20.0)
                p.line("cortical bone", [tip, ((tip[0] + base[0]) / 2, 4), base], 15 * k + 1)
                p.line("marrow", [tip, (sign * 22.0, -4.0)], 6 * k)
                mastoid = ellipse_distance(c.x, c.y, centre=(sign * (a - 17), 26), radii=(13 * k + 0.1, 16 * k + 0.1))
                p.paint("cortical bone", step(mastoid, 1.0))
                p.paint("air", step(mastoid + 1.6, 1.0) * step(-np.abs(grain) + 0.32, 0.4))
                p.line("air", [(sign * (a - 3), 8.0), (sign * (a - 24), 6.0)], 5.5 * k)
                p.line("csf", [(sign * 14.0, 3.0), (sign * 24.0, 3.5)], 3.2 * k)
        if s > 84 and s < 108:
            k = float(np.sqrt(max(1 - ((s - 96) / 13) ** 2, 0.0)))
            for sign in (-1, 1):
                p.ellipse("cortical bone", (sign * 11, -b + 13.5), (10 * k, 6.5 * k))
                p.ellipse("air", (sign * 11, -b + 13.5), (8.8 * k, 5.2 * k))


@lru_cache(maxsize=3)
def head(body: HeadBody, size: HeadSize) -> tuple[HeadSlice, ...]:
    """Return the tissue slices of a head, topmost first (shared: do not write into them)."""
    fields = _fields(body)
    return tuple(_Level(body, size, fields, index).draw() for index in range(size.slices))


def signal(one: HeadSlice, values: dict[str, float]) -> Array:
    """Return the image of a level where each tissue has one value."""
    weights = np.array([values[name] for name in TISSUES], np.float32)
    return np.tensordot(weights, one.fractions, axes=1).astype(np.float32)
