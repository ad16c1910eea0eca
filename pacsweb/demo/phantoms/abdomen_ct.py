"""Abdominal CT in the portal venous phase: solid organs, bowel, vessels, spine and pelvis, with lesions of known place.

``s`` counts millimetres downwards from the dome of the liver.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from pacsweb.demo.phantoms.dicom import (
    CT,
    CT_SCANNER,
    JPEGLSLossless,
    SeriesPlan,
    VolumeGeometry,
    ct_series,
    lesion_in_stack,
)
from pacsweb.demo.phantoms.model import PhantomStudy, Visit, seed_of
from pacsweb.demo.phantoms.raster import (
    Array,
    Canvas,
    Grid,
    NoiseBank,
    Point3,
    Tube,
    band_noise,
    bezier,
    curve,
    ellipse_distance,
    smooth_noise,
    smooth_union,
    step,
    upsample,
)
from pacsweb.demo.phantoms.skeleton import draw_vertebra


@dataclass(frozen=True)
class AbdomenSize:
    matrix: int
    pixel: float
    slices: int
    spacing: float


SIZES = {"full": AbdomenSize(384, 0.94, 60, 5.0), "small": AbdomenSize(64, 5.64, 12, 25.0)}


@dataclass(frozen=True)
class AbdomenBody:
    seed: str = "abdomen-a"
    width: float = 1.0
    depth: float = 1.0
    fat: float = 17.0
    hydronephrosis: float = 0.0  # of the left kidney, 0–1
    appendix: float = 2.6  # outer radius in mm; above 3 is abnormal
    calcified_aorta: bool = False


@dataclass(frozen=True)
class AbdomenFinding:
    """A lesion: kind ``metastasis``, ``cyst``, ``haemangioma``, ``stone`` or ``appendix``; place (x, y, s) in mm."""

    label: str
    kind: str
    place: Point3
    diameter: float


STONE_HU = 980.0
_S = (-10.0, 40.0, 120.0, 200.0, 250.0, 300.0)
CAECUM: Point3 = (-98.0, -14.0, 262.0)
APPENDIX: tuple[Point3, ...] = ((-90.0, -6.0, 268.0), (-80.0, 6.0, 274.0), (-66.0, 8.0, 278.0), (-54.0, 0.0, 280.0))


def _spine_y(body: AbdomenBody, s: float) -> float:
    return curve(s, (0, 150, 230, 300), (42, 34, 32, 52)) * body.depth


class _Slice:
    def __init__(self, body: AbdomenBody, size: AbdomenSize, fields: dict[str, Array], index: int) -> None:
        self.body, self.size, self.fields, self.index = body, size, fields, index
        self.s = index * size.spacing
        half = (size.matrix - 1) / 2 * size.pixel
        self.canvas = Canvas(shape=(size.matrix, size.matrix), pixel=size.pixel, origin=(-half, -half), fill=-1000)
        self.warp = upsample(fields["warp"][index], self.canvas.shape)
        self.fine = upsample(fields["fine"][index], self.canvas.shape)

    def draw(self) -> Array:
        self._wall()
        self._ribs()
        self._upper_organs()
        self._retroperitoneum()
        self._pelvis()
        draw_vertebra(
            self.canvas,
            self.fields["trabecular"],
            phase=(self.s * 0.84 + 3) % 24.0,
            y=_spine_y(self.body, self.s),
            radii=(curve(self.s, (0, 250), (20, 25)), curve(self.s, (0, 250), (15, 17.5))),
        )
        return self.canvas.image

    def _ellipsoid(
        self, centre: Point3, radii: Point3, *, angle: float = 0.0, power: float = 2.0, wobble: float = 1.0
    ) -> Array | None:
        """Return the signed distance in this slice to an ellipsoid roughened by the warp field, or None above/below."""
        dz = (self.s - centre[2]) / radii[2]
        k = max(1 - abs(dz) ** 2.2, 0.0) ** (1 / 2.2)
        if k < 0.08:
            return None
        c = self.canvas
        distance = ellipse_distance(
            c.x, c.y, centre=centre[:2], radii=(radii[0] * k, radii[1] * k), angle=angle, power=power
        )
        return (distance + self.warp * 1.8 * wobble).astype(np.float32)

    def _wall(self) -> None:
        body, c, s, warp = self.body, self.canvas, self.s, self.warp
        a = curve(s, _S, (156, 158, 152, 150, 158, 168)) * body.width
        b = curve(s, _S, (108, 110, 106, 102, 102, 104)) * body.depth
        skin = ellipse_distance(c.x, c.y, centre=(0, 0), radii=(a, b), power=2.5) + warp * 2
        navel = np.hypot(c.x, c.y + b + 1)
        if abs(s - 215) < 9:
            skin = np.maximum(skin, 9 - navel)
        c.paint(20, step(skin, c.pixel))
        c.paint(-106 + 5 * self.fields["soft"], step(skin + 2.2, c.pixel))
        # Septa in the subcutaneous fat.
        c.paint(-70, step(np.abs(self.fine) * 9 - 0.35, 0.8) * step(skin + 3, 1) * 0.35)
        angle = np.arctan2(c.y, np.abs(c.x) + 1e-3)
        fat = body.fat * (
            1
            + 0.35 * np.sin(-angle) * curve(s, (80, 200), (0.2, 1))
            + 0.5 * np.exp(-(((angle - 1.2) / 0.4) ** 2)) * curve(s, (120, 260), (0.2, 1))
        )
        self.fascia = (skin + fat).astype(np.float32)
        thick = 13 + 9 * np.exp(-(((angle - 1.25) / 0.32) ** 2)) + 0 * skin
        muscle = step(self.fascia, 1.5)
        self.skin, self.angle = skin, angle
        streak = np.clip(self.fields["muscle"] * 0.8 - 1.0, 0, 1)
        c.paint(58 + 4 * self.fields["soft"] - 60 * streak, muscle)
        for depth in (0.36, 0.68):
            plane = np.abs(self.fascia + thick * depth + 0.8 * warp) - 0.45
            c.paint(-70, step(plane, 1.3) * muscle * (np.abs(angle) < 0.62) * 0.8)
        # Rectus sheaths meet in the linea alba.
        c.paint(-75, step(np.abs(c.x + 0 * c.y) - 2.0, 1.5) * muscle * (c.y < -20) * 0.8)
        edge = np.abs(np.abs(c.x) - 58 + 0 * c.y) - 1.5
        c.paint(-70, step(edge, 1.5) * muscle * (c.y < -30) * 0.7)
        self.inner = (self.fascia + thick).astype(np.float32)
        self.cavity = step(self.inner, 1.4)
        c.paint(-102 + 7 * self.fields["soft"] + 8 * np.clip(self.fine, 0, 2), self.cavity)
        # Paraspinal muscles and quadratus lumborum.
        y = _spine_y(body, s)
        for side in (-1, 1):
            c.ellipse(56 - 55 * streak, centre=(side * 31, y + 33), radii=(25, 17), power=2.4)
            if s > 90:
                k = curve(s, (90, 130, 240), (0.3, 1, 1))
                c.ellipse(58 - 30 * streak, centre=(side * 58, y + 16), radii=(18 * k, 8 * k), angle=side * -0.5)
            if s > 100:
                k = curve(s, (100, 150, 220, 290), (0.3, 0.8, 1.15, 1.3))
                at = (side * curve(s, (100, 220, 300), (27, 38, 56)), y + curve(s, (100, 220, 300), (4, -2, -26)))
                c.ellipse(60 - 30 * streak, centre=at, radii=(14 * k, 17 * k), angle=side * 0.4)

    def _ribs(self) -> None:
        c, s = self.canvas, self.s
        if s > 190:
            return
        shell = (self.fascia < 2) & (self.fascia > -18) & (c.y > -62 + 0 * c.x)
        rows, columns = np.nonzero(shell)
        d = self.fascia[rows, columns] + 7.5
        phi = np.arctan2(np.abs(c.xs[columns]), c.ys[rows] + 1e-3)
        value = c.image[rows, columns]
        texture = self.fields["trabecular"][rows, columns]
        for rib in range(6):
            head = -46 + 23.0 * rib
            last = (2.2, 2.1, 2.0, 1.85, 1.4, 1.0)[rib]
            level = head + 72 * np.minimum(phi / last, 1.0) ** 1.1
            shape = np.sqrt((d / 3.7) ** 2 + ((s - level) / 7.2) ** 2)
            bony = np.clip((1 - shape) * 3.7 / self.size.pixel + 0.5, 0, 1) * (phi < last) * (phi > 0.2)
            value += bony * (190 + 80 * texture + np.clip((shape - 0.52) * 4, 0, 1) * 620 - value)
        c.image[rows, columns] = value

    def _upper_organs(self) -> None:
        c, s, soft = self.canvas, self.s, self.fields["soft"]
        # Lung bases above the liver's shoulders.
        if s < 46:
            lung = self.inner + 2
            dome = 4 + (np.hypot((c.x + 60) / 70, (c.y + 5) / 84) ** 2) * 58
            dome_left = 12 + (np.hypot((c.x - 66) / 66, (c.y + 5) / 84) ** 2) * 56
            level = np.where(c.x < 0, dome, dome_left)
            middle: Array = ellipse_distance(c.x, c.y, centre=(6, -16), radii=(30, 84), power=2.4) + self.warp * 3
            if s < 24:
                heart = ellipse_distance(c.x, c.y, centre=(22, -46), radii=(56 - s, 34 - s * 0.6), angle=0.45)
                middle = smooth_union(middle, heart, 8)
                c.paint(128 + 5 * soft, step(heart + 4, 1.6) * self.cavity)
            self.lung = (step(lung, 1.5) * np.clip((level - s) / 4, 0, 1) * step(-middle, 1.5)).astype(np.float32)
        else:
            self.lung = np.zeros_like(self.warp)
        liver: Array | None = None
        for centre, radii, angle in (
            ((-70.0, -8.0, 72.0), (76.0, 88.0, 84.0), 0.0),
            ((-82.0, 2.0, 122.0), (48.0, 66.0, 62.0), 0.1),
            ((2.0, -52.0, 56.0), (74.0, 34.0, 46.0), 0.16),
        ):
            part = self._ellipsoid(centre, radii, angle=angle, power=2.3)
            if part is not None:
                liver = part if liver is None else smooth_union(liver, part, 14)
        clip = self.cavity * (1 - self.lung)
        spleen = self._ellipsoid((104.0, 34.0, 66.0), (30.0, 54.0, 52.0), angle=-0.35)
        stomach = self._ellipsoid((62.0, -34.0, 62.0), (46.0, 40.0, 50.0), angle=0.4, wobble=2.0)
        antrum = self._ellipsoid((8.0, -48.0, 112.0), (46.0, 17.0, 22.0), angle=-0.2, wobble=2.0)
        if antrum is not None:
            stomach = antrum if stomach is None else smooth_union(stomach, antrum, 12)
        if stomach is not None:
            c.paint(88, step(stomach, 1.3) * clip)
            fold = np.clip(np.abs(self.fine) * 2.5, 0, 1)
            lumen = step(stomach + 4.0 + 2.0 * self.fine, 1.3) * clip
            c.paint(22 + 30 * (1 - fold), lumen)
            c.paint(-930, lumen * step(c.y + 47 + 0 * c.x, 1.2))
        self.liver = None
        if liver is not None:
            fossa = self._ellipsoid((-38.0, -46.0, 132.0), (17.0, 25.0, 34.0), wobble=0.2)
            if fossa is not None:
                liver = np.maximum(liver, -fossa)
            hilum = self._ellipsoid((-24.0, 2.0, 104.0), (18.0, 12.0, 26.0), wobble=0.5)
            if hilum is not None:
                liver = np.maximum(liver, -hilum)
            self.liver = step(liver, 1.4) * clip
            c.paint(112 + 4.5 * soft, self.liver)
            inner = step(liver + 7, 4) * clip
            rng = np.random.default_rng(seed_of(self.body.seed, "liver"))
            for _ in range(46):
                ax, ay, at = rng.uniform(-132, 34), rng.uniform(-80, 66), rng.uniform(15, 160)
                lean = float(np.arctan2(ay - 4, ax + 26) + rng.normal(0, 0.4))
                reach, wide = rng.uniform(8, 24), rng.uniform(1.4, 3.2)
                if abs(s - at) < 5:
                    ends = [
                        (ax - np.cos(lean) * reach / 2, ay - np.sin(lean) * reach / 2),
                        (ax + np.cos(lean) * reach / 2, ay + np.sin(lean) * reach / 2),
                    ]
                    c.line(158, ends, width=(wide * 1.7, wide), soft=1.5, clip=inner)
            if 14 < s < 44:  # the three hepatic veins run to the cava
                for end in ((-100.0, -4.0), (-66.0, -52.0), (0.0, -54.0)):
                    k = curve(s, (14, 24, 44), (0.5, 1, 0.3))
                    c.line(162, [(-20, 18), end], width=(11 * k, 4 * k), soft=1.5, clip=inner)
            if 74 < s < 104:  # portal vein and its branches
                k = float(np.sqrt(max(1 - ((s - 90) / 15) ** 2, 0.0)))
                c.line(168, [(4, -6), (-28, -8), (-62, -4), (-92, 6)], width=(15 * k, 7 * k), soft=1.5)
                c.line(168, [(-30, -8), (-26, -34), (2, -48)], width=(10 * k, 5 * k), soft=1.5, clip=self.liver)
        if spleen is not None:
            notch = self._ellipsoid((72.0, 22.0, 66.0), (22.0, 42.0, 46.0), angle=-0.35)
            shape = spleen if notch is None else np.maximum(spleen, -notch)
            c.paint(124 + 4.5 * soft, step(shape, 1.4) * clip)
        gall = self._ellipsoid((-38.0, -48.0, 136.0), (13.5, 19.0, 30.0), angle=0.3, wobble=0.4)
        if gall is not None:
            c.paint(70, step(gall - 1.4, 1.3) * self.cavity)
            c.paint(9, step(gall, 1.3) * self.cavity)
        # Pancreas: a lobulated band across the midline.
        for place, r in (
            ((-26, -12, 140), 15.0), ((-10, -18, 122), 11.0), ((14, -14, 112), 10.0), ((38, -4, 104), 10.0),
            ((62, 10, 96), 10.0), ((82, 20, 90), 9.0),
        ):  # fmt: skip
            part = self._ellipsoid(place, (r * 1.55, r * 0.95, 17.0), angle=0.35, wobble=1.2)
            if part is not None:
                c.paint(
                    98 + 5 * soft - 60 * np.clip(self.fine - 0.9, 0, 1),
                    step(part + 1.2 * self.fine, 1.8) * (c.image < 40),
                )
        if self.lung.any():
            c.paint(-860 + 14 * self.fine, self.lung)

    def _retroperitoneum(self) -> None:
        c, s, body, soft = self.canvas, self.s, self.body, self.fields["soft"]
        y = _spine_y(body, s)
        if s < 236:
            aorta = (curve(s, (0, 236), (12, 3)), y - 27)
            cava = (-21.0 + 0.02 * s, y - 24)
            c.ellipse(50, centre=aorta, radii=(12.2, 12.2))
            c.ellipse(168 + 4 * soft, centre=aorta, radii=(10.8, 10.8))
            if body.calcified_aorta and int(s) % 15 < 6:
                c.line(720, [(aorta[0] + 7, aorta[1] + 8), (aorta[0] + 10.6, aorta[1] + 3)], width=2.2)
            c.ellipse(152 + 5 * soft, centre=cava, radii=(14, 9.5 if s > 60 else 11), power=2.2)
            if s < 46:
                for side in (-1, 1):
                    c.line(60, [(aorta[0] + side * 13, aorta[1] - 8), (aorta[0] + side * 15, aorta[1] + 14)], width=7)
        else:
            spread = curve(s, (236, 300), (8, 46))
            for side in (-1, 1):
                at = (side * spread, y - 26 + 0.1 * (s - 236))
                c.ellipse(166, centre=at, radii=(6.5, 6.5))
                c.ellipse(148, centre=(at[0] + side * 3, at[1] + 12), radii=(8, 6.5))
        # Superior mesenteric vessels.
        if 104 < s < 250:
            k = curve(s, (104, 130, 250), (0.7, 1, 0.6))
            c.ellipse(-100, centre=(2, y - 50), radii=(10, 8), soft=3, strength=0.8)
            c.ellipse(168, centre=(4, y - 48), radii=(3.6 * k, 3.6 * k))
            c.ellipse(164, centre=(-9, y - 48), radii=(5.6 * k, 5.6 * k))
        for side, centre in ((-1, (-64.0, 36.0, 158.0)), (1, (64.0, 34.0, 146.0))):
            kidney = self._ellipsoid(centre, (29.0, 25.0, 56.0), angle=side * 0.5, wobble=0.7)
            if kidney is None:
                continue
            c.paint(-104, step(kidney - 11, 5) * self.cavity * (c.image < 30))
            c.paint(20, step(np.abs(kidney - 12 + 0.8 * self.fine) - 0.4, 1.0) * self.cavity * (c.image < -60) * 0.5)
            sinus_at = (centre[0] - side * 13, centre[1] - 9)
            deep = float(np.sqrt(max(1 - ((s - centre[2]) / 36) ** 2, 0.0)))
            sinus = ellipse_distance(
                c.x, c.y, centre=sinus_at, radii=(16 * deep + 0.1, 11 * deep + 0.1), angle=side * 0.6
            )
            sinus = sinus + self.warp * 1.5
            shape = np.maximum(kidney, -sinus - 0.5) if deep > 0.1 else kidney
            c.paint(186 + 4 * soft, step(shape, 1.3))
            pyramids = step(kidney + 8.5 + 2.5 * self.fine, 2.0) * step(-(np.abs(self.fine) - 0.15) * 6, 2.0)
            c.paint(150, pyramids * step(shape, 1.3))
            if deep > 0.1:
                c.paint(-85, step(sinus + 0.5, 1.5) * step(kidney + 1, 1.5))
                full = 0.35 + (body.hydronephrosis if side > 0 else 0.0) * 0.75
                pelvis = ellipse_distance(
                    c.x, c.y, centre=sinus_at, radii=(13 * deep * full + 0.1, 8.5 * deep * full + 0.1), angle=side * 0.6
                )
                c.paint(9, step(pelvis, 1.4))
                c.line(160, [(centre[0] - side * 22, centre[1] - 12), (0, y - 27)], width=5.5 * max(deep - 0.8, 0) * 4)
            # Adrenal above.
        if 78 < s < 98:
            for side in (-1, 1):
                at = (side * 42.0, 26.0)
                c.line(92, [(at[0], at[1] - 10), at, (at[0] - 5, at[1] + 13)], width=3.8)
                c.line(92, [at, (at[0] + 6, at[1] + 12)], width=3.6)
        # Ureters.
        if s > 180:
            for side in (-1, 1):
                wide = 2.2 + (2.2 * body.hydronephrosis if side > 0 and s < 232 else 0)
                at = (side * curve(s, (180, 300), (44, 34)), y - curve(s, (180, 300), (22, 34)))
                c.ellipse(60, centre=at, radii=(wide + 0.6, wide + 0.6))
                c.ellipse(14, centre=at, radii=(wide, wide), strength=0.9)

    def _pelvis(self) -> None:
        c, s = self.canvas, self.s
        if s < 222:
            return
        y = _spine_y(self.body, s)
        trab = self.fields["trabecular"]
        low = curve(s, (222, 245, 300), (0.25, 0.8, 1.0))
        for side in (-1, 1):
            back = (side * curve(s, (222, 300), (74, 46)), y + curve(s, (222, 300), (24, 26)))
            front = (side * curve(s, (222, 300), (100, 122)), y + 20 - 78 * low)
            bow = (side * (abs(back[0] + front[0]) / 2 + 22), (back[1] + front[1]) / 2 + 8)
            points = bezier([back, bow, front], 7)
            c.line(58, [(x - side * 9, yy + 4) for x, yy in points], width=17)
            c.line(56, [(x + side * 12, yy + 10) for x, yy in points], width=22)
            c.line(690, points, width=(9.5, 7.5))
            c.line(260, points, width=(6.5, 4.2))
        if s > 264:
            k = curve(s, (264, 300), (0.6, 1))
            c.ellipse(640, centre=(0, y + 6), radii=(58 * k, 20 * k), power=2.6)
            c.ellipse(190 + 70 * trab, centre=(0, y + 6), radii=(55 * k, 17.5 * k), power=2.6)


def _walk(rng: np.random.Generator, start: Point3, low: Point3, high: Point3, count: int, reach: float) -> list[Point3]:
    at = np.array(start, float)
    heading = rng.normal(size=3)
    points = [start]
    for _ in range(count):
        heading = heading / np.linalg.norm(heading) + rng.normal(0, 0.55, 3)
        heading /= np.linalg.norm(heading)
        after = at + heading * reach
        for axis in range(3):
            if not low[axis] < after[axis] < high[axis]:
                heading[axis] *= -1
        at = np.clip(at + heading * reach, low, high)
        points.append((float(at[0]), float(at[1]), float(at[2])))
    return points


def _bowel(body: AbdomenBody, grid: Grid, fine: Array, cavity: Array) -> None:
    """Lay small bowel and colon into the fat that the organs left."""
    rng = np.random.default_rng(seed_of(body.seed, "bowel"))

    def tube(points: list[Point3], radius: float, content: float, gas: float, haustra: float = 0.0) -> None:
        pairs = list(zip(points, points[1:], strict=False))
        radii = [radius * (1 + haustra * np.sin(index * 1.9)) for index in range(len(points))]
        cover = []
        for index, (p, q) in enumerate(pairs):
            found = grid.tube_coverage(Tube(p, q, radii[index], radii[index + 1]))
            inner = grid.tube_coverage(Tube(p, q, radii[index] - 2.6, radii[index + 1] - 2.6))
            if found is None:
                continue
            box, coverage = found
            target = grid.volume[box]
            free = (target < -55) & (target > -140) & (cavity[box] > 0.9)
            target += coverage * free * (92 - target)
            if inner is not None:
                cover.append(inner)
        for box, coverage in cover:
            target = grid.volume[box]
            wall = (target > 60) & (target < 100)
            value = np.full(target.shape, content, np.float32)
            if haustra:
                texture = fine[box]
                value = np.where(texture > 0.55, -520, content + 26 * texture).astype(np.float32)
            if gas:
                middle = float(np.mean(grid.ys[box[1]]))
                value = np.where(grid.ys[box[1]][None, :, None] < middle - radius * (1 - gas), -900, value)
            target += coverage * wall * (value - target)

    ascending = [CAECUM, (-108.0, 4.0, 236.0), (-108.0, 10.0, 206.0), (-102.0, 4.0, 178.0), (-88.0, -34.0, 168.0)]
    transverse = [
        (-88.0, -34.0, 168.0),
        (-62.0, -66.0, 172.0),
        (-24.0, -74.0, 180.0),
        (18.0, -74.0, 176.0),
        (58.0, -64.0, 160.0),
        (88.0, -34.0, 132.0),
        (104.0, -4.0, 112.0),
    ]
    descending = [
        (104.0, -4.0, 112.0),
        (110.0, 18.0, 140.0),
        (108.0, 22.0, 176.0),
        (106.0, 18.0, 212.0),
        (104.0, 4.0, 250.0),
        (92.0, -8.0, 284.0),
        (70.0, -10.0, 310.0),
    ]

    def dense(points: list[Point3], per: int) -> list[Point3]:
        t = np.linspace(0, len(points) - 1, (len(points) - 1) * per + 1)
        columns = [np.interp(t, range(len(points)), [p[axis] for p in points]) for axis in range(3)]
        return [(float(x), float(y), float(z)) for x, y, z in zip(*columns, strict=True)]

    tube(dense(ascending, 3), 22.0, 22.0, 0.0, haustra=0.13)
    tube(dense(transverse, 3), 17.0, 8.0, 0.75, haustra=0.14)
    tube(dense(descending, 3), 13.0, 26.0, 0.0, haustra=0.12)
    low, high = (-78.0, -74.0, 146.0), (80.0, -6.0, 298.0)
    for index in range(26):
        start = tuple(rng.uniform(low, high))
        points = _walk(rng, (float(start[0]), float(start[1]), float(start[2])), low, high, 7, 15.0)
        tube(points, float(rng.uniform(9, 12.5)), float(rng.uniform(12, 40)), 0.6 if index % 5 == 0 else 0.0)
    # Mesenteric vessels fan out through the fat.
    for _ in range(90):
        end = np.array(rng.uniform(low, high))
        root = np.array((-4.0, -14.0, 150.0 + (end[2] - 150) * 0.4))
        start = root + (end - root) * rng.uniform(0.2, 0.7)
        found = grid.tube_coverage(Tube(tuple(start), tuple(start + (end - start) * 0.6), 1.7, 0.9))
        if found is not None:
            box, coverage = found
            target = grid.volume[box]
            target += coverage * ((target < -40) & (target > -140)) * (120 - target)
    # Appendix.
    r = body.appendix
    for p, q in zip(APPENDIX, APPENDIX[1:], strict=False):
        for radius, value in ((r, 118.0 if r > 3 else 80.0), (max(r - 2.2, 0.8), 14.0 if r > 3 else -300.0)):
            found = grid.tube_coverage(Tube(p, q, radius, radius))
            if found is not None:
                box, coverage = found
                target = grid.volume[box]
                target += coverage * (target < 150) * (target > -400) * (value - target)


@lru_cache(maxsize=3)
def _anatomy(body: AbdomenBody, size_name: str) -> Array:
    size = SIZES[size_name]
    rng = np.random.default_rng(seed_of(body.seed, "textures"))
    coarse, flat = (size.slices, 128, 128), (size.matrix, size.matrix)
    spacing = (size.spacing, size.matrix * size.pixel / 128, size.matrix * size.pixel / 128)
    pixel = (size.pixel, size.pixel)
    fields = {
        "warp": smooth_noise(rng, coarse, spacing=spacing, scale=20.0),
        "fine": band_noise(rng, coarse, spacing=spacing, wavelength=15.0, width=0.5),
        "trabecular": band_noise(rng, flat, spacing=pixel, wavelength=3.4, width=0.5),
        "muscle": band_noise(rng, flat, spacing=pixel, wavelength=7.0, width=0.6),
        "soft": smooth_noise(rng, flat, spacing=pixel, scale=5.0),
    }
    slices = [_Slice(body, size, fields, index) for index in range(size.slices)]
    volume = np.stack([one.draw() for one in slices]).astype(np.float32)
    fine = np.stack([one.fine for one in slices])
    cavity = np.stack([step(one.inner + 3, 1.0) for one in slices])
    _bowel(body, _grid(volume, size), fine, cavity)
    volume.setflags(write=False)
    return volume


def _grid(volume: Array, size: AbdomenSize) -> Grid:
    half = (size.matrix - 1) / 2 * size.pixel
    return Grid(volume, pixel=size.pixel, origin=(-half, -half), top=0.0, thickness=size.spacing)


def _insert(body: AbdomenBody, grid: Grid, finding: AbdomenFinding) -> None:
    x0, y0, s0 = finding.place
    radius = finding.diameter / 2
    reach = radius + (26 if finding.kind == "appendix" else 5)
    box = grid.box((x0 - reach, y0 - reach, s0 - reach), (x0 + reach, y0 + reach, s0 + reach))
    if box is None:
        return
    target = grid.volume[box]
    dx = grid.xs[box[2]][None, None, :] - x0
    dy = grid.ys[box[1]][None, :, None] - y0
    dz = grid.zs[box[0]][:, None, None] - s0
    r = np.sqrt(dx * dx + dy * dy + dz * dz)
    rng = np.random.default_rng(seed_of(body.seed, "finding", finding.label))
    theta = np.arctan2(dy, dx)
    wobble = 1 + 0.05 * np.sin(3 * theta + rng.uniform(0, 6)) + 0.04 * np.sin(5 * theta + rng.uniform(0, 6))
    inside = np.clip(0.5 + (radius * wobble - r) / (3.0 if finding.kind == "metastasis" else 1.4), 0, 1)
    if finding.kind == "metastasis":
        rim = np.exp(-(((r - radius) / 2.6) ** 2))
        value = 62 - 26 * np.clip(1 - r / (radius * 0.7), 0, 1)
        target += inside * (value - target)
        target += rim * 20 * (target > 40) * (target < 150)
    elif finding.kind == "cyst":
        target += inside * (6 - target)
    elif finding.kind == "haemangioma":
        globules = np.clip(np.sin(theta * 5 + dz * 0.5) * 1.6, 0, 1) * np.exp(
            -(((r - radius * 0.82) / (radius * 0.2)) ** 2)
        )
        target += inside * (64 - target)
        target += inside * globules * (165 - target)
    elif finding.kind == "stone":
        thick = np.clip(0.5 + (radius - np.sqrt(dx * dx + dy * dy)) / 1.1, 0, 1) * (
            np.abs(dz) <= max(radius, grid.thickness / 2)
        )
        target += thick * (STONE_HU - target)
    else:  # appendix: a stone in it, and the fat round it inflamed
        stone = np.clip(0.5 + (2.6 - np.sqrt(dx * dx + dy * dy)) / 1.1, 0, 1) * (np.abs(dz) <= grid.thickness / 2)
        haze = np.exp(-((r / 19) ** 2)) * (target < -40) * (target > -150)
        strands = np.clip(np.sin(theta * 9 + r * 0.5 + dz) - 0.2, 0, 1)
        target += haze * (52 + 58 * strands)
        target += stone * (520 - target)


def abdomen_volume(
    body: AbdomenBody, findings: tuple[AbdomenFinding, ...] = (), *, size: str = "full", noise: float = 12.0
) -> Array:
    """Return Hounsfield units[slice, row, column]; the noise belongs to the body, so twins share it."""
    shape = SIZES[size]
    volume = _anatomy(body, size).copy()
    grid = _grid(volume, shape)
    for finding in findings:
        _insert(body, grid, finding)
    rng = np.random.default_rng(seed_of(body.seed, "quanta"))
    bank = NoiseBank(rng, (shape.matrix, shape.matrix), wavelength=3.2)
    xs, ys = grid.xs[None, :], grid.ys[:, None]
    profile = (0.62 + 0.5 * np.exp(-(xs**2 / 120**2 + ys**2 / 85**2))).astype(np.float32)
    circle = (xs**2 + ys**2) > (shape.matrix / 2 * shape.pixel) ** 2
    for image in volume:
        bed = np.abs(ys - 122 + (xs / 185) ** 2 * 24) - 1.2
        image += step(bed + 0 * xs, 1.2) * (image < -900) * 800
        image += noise * profile * np.where(image > -930, 1.0, 0.3).astype(np.float32) * bank.next()
        image[circle] = -1024
    return volume


def abdomen_ct(
    visit: Visit | None = None,
    *,
    body: AbdomenBody | None = None,
    findings: tuple[AbdomenFinding, ...] = (),
    size: str = "full",
    noise: float = 12.0,
    description: str = "Abdomen 5.0 B30f portal venous",
) -> PhantomStudy:
    """Return an abdominal CT study with the given findings and their truth."""
    visit = visit or Visit(key=f"abdomen-ct-{size}", description="CT abdomen with contrast")
    body = body or AbdomenBody()
    shape = SIZES[size]
    half = (shape.matrix - 1) / 2 * shape.pixel
    geometry = VolumeGeometry((-half, -half, 900.0), shape.pixel, shape.spacing, shape.spacing)
    plan = SeriesPlan(visit, 3, "CT", description, CT, CT_SCANNER, "ABDOMEN", JPEGLSLossless)
    volume = np.rint(abdomen_volume(body, findings, size=size, noise=noise)).astype(np.int16)
    series = ct_series(
        plan, volume, geometry, windows=[("ABDOMEN", 60, 400), ("LIVER", 100, 200)], kernel="B30f",
        contrast="Iohexol 350",
    )  # fmt: skip
    value = {"metastasis": 55.0, "cyst": 6.0, "haemangioma": 64.0, "stone": STONE_HU, "appendix": 118.0}
    lesions = tuple(
        lesion_in_stack(
            plan,
            geometry,
            shape.slices,
            label=one.label,
            kind=one.kind,
            centre=(one.place[0], one.place[1], 900.0 - one.place[2]),
            radius=one.diameter / 2,
            value=value[one.kind],
        )
        for one in findings
    )
    return PhantomStudy(visit, (series,), lesions)
