"""A chest CT with contrast: body wall, ribs, spine, mediastinum, heart, airways, vessel trees, upper abdomen, nodules.

Anatomy is written as functions of ``s``, the distance in millimetres below the lung apices, so that every slice is
drawn in the plane by itself; ribs, clavicles, vessels and airways are three-dimensional tubes. One body (its seed) can
be scanned several times, with or without lesions: the twins differ in nothing but the lesions.
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
    Point,
    Point3,
    Tube,
    band_noise,
    curve,
    ellipse_distance,
    smooth_noise,
    smooth_union,
    step,
)
from pacsweb.demo.phantoms.skeleton import draw_vertebra
from pacsweb.demo.phantoms.trees import grow


@dataclass(frozen=True)
class ChestSize:
    matrix: int
    pixel: float
    slices: int
    spacing: float


SIZES = {"full": ChestSize(384, 0.96, 56, 5.0), "small": ChestSize(64, 5.76, 12, 24.0)}
TOP = -12.0


@dataclass(frozen=True)
class Body:
    """What makes one patient's chest unlike another's."""

    seed: str = "body-a"
    width: float = 1.0
    depth: float = 1.0
    fat: float = 14.0
    female: bool = False
    heart: float = 1.0
    emphysema: float = 0.0
    calcified_arteries: bool = False


@dataclass(frozen=True)
class Nodule:
    """A pulmonary nodule.

    place: (x, y, s) in millimetres, x to the patient's left, y to the back, s below the apices;
    density: ``solid``, ``ground-glass``, ``part-solid`` or ``calcified``; spiculation 0–1; lobulation 0–1.
    """

    label: str
    place: Point3
    diameter: float
    density: str = "solid"
    spiculation: float = 0.0
    lobulation: float = 0.25


@dataclass(frozen=True)
class Embolus:
    """A filling defect that lies along a central pulmonary artery, from start to end."""

    label: str
    start: Point3
    end: Point3
    radius: float = 4.0


Finding = Nodule | Embolus


# --- the shape of the chest as functions of s -----------------------------------------------------------------------

_S = (-16.0, 0.0, 20.0, 45.0, 80.0, 120.0, 170.0, 220.0, 270.0)


def _body_radii(body: Body, s: float) -> Point:
    a = curve(s, _S, (150, 158, 172, 176, 172, 167, 163, 160, 158)) * body.width
    b = curve(s, _S, (78, 84, 94, 102, 110, 114, 115, 114, 112)) * body.depth
    return a + (body.fat - 14) * 0.9, b + (body.fat - 14) * 0.7


def _cavity(body: Body, s: float) -> tuple[Point, Point]:
    a = curve(s, _S, (30, 58, 84, 104, 121, 129, 133, 134, 132)) * body.width
    b = curve(s, _S, (20, 36, 54, 70, 82, 89, 92, 91, 88)) * body.depth
    y = curve(s, _S, (24, 18, 12, 6, 1, -2, -3, -3, -3))
    return (a, b), (0.0, y)


def _spine_y(body: Body, s: float) -> float:
    return curve(s, (-16, 40, 120, 220, 270), (32, 45, 56, 54, 48)) * body.depth


def _right_dome(x: Array, y: Array) -> Array:
    return 186 + ((x + 66) / 64) ** 2 * 34 + ((y + 12) / 78) ** 2 * 44


def _left_dome(x: Array, y: Array) -> Array:
    return 200 + ((x - 66) / 64) ** 2 * 34 + ((y + 10) / 78) ** 2 * 42


def _heart(body: Body, s: float) -> tuple[Point, Point, float] | None:
    """Return centre, radii and tilt of the heart's outline at level s, or None where there is none."""
    if not 118 < s < 240:
        return None
    k = np.sqrt(max(1 - ((s - 182) / (64 if s < 182 else 58)) ** 2, 0.0))
    k = float(k) ** 0.8
    if k < 0.12:
        return None
    centre = (curve(s, (118, 150, 190, 240), (10, 16, 27, 36)), curve(s, (118, 150, 190, 240), (-30, -26, -28, -34)))
    return centre, (66 * k * body.heart, 47 * k * body.heart), 0.55


_DESCENDING = ((-16.0, 24.0, 26.0), (60.0, 26.0, 32.0), (100.0, 26.0, 34.0), (180.0, 22.0, 34.0), (280.0, 10.0, 28.0))


def _descending(body: Body, s: float) -> Point:
    knots = [k[0] for k in _DESCENDING]
    return (
        curve(s, knots, [k[1] for k in _DESCENDING]),
        curve(s, knots, [k[2] for k in _DESCENDING]) * body.depth,
    )


def _trachea(s: float) -> Point:
    return curve(s, (-16, 100), (0, -4)), curve(s, (-16, 0, 60, 100), (0, 2, 10, 16))


CARINA = 92.0


# --- painting ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Textures:
    """Random fields of one body, shared by its slices."""

    warp: Array
    parenchyma: Array
    trabecular: Array
    muscle: Array
    soft: Array


def _textures(body: Body, size: ChestSize) -> _Textures:
    rng = np.random.default_rng(seed_of(body.seed, "textures"))
    coarse = (size.slices, 96, 96)
    spacing = (size.spacing, size.matrix * size.pixel / 96, size.matrix * size.pixel / 96)
    flat = (size.matrix, size.matrix)
    pixel = (size.pixel, size.pixel)
    return _Textures(
        warp=smooth_noise(rng, coarse, spacing=spacing, scale=26.0),
        parenchyma=band_noise(rng, coarse, spacing=spacing, wavelength=14.0, width=0.6),
        trabecular=band_noise(rng, flat, spacing=pixel, wavelength=3.4, width=0.5),
        muscle=band_noise(rng, flat, spacing=pixel, wavelength=7.0, width=0.6),
        soft=smooth_noise(rng, flat, spacing=pixel, scale=5.0),
    )


def _stretch(field: Array, index: int, shape: tuple[int, int]) -> Array:
    from pacsweb.demo.phantoms.raster import upsample

    return upsample(field[index], shape)


class _Slice:
    """Draws one level of one body."""

    def __init__(self, body: Body, size: ChestSize, textures: _Textures, index: int) -> None:
        self.body, self.size, self.textures, self.index = body, size, textures, index
        self.s = TOP + index * size.spacing
        half = (size.matrix - 1) / 2 * size.pixel
        shape = (size.matrix, size.matrix)
        self.canvas = Canvas(shape=shape, pixel=size.pixel, origin=(-half, -half), fill=-1000)
        self.shape = shape
        self.lungs: Array = np.zeros(shape, np.float32)

    def draw(self) -> Array:
        self._outline()
        self._cavity()
        self._ribs()
        self._scapulae()
        self._sternum()
        self._mediastinum()
        self._below_diaphragm()
        self._spine()
        self._table()
        return self.canvas.image

    # body wall ......................................................................................................

    def _outline(self) -> None:
        body, c, s = self.body, self.canvas, self.s
        warp = _stretch(self.textures.warp, self.index, self.shape)
        self.warp = warp
        radii = _body_radii(body, s)
        power = curve(s, (-16, 60, 200), (2.3, 2.45, 2.5))
        skin = ellipse_distance(c.x, c.y, centre=(0, 2), radii=radii, power=power) + warp * 2.2
        if s < 30:
            # Shoulders with the arms raised.
            for side in (-1, 1):
                arm = ellipse_distance(c.x, c.y, centre=(side * 150, 22), radii=(46 - max(s, 0) * 0.7, 42), power=2)
                skin = smooth_union(skin, arm.astype(np.float32), 18)
        if body.female:
            for side in (-1, 1):
                droop = curve(s, (60, 95, 140, 185, 205), (0, 0.6, 1.0, 0.7, 0))
                if droop > 0.05:
                    breast = ellipse_distance(
                        c.x, c.y, centre=(side * 78, -92 * body.depth), radii=(58 * droop, 46 * droop)
                    )
                    skin = smooth_union(skin, breast, 14)
        self.skin = skin
        inside = step(skin, c.pixel)
        c.paint(20, inside)
        fat = step(skin + 2.2, c.pixel)
        c.paint(-104 + self.textures.soft * 5, fat)
        if body.female and 60 < s < 205:
            strands = np.clip(self.textures.muscle * 1.1 - 0.5 + warp * 0.5, 0, 1)
            for side in (-1, 1):
                droop = curve(s, (60, 95, 140, 185, 205), (0, 0.6, 1.0, 0.7, 0))
                if droop > 0.2:
                    gland = step(
                        ellipse_distance(
                            c.x, c.y, centre=(side * 80, -104 * body.depth), radii=(36 * droop, 24 * droop)
                        ),
                        14,
                    )
                    c.paint(25, gland * strands * fat * 0.9)
        # Muscle: what lies between the fat and the ribs, split by fat planes that follow the wall.
        (a, b), centre = _cavity(body, s)
        self.wall = ellipse_distance(c.x, c.y, centre=centre, radii=(a, b), power=2.25) + warp * 1.2
        angle = np.arctan2(c.y - centre[1], np.abs(c.x) + 1e-3)  # +90° is posterior
        self.angle = angle
        thickness = (
            14
            + 15 * np.exp(-(((angle - 0.75) / 0.55) ** 2)) * curve(s, (0, 60, 150, 220), (1.6, 1.6, 1.0, 0.55))
            + 13 * np.exp(-(((angle + 0.85) / 0.38) ** 2)) * curve(s, (0, 40, 110, 160), (0.7, 1.2, 0.5, 0))
            + 16 * np.exp(-(((angle - 1.35) / 0.30) ** 2))
            - 7 * np.exp(-(((angle + 1.5) / 0.3) ** 2))
        )
        muscle = step(np.maximum(self.wall - thickness, skin + body.fat * 0.62 + 3 + warp * 1.5), 2.2)
        streaks = np.clip(self.textures.muscle * 0.8 - 0.9, 0, 1)
        c.paint(56 + self.textures.soft * 4 - streaks * 55, muscle * fat)
        if s < 46:
            # Deltoid, rotator cuff and axilla round the humeral heads.
            fade = curve(s, (-16, 20, 46), (1.0, 0.85, 0.15))
            for side in (-1, 1):
                mass = ellipse_distance(
                    c.x, c.y, centre=(side * 138, 24 + s * 0.3), radii=(52 * fade, 40 * fade), power=2.4
                )
                cuff = step(mass + 5 * warp + 0.6 * self.textures.muscle, 2.5) * step(skin + body.fat * 0.7, 3)
                c.paint(54 + 5 * self.textures.soft - streaks * 60, cuff)
                gap = step(np.abs(mass + 15 + 6 * warp) - 1.2, 1.5) * cuff
                c.paint(-75, gap * 0.8)
                if s < 12:
                    head = 22 * curve(s, (-16, 0, 12), (1, 0.95, 0.3))
                    c.ellipse(-20, centre=(side * 150, 16), radii=(head + 2.5, head + 2.5))
                    c.ellipse(640, centre=(side * 150, 16), radii=(head, head))
                    c.ellipse(250 + 60 * self.textures.trabecular, centre=(side * 150, 16), radii=(head - 2, head - 2))
        # Fat planes between the layers of muscle.
        for depth, width in ((0.52, 1.5), (0.80, 1.2)):
            plane = np.abs(self.wall - 9 - (thickness - 9) * depth + warp * 2.4 + self.textures.muscle * 0.7) - width
            strength = np.clip(0.75 + 0.4 * warp, 0, 1) * (thickness > 17)
            c.paint(-82, step(plane, 1.6) * strength * muscle * fat * (self.wall > 10))

    def _cavity(self) -> None:
        c, s = self.canvas, self.s
        # Extrapleural fat, then lung.
        cavity = step(self.wall, c.pixel)
        c.paint(8, step(self.wall - 1.3, 1.6))
        texture = _stretch(self.textures.parenchyma, self.index, self.shape)
        (_, b), centre = _cavity(self.body, s)
        dependent = np.clip((c.y - centre[1]) / b, -1, 1)
        lung = -868 + 26 * dependent + 11 * texture + 7 * self.textures.trabecular + 9 * self.warp
        if self.body.emphysema:
            holes = np.clip(texture * 1.3 + self.warp * 0.5 - 0.45, 0, 1) * curve(s, (0, 110, 200), (1, 0.7, 0.2))
            lung = lung - 95 * self.body.emphysema * holes
        self.cavity = cavity
        c.paint(lung.astype(np.float32), cavity)

    # bones ..........................................................................................................

    def _ribs(self) -> None:
        c, s, wall = self.canvas, self.s, self.wall
        shell = (wall > -1) & (wall < 17)
        if not shell.any():
            return
        rows, columns = np.nonzero(shell)
        d = wall[rows, columns]
        x = c.xs[columns]
        (a, b), centre = _cavity(self.body, s)
        y = c.ys[rows]
        # Angle from the back (0) round the side to the front (pi), in the stretched circle of the cavity.
        phi = np.arctan2(np.abs(x) / a, (y - centre[1]) / b)
        value = c.image[rows, columns]
        texture = self.textures.trabecular[rows, columns]
        for rib in range(1, 13):
            if rib == 12:
                last = 1.1
            elif rib == 11:
                last = 1.5
            else:
                last = curve(rib, (1, 3, 7, 10), (2.55, 2.5, 2.35, 2.05))
            head = -14 + 21.5 * (rib - 1)
            drop = curve(rib, (1, 2, 4, 7, 12), (24, 42, 62, 74, 70))
            level = head + drop * np.minimum(phi / last, 1.0) ** 1.15 - 3 * np.exp(-((phi / 0.3) ** 2))
            up = s - level
            # The costal cartilage climbs to the sternum.
            beyond = np.clip(phi - last, 0, None)
            climb = 0.0 if rib <= 2 else curve(rib, (3, 7, 10), (10, 55, 120))
            up_cartilage = s - (head + drop - climb * beyond / max(np.pi - last, 0.1))
            thick = np.float32(3.7 if rib > 1 else 3.2)
            tall = np.float32(6.6 if rib > 1 else 4.5)
            slope = np.clip(drop / 180, 0.1, 0.5)
            tall_here = tall * np.sqrt(1 + slope * slope)
            depth = (d - 7.2) / thick
            shape = np.sqrt(depth**2 + (up / tall_here) ** 2)
            bony = np.clip((1 - shape) * thick / self.size.pixel + 0.5, 0, 1) * (phi < last) * (phi > 0.12)
            cortex = np.clip((shape - 0.52) * 4, 0, 1)
            hu = 190 + 90 * texture + cortex * 640
            value += bony * (hu - value)
            if rib <= 10:
                shape_c = np.sqrt(depth**2 + (up_cartilage / 7.5) ** 2)
                soft = np.clip((1 - shape_c) * thick / self.size.pixel + 0.5, 0, 1) * (phi >= last) * (phi < 3.0)
                value += soft * (108 + 14 * texture - value)
        c.image[rows, columns] = value
        # Vessel and nerve below each rib are too thin to draw; clavicles come as tubes.

    def _scapulae(self) -> None:
        c, s = self.canvas, self.s
        if not 6 < s < 128:
            return
        (a, b), centre = _cavity(self.body, s)
        for side in (-1, 1):
            # The blade runs from the medial border (near the spine) to the lateral border, tapering downwards.
            medial = (side * (a * 0.62 + 4), centre[1] + b * 0.98 + 14)
            lateral = (side * (a + 28), centre[1] + b * 0.30 + 2)
            taper = curve(s, (6, 30, 90, 128), (1.0, 1.0, 0.62, 0.12))
            lateral = (
                medial[0] + (lateral[0] - medial[0]) * taper,
                medial[1] + (lateral[1] - medial[1]) * taper,
            )
            bow = (
                (medial[0] + lateral[0]) / 2 + side * 5,
                (medial[1] + lateral[1]) / 2 + 4,
            )
            clip = (self.skin < -6).astype(np.float32)
            points = [medial, bow, lateral]
            c.line(690, points, width=(3.4, 5.2), clip=clip)
            c.line(330, points, width=(1.0, 2.6), clip=clip)
            if s < 52:
                tip = (lateral[0] + side * 2, lateral[1] + 30 * curve(s, (6, 30, 52), (1, 0.9, 0.2)))
                start = (bow[0] + side * 12, bow[1] + 2)
                end = (tip[0] - side * 6, bow[1] + 20 * curve(s, (6, 30, 52), (1, 0.9, 0.3)))
                c.line(640, [start, end], width=(3.6, 5.5), clip=clip)
            if s < 34:
                for radius, hu in ((16.0, 650), (13.6, 240)):
                    c.ellipse(
                        hu, centre=(lateral[0] + side * 6, lateral[1] - 6), radii=(radius * 0.66, radius), clip=clip
                    )

    def _sternum(self) -> None:
        c, s = self.canvas, self.s
        if not 28 < s < 190:
            return
        (a, b), centre = _cavity(self.body, s)
        y = centre[1] - b - curve(s, (28, 60, 190), (2, 6, 7))
        width = curve(s, (28, 45, 70, 80, 120, 165, 190), (30, 28, 19, 17, 20, 14, 5))
        depth = curve(s, (28, 60, 160, 190), (7.5, 6.5, 5.5, 3.0))
        c.ellipse(12, centre=(0, y + 8), radii=(a * 0.45, 5), soft=4, strength=0.5)
        c.ellipse(560, centre=(0, y), radii=(width, depth), power=2.8)
        inner = np.float32(150) + 70 * self.textures.trabecular
        c.ellipse(inner, centre=(0, y), radii=(width - 1.8, depth - 1.8), power=2.8)
        if abs(s - 71) < 3:
            c.ellipse(130, centre=(0, y), radii=(width - 1, depth - 1), strength=0.8)

    def _spine(self) -> None:
        s = self.s
        draw_vertebra(
            self.canvas,
            self.textures.trabecular,
            phase=(s + 16) % 24.0,
            y=_spine_y(self.body, s),
            radii=(curve(s, (-16, 270), (13.5, 20.0)), curve(s, (-16, 270), (10.5, 15.0))),
        )

    # mediastinum ....................................................................................................

    def _mediastinum(self) -> None:
        body, c, s = self.body, self.canvas, self.s
        (_, b), centre = _cavity(body, s)
        spine = _spine_y(body, s)
        front = centre[1] - b
        middle = (front + spine) / 2
        waist = curve(s, (-16, 0, 25, 50, 90, 130, 200, 270), (40, 26, 24, 27, 23, 21, 24, 30))
        region = ellipse_distance(c.x, c.y, centre=(2, middle), radii=(waist, (spine - front) / 2 + 8), power=3)
        # Anterior junction: the lungs almost meet behind the sternum.
        if 50 < s < 170:
            narrow = ellipse_distance(c.x, c.y, centre=(0, front + 2), radii=(26, 12))
            region = smooth_union(region, narrow, 10)
            for side in (-1, 1):
                notch = ellipse_distance(c.x, c.y, centre=(side * 30, front + 24), radii=(22, 20))
                region = np.maximum(region, -notch)
        vertebra = ellipse_distance(c.x, c.y, centre=(0, spine + 6), radii=(25, 25))
        region = smooth_union(region, vertebra, 5)
        dx, dy = _descending(body, s)
        if s > 58:
            region = smooth_union(region, ellipse_distance(c.x, c.y, centre=(dx, dy), radii=(15.5, 15.5)), 4)
        if 46 < s < 74:
            k = np.sqrt(max(1 - ((s - 60) / 15) ** 2, 0.05))
            arch = ellipse_distance(c.x, c.y, centre=(21, 2), radii=(19, 42 * k), angle=-0.25)
            region = smooth_union(region, arch, 4)
        if 74 < s < 130:
            k = float(np.sqrt(max(1 - ((s - 103) / 30) ** 2, 0.0)))
            for x0, y0 in ((36, 2), (-34, -4)):
                hilum = ellipse_distance(c.x, c.y, centre=(x0, y0), radii=(17 * k + 0.1, 15 * k + 0.1))
                region = smooth_union(region, hilum, 7)
        heart = _heart(body, s)
        if heart is not None:
            hc, hr, tilt = heart
            outline = ellipse_distance(c.x, c.y, centre=hc, radii=(hr[0] + 4, hr[1] + 4), angle=tilt, power=2.15)
            region = smooth_union(region, outline, 6)
            if s > 175:
                for side, edge in ((1, 64.0), (-1, -38.0)):
                    pad = curve(s, (175, 205, 240), (0, 1, 0.5))
                    fatpad = ellipse_distance(
                        c.x, c.y, centre=(edge, front + 22), radii=(26 * pad + 0.1, 18 * pad + 0.1), angle=-0.4 * side
                    )
                    region = smooth_union(region, fatpad, 10)
        region = region + self.warp * 0.8
        inside = step(region, 1.4) * self.cavity
        # Lungs are what remains; the pleura shows as a thin soft line.
        c.paint(10, step(region - 1.1, 1.4) * self.cavity)
        c.paint(-96 + 8 * self.textures.soft + 9 * np.clip(self.textures.muscle, 0, 2), inside)
        self.region = region
        self._great_vessels()
        if heart is not None:
            self._heart_chambers(heart)
        self._airway_and_oesophagus()

    def _vessel(self, hu: float, centre: Point, radii: Point, *, angle: float = 0.0, wall: bool = True) -> None:
        c = self.canvas
        if wall:
            c.ellipse(45, centre=centre, radii=(radii[0] + 1.2, radii[1] + 1.2), angle=angle)
        texture = np.float32(hu) + 4 * self.textures.soft
        c.ellipse(texture, centre=centre, radii=radii, angle=angle)

    def _great_vessels(self) -> None:
        body, c, s = self.body, self.canvas, self.s
        aorta, pulmonary, vein = 205.0, 235.0, 175.0
        if s < 50:
            self._vessel(aorta, (curve(s, (-16, 45), (-24, -9)), curve(s, (-16, 45), (2, -18))), (6.5, 6.0))
            self._vessel(aorta, (curve(s, (-16, 45), (17, 6)), curve(s, (-16, 45), (4, -8))), (4.2, 4.2))
            self._vessel(aorta, (curve(s, (-16, 45), (34, 19)), curve(s, (-16, 45), (12, 6))), (5.2, 5.0))
            self._vessel(vein + 70, (curve(s, (-16, 45), (-34, -24)), curve(s, (-16, 45), (-8, -24))), (8.5, 7))
            if s < 36:
                self._vessel(vein, (curve(s, (-16, 36), (32, 14)), curve(s, (-16, 36), (-10, -34))), (8, 6.5))
            # Thyroid lobes at the very top.
            if s < -2:
                for side in (-1, 1):
                    c.ellipse(140, centre=(side * 15, 0), radii=(8, 12))
        if 30 < s < 50:
            c.line(vein, [(34 - (s - 30) * 0.2, -34), (0, -36), (-22, -28)], width=11)
        if 50 <= s < 140:
            self._vessel(vein + 60, (-26, curve(s, (50, 140), (-20, -14))), (8.5, 9.5))
        if 47 < s < 73:
            k = float(np.sqrt(max(1 - ((s - 60) / 14.5) ** 2, 0.02)))
            points = [(-8.0, -30.0), (10.0, -22.0), (20.0, 0.0), (25.0, 30.0)]
            c.line(45, points, width=24 * k + 2)
            c.line(aorta, points, width=(26 * k, 23 * k))
            if body.calcified_arteries and 54 < s < 66:
                c.line(680, [(28.5, 2), (30.5, 12)], width=2.4)
        if s >= 66:
            centre = _descending(body, s)
            self._vessel(aorta, centre, (11.4, 11.4))
            if body.calcified_arteries and int(s) % 24 < 9:
                c.line(620, [(centre[0] + 8, centre[1] + 8), (centre[0] + 11, centre[1] + 3)], width=2.0)
        if 68 <= s < 150:
            at = (curve(s, (68, 100, 150), (-12, -12, -2)), curve(s, (68, 100, 150), (-26, -26, -16)))
            self._vessel(aorta, at, (15.2, 15.2))
        if 84 <= s < 150:
            at = (curve(s, (84, 104, 150), (16, 15, 20)), curve(s, (84, 104, 150), (-24, -30, -44)))
            k = curve(s, (84, 92, 140, 150), (0.5, 1, 1, 0.7))
            self._vessel(pulmonary, at, (14 * k, 14 * k))
        if 84 <= s < 104:
            k = float(np.sqrt(max(1 - ((s - 93) / 11) ** 2, 0.02)))
            c.line(pulmonary, [(16, -22), (30, -8), (42, 4)], width=(22 * k, 17 * k))
        if 92 <= s < 116:
            k = float(np.sqrt(max(1 - ((s - 104) / 12.5) ** 2, 0.02)))
            c.line(pulmonary, [(15, -20), (0, -7), (-24, -4), (-44, 0)], width=(22 * k, 16 * k))
        # Azygos.
        if s > 70:
            c.ellipse(vein - 20, centre=(-9, _spine_y(body, s) - 15), radii=(3.4, 3.4))
        if 66 < s < 76:
            c.line(vein - 10, [(-10, 28), (-20, 8), (-24, -12)], width=6)
        # A few small nodes.
        rng = np.random.default_rng(seed_of(body.seed, "nodes"))
        for _ in range(9):
            x, y, level = rng.uniform(-22, 26), rng.uniform(-44, 14), rng.uniform(30, 130)
            reach = rng.uniform(2.0, 3.6)
            if abs(s - level) < reach + 2:
                part = c.window(x - 4, x + 4, y - 4, y + 4)
                if part is not None and c.image[part.rows, part.columns].mean() < -40:
                    c.ellipse(52, centre=(x, y), radii=(reach * 1.3, reach), angle=rng.uniform(0, 3))

    def _heart_chambers(self, heart: tuple[Point, Point, float]) -> None:
        c, s = self.canvas, self.s
        (hx, hy), (ra, rb), tilt = heart
        texture = self.textures.soft

        def place(u: float, v: float) -> Point:
            co, si = np.cos(tilt), np.sin(tilt)
            return float(hx + u * co - v * si), float(hy + u * si + v * co)

        k = ra / 66
        self.canvas.ellipse(-90, centre=(hx, hy), radii=(ra + 2, rb + 2), angle=tilt, power=2.15, strength=0.9)
        if s < 134:
            # The base: appendages beside the great arteries.
            c.ellipse(165 + 5 * texture, centre=place(-34 * k, -6 * k), radii=(18 * k, 20 * k), angle=tilt)
            c.ellipse(165 + 5 * texture, centre=place(8 * k, 24 * k), radii=(28 * k, 11 * k), angle=0.1)
            return
        c.ellipse(45, centre=(hx, hy), radii=(ra, rb), angle=tilt, power=2.15, soft=1.4)
        muscle = 104 + 5 * texture
        c.ellipse(muscle, centre=(hx, hy), radii=(ra - 1.2, rb - 1.2), angle=tilt, power=2.15)
        # Fat of the atrioventricular and interventricular grooves.
        c.ellipse(-70, centre=place(-16 * k, -rb + 1), radii=(9 * k, 6 * k), angle=tilt, soft=3)
        c.ellipse(-70, centre=place(30 * k, -rb + 3), radii=(7 * k, 4 * k), angle=tilt + 0.4, soft=3)
        c.ellipse(-60, centre=place(-14 * k, rb - 4), radii=(8 * k, 4.5 * k), angle=tilt, soft=3)
        blood = 182 + 5 * texture
        right = 196 + 7 * texture
        c.ellipse(right, centre=place(8 * k, -22 * k), radii=(34 * k, 13.5 * k), angle=tilt + 0.12, power=2.2)
        c.ellipse(right, centre=place(-42 * k, -4 * k), radii=(17 * k, 22 * k), angle=tilt, power=2.2)
        c.ellipse(right, centre=place(-27 * k, -14 * k), radii=(12 * k, 9 * k), angle=tilt, soft=4)
        c.ellipse(blood, centre=place(28 * k, 9 * k), radii=(27 * k, 13.5 * k), angle=tilt + 0.05, power=2.2)
        for u, v in ((36, 1), (40, 16)):
            c.ellipse(muscle, centre=place(u * k, v * k), radii=(5 * k, 2.8 * k), angle=tilt, soft=1.5)
        if s < 186:
            fade = curve(s, (134, 142, 176, 186), (0.8, 1, 1, 0.4))
            c.ellipse(blood, centre=(6, 9), radii=(31 * fade, 15 * fade), angle=0.10, power=2.2)
            c.ellipse(blood, centre=place(2 * k, 16 * k), radii=(12 * k, 9 * k), angle=tilt, soft=4, strength=0.9)
            if 140 < s < 166:
                for side in (-1, 1):
                    c.line(170, [(6 + side * 26, 9), (6 + side * 44, 16 - side * 2)], width=(11, 8))
        c.line(112, [place(-24 * k, -rb + 10), place(-24 * k, rb - 12)], width=2.0, strength=0.7, soft=2)
        # Coronary arteries in their grooves.
        c.ellipse(215, centre=place(30 * k, -rb + 3), radii=(1.7, 1.7))
        c.ellipse(215, centre=place(-18 * k, -rb + 3), radii=(1.7, 1.7))
        if self.body.calcified_arteries and 140 < s < 165:
            c.ellipse(900, centre=place(29 * k, -rb + 3), radii=(1.8, 1.3))

    def _airway_and_oesophagus(self) -> None:
        c, s = self.canvas, self.s
        spine = _spine_y(self.body, s)
        x = curve(s, (-16, 90, 180, 230, 270), (6, 8, 6, 10, 18))
        y = curve(s, (-16, 90, 180, 230, 270), (18, 30, 34, 24, 4)) * self.body.depth
        y = min(y, spine - 19)
        c.ellipse(42, centre=(x, y), radii=(7.5, 5.2), angle=0.2)
        c.ellipse(62, centre=(x, y), radii=(3.2, 1.8), strength=0.6)
        if int(s / 12) % 4 == 1:
            c.ellipse(-420, centre=(x, y - 0.5), radii=(2.0, 1.4))
        if s < CARINA:
            tx, ty = _trachea(s)
            c.ellipse(48, centre=(tx, ty), radii=(10.6, 10.2))
            if int(s + 16) % 8 < 4:
                part = c.window(tx - 11, tx + 11, ty - 11, ty + 3)
                if part is not None:
                    ring = np.abs(ellipse_distance(part.x, part.y, centre=(tx, ty), radii=(9.6, 9.3))) - 0.7
                    c.paint(120, step(ring, 1.0) * (part.y < ty + 3), part)
            c.ellipse(-995, centre=(tx, ty), radii=(8.6, 8.3))
            part = c.window(tx - 9, tx + 9, ty + 5.5, ty + 12)
            if part is not None:
                c.paint(
                    46,
                    step(ty + 6.4 - part.y + 0 * part.x, 1.0)
                    * step(ellipse_distance(part.x, part.y, centre=(tx, ty), radii=(9.6, 9.3)), 1.0),
                    part,
                )

    # below the diaphragm ............................................................................................

    def _below_diaphragm(self) -> None:
        body, c, s = self.body, self.canvas, self.s
        if s < 168:
            return
        x, y = c.x + 0 * c.y, c.y + 0 * c.x
        middle = 222 + ((y + 30) / 70) ** 2 * 16
        right = np.minimum(_right_dome(x, y), np.where(x > -64, middle + 14, 400))
        left = np.minimum(_left_dome(x, y), np.where(x < 64, middle + 14, 400))
        share = np.clip(0.5 + (x - 2) / 44, 0, 1)
        dome = (right * (1 - share) + left * share).astype(np.float32)
        under = np.clip((s - dome) / 5 + 0.5, 0, 1) * self.cavity
        heart = _heart(body, s)
        if heart is not None:
            hc, hr, tilt = heart
            keep = step(ellipse_distance(c.x, c.y, centre=hc, radii=(hr[0] + 2, hr[1] + 2), angle=tilt, power=2.15), 2)
            under = under * (1 - keep)
        under = under.astype(np.float32)
        aorta = _descending(body, s)
        keep_aorta = step(ellipse_distance(c.x, c.y, centre=aorta, radii=(13, 13)), 1.5)
        under = under * (1 - keep_aorta)
        c.paint(-98 + 8 * self.textures.soft, under)
        deeper = np.clip((s - dome - 3) / 5 + 0.5, 0, 1).astype(np.float32) * under
        organ = 108 + 5 * self.textures.soft
        liver = (
            smooth_union(
                ellipse_distance(c.x, c.y, centre=(-62, -4), radii=(64, 80), power=2.3),
                ellipse_distance(
                    c.x, c.y, centre=(6, -44), radii=(52 * curve(s, (200, 235, 270), (0.2, 1, 1)), 24), angle=0.12
                ),
                12,
            )
            + self.warp
        )
        c.paint(organ, step(liver, 1.6) * deeper)
        self.liver_part = step(liver + 6, 2) * deeper
        rng = np.random.default_rng(seed_of(body.seed, "liver"))
        for _ in range(26):
            vx, vy, level = rng.uniform(-112, -8), rng.uniform(-62, 56), rng.uniform(190, 280)
            length, turn = rng.uniform(8, 26), rng.uniform(0, 3.14)
            if abs(s - level) < 6:
                p = (vx - np.cos(turn) * length / 2, vy - np.sin(turn) * length / 2)
                q = (vx + np.cos(turn) * length / 2, vy + np.sin(turn) * length / 2)
                c.line(146, [p, q], width=(4.6, 2.2), clip=self.liver_part, soft=1.6)
        if s > 214:
            c.ellipse(150, centre=(-22, 16), radii=(12, 9.5), angle=0.2, clip=deeper)
        spleen = ellipse_distance(c.x, c.y, centre=(100, 40), radii=(34, 52), angle=-0.5)
        hilum = ellipse_distance(c.x, c.y, centre=(70, 26), radii=(20, 40), angle=-0.5)
        c.paint(118 + 5 * self.textures.soft, step(np.maximum(spleen, -hilum) + self.warp, 1.5) * deeper)
        wall = ellipse_distance(c.x, c.y, centre=(58, -22), radii=(44, 40), angle=0.3) + self.warp * 2.5
        c.paint(72, step(wall, 1.4) * deeper * (1 - step(liver, 1.5)))
        lumen = step(wall + 4.5, 1.4) * deeper * (1 - step(liver, 1.5))
        fold = np.clip(self.textures.muscle, 0, 1)
        c.paint(14 + 26 * fold, lumen)
        c.paint(-960, lumen * step(c.y + 34 + 0 * c.x, 1.2))
        # Crura beside the aorta.
        if s > 228:
            for side in (-1, 1):
                c.line(58, [(aorta[0] + side * 12, aorta[1] - 10), (aorta[0] + side * 17, aorta[1] + 8)], width=6)
            self._vessel(205, aorta, (10.8, 10.8))

    def _table(self) -> None:
        c = self.canvas
        part = c.window(-185, 185, 112, 175)
        if part is None:
            return
        bed = 128 + (part.x / 185) ** 2 * -26
        alpha = step(np.abs(part.y - bed) - 1.2, 1.2)
        image = c.image[part.rows, part.columns]
        outside = image < -900
        np.copyto(image, image + alpha * (-180 - image) * outside)
        inner = step(np.abs(part.y - bed - 7) - 5.5, 1.5)
        np.copyto(image, image + inner * (-940 - image) * outside * (alpha < 0.1))


# --- tubes ------------------------------------------------------------------------------------------------------------


def _lung_test(body: Body, volume: Array, grid: Grid):  # type: ignore[no-untyped-def]
    def inside(x: float, y: float, s: float) -> bool:
        k = round((s - grid.top) / grid.thickness)
        r = round((y - grid.origin[1]) / grid.pixel)
        col = round((x - grid.origin[0]) / grid.pixel)
        if not (0 <= k < volume.shape[0] and 0 <= r < volume.shape[1] and 0 <= col < volume.shape[2]):
            return False
        return bool(-940 < volume[k, r, col] < -700)

    return inside


def _lung_trees(body: Body, grid: Grid, *, minimum: float) -> None:
    """Add pulmonary vessels and airways to the lungs of a volume."""
    rng = np.random.default_rng(seed_of(body.seed, "trees"))
    # Growing tests lie in the lung before any vessel is drawn.
    inside = _lung_test(body, grid.volume.copy(), grid)
    vessels: list[Tube] = []
    airways: list[Tube] = []
    for side in (-1, 1):
        hilum = (side * (46 if side > 0 else 48), 0.0, 104.0)
        targets: list[tuple[Point3, float]] = [
            ((side * 0.45, -0.25, -1.0), 5.0),
            ((side * 0.7, 0.55, -0.75), 4.6),
            ((side * 0.9, -0.75, -0.1), 4.2),
            ((side * 0.75, -0.75, 0.6), 4.6),
            ((side * 0.9, 0.35, 0.35), 4.8),
            ((side * 0.5, 0.75, 0.9), 5.4),
            ((side * 0.35, 0.15, 1.0), 5.4),
            ((side * 0.75, -0.15, 0.95), 5.0),
        ]
        for direction, radius in targets:
            d = np.array(direction) / np.linalg.norm(direction)
            first = (hilum[0] + d[0] * 10, hilum[1] + d[1] * 10, hilum[2] + d[2] * 14)
            at = np.array(first)
            for _ in range(10):
                if inside(*at):
                    break
                at = at + d * 4
            vessels.append(Tube(hilum, (float(at[0]), float(at[1]), float(at[2])), radius, radius * 0.92))
            vessels += grow(
                rng, start=(float(at[0]), float(at[1]), float(at[2])), direction=direction, radius=radius * 0.8,
                length=26, inside=inside, minimum=minimum, spread=0.50, limit=230,
            )  # fmt: skip
            # A vein runs between the arteries, towards the left atrium.
            turned = np.array(direction) + rng.normal(0, 0.35, 3)
            vein_at = at + rng.normal(0, 5, 3) + np.array((side * 4, 3, 6))
            if inside(*vein_at):
                vessels += grow(
                    rng, start=(float(vein_at[0]), float(vein_at[1]), float(vein_at[2])),
                    direction=(float(turned[0]), float(turned[1]), float(turned[2])), radius=radius * 0.62,
                    length=24, inside=inside, minimum=minimum, spread=0.55, limit=150,
                )  # fmt: skip
            # An airway goes with each artery.
            shift = np.cross(d, (0.0, 0.0, 1.0))
            shift = shift / (np.linalg.norm(shift) + 1e-6) * 6
            start = at + shift
            if inside(*start):
                airways += grow(
                    rng, start=(float(start[0]), float(start[1]), float(start[2])), direction=direction,
                    radius=radius * 0.62, length=16, inside=inside, minimum=1.15, spread=0.45, shrink=0.74, limit=14,
                )  # fmt: skip
    # Scattered small vessels in the periphery that no tree reached.
    for _ in range(1500 if minimum < 0.8 else 60):
        x, y, s = rng.uniform(-130, 130), rng.uniform(-90, 90), rng.uniform(4, 250)
        if not inside(x, y, s):
            continue
        away = np.array((x - np.sign(x) * 40, y, (s - 110) * 0.8))
        away = away / (np.linalg.norm(away) + 1e-6) + rng.normal(0, 0.35, 3)
        reach = rng.uniform(6, 18)
        r = float(rng.uniform(0.45, 0.95))
        end = (float(x + away[0] * reach), float(y + away[1] * reach), float(s + away[2] * reach))
        if inside(*end):
            vessels.append(Tube((float(x), float(y), float(s)), end, r, r * 0.6))
    grid.add_tubes(vessels, 42)
    walls = [Tube(t.start, t.end, t.radius + 0.8, t.end_radius + 0.8) for t in airways]
    grid.add_tubes(walls, -150)
    grid.add_tubes(airways, -985, keep_max=False)
    # Main bronchi, from the carina outwards.
    tx, ty = _trachea(CARINA)
    for side, end in ((-1, (-40.0, 14.0, 116.0)), (1, (44.0, 18.0, 124.0))):
        fork: Point3 = (tx, ty, CARINA - 4)
        mid: Point3 = (tx + side * 16, ty + 1, CARINA + 8)
        for p, q, r0, r1 in ((fork, mid, 8.0, 7.0), (mid, end, 7.0, 5.6)):
            _bronchial_wall(grid, Tube(p, q, r0 + 1.4, r1 + 1.4), 40)
            grid.add_tubes([Tube(p, q, r0, r1)], -990, keep_max=False)
        for further in ((side * 12.0, -6.0, -16.0), (side * 8.0, 8.0, 26.0), (side * 14.0, -10.0, 10.0)):
            tip = (end[0] + further[0], end[1] + further[1], end[2] + further[2])
            _bronchial_wall(grid, Tube(end, tip, 5.0, 3.8), 20)
            grid.add_tubes([Tube(end, tip, 4.0, 2.8)], -985, keep_max=False)


def _bronchial_wall(grid: Grid, tube: Tube, value: float) -> None:
    """Draw the wall of a bronchus, but never across the lumen of another."""
    found = grid.tube_coverage(tube)
    if found is not None:
        box, coverage = found
        target = grid.volume[box]
        target += coverage * (target > -940) * np.maximum(value - target, 0)


def _clavicles(grid: Grid) -> None:
    for side in (-1, 1):
        points: list[Point3] = [
            (side * 22.0, -62.0, 30.0),
            (side * 52.0, -66.0, 20.0),
            (side * 92.0, -46.0, 8.0),
            (side * 132.0, -16.0, -8.0),
        ]
        for p, q in zip(points, points[1:], strict=False):
            grid.add_tubes([Tube(p, q, 7.2, 6.4)], 640)
            grid.add_tubes([Tube(p, q, 4.6, 4.0)], 210, keep_max=False)


def _fissures(body: Body, grid: Grid, lungs: Array) -> None:
    """Draw the oblique (and right horizontal) fissures as hairlines where there is lung."""
    x = grid.xs[None, :]
    y = grid.ys[:, None]
    rng = np.random.default_rng(seed_of(body.seed, "fissures"))
    tilt = rng.uniform(0.9, 1.05, 2)
    for index, s in enumerate(grid.zs):
        image = grid.volume[index]
        oblique_left = 62 - (s - 40) * 0.62 * tilt[0] + 0.0016 * (x - 60) ** 2
        oblique_right = 66 - (s - 50) * 0.66 * tilt[1] + 0.0016 * (x + 60) ** 2
        where = np.where(x > 0, np.abs(y - oblique_left), np.abs(y - oblique_right))
        line = np.clip(1.15 - where / grid.pixel, 0, 1) * (s > 36)
        np.copyto(image, image + line * 125 * lungs[index])


# --- lesions ----------------------------------------------------------------------------------------------------------


def _insert_nodule(body: Body, grid: Grid, nodule: Nodule) -> None:
    """Put a nodule into a volume, averaged over the slice thickness."""
    rng = np.random.default_rng(seed_of(body.seed, "nodule", nodule.label))
    cx, cy, cs = nodule.place
    radius = nodule.diameter / 2
    reach = radius * (1 + 0.9 * nodule.spiculation) + 4
    box = grid.box(
        (cx - reach, cy - reach, cs - reach - grid.thickness / 2),
        (cx + reach, cy + reach, cs + reach + grid.thickness / 2),
    )
    if box is None:
        return
    ys, xs = grid.ys[box[1]][:, None], grid.xs[box[2]][None, :]
    bumps = [(rng.normal(size=3), rng.uniform(0.5, 1.0)) for _ in range(7)]
    spikes = [rng.normal(size=3) for _ in range(int(60 * nodule.spiculation))]
    peak = {"solid": 44.0, "calcified": 520.0, "ground-glass": -620.0, "part-solid": -600.0}[nodule.density]
    texture = grid.volume[box]
    added = np.zeros_like(texture)
    core = np.zeros_like(texture)
    subs = 5
    for k in range(subs):
        offset = ((k + 0.5) / subs - 0.5) * grid.thickness
        for row, s in enumerate(grid.zs[box[0]]):
            dx, dy, dz = xs - cx, ys - cy, np.float32(s + offset - cs)
            r = np.sqrt(dx * dx + dy * dy + dz * dz) + 1e-4
            shape = np.zeros_like(r)
            for direction, weight in bumps:
                unit = direction / np.linalg.norm(direction)
                cosine = (dx * unit[0] + dy * unit[1] + dz * unit[2]) / r
                shape += weight * np.exp((cosine - 1) * 5)
            surface = radius * (1 + nodule.lobulation * 0.22 * (shape - shape.mean()))
            soft = 1.3 if nodule.density in ("solid", "calcified") else 3.0
            alpha = np.clip(0.5 + (surface - r) / soft, 0, 1)
            for direction in spikes:
                unit = direction / np.linalg.norm(direction)
                along = dx * unit[0] + dy * unit[1] + dz * unit[2]
                across = np.sqrt(np.maximum(r * r - along * along, 0))
                length = radius * (1.3 + 0.8 * abs(direction[0]))
                width = 1.25 * np.clip(1 - (along - radius * 0.6) / (length - radius * 0.6), 0, 1)
                spike = np.clip(0.5 + (width - across), 0, 1) * (along > 0) * (along < length)
                alpha = np.maximum(alpha, spike * 0.85)
            added[row] += alpha.astype(np.float32) / subs
            if nodule.density == "part-solid":
                off = np.sqrt((dx - radius * 0.15) ** 2 + (dy + radius * 0.1) ** 2 + dz * dz)
                core[row] += np.clip(0.5 + (radius * 0.45 - off) / 1.5, 0, 1).astype(np.float32) / subs
    if nodule.density in ("ground-glass", "part-solid"):
        # Ground glass veils, it does not hide: vessels stay visible through it.
        mixed = texture + added * np.maximum(peak - texture, 0) * np.float32(0.92)
        mixed += core * np.maximum(28 - mixed, 0)
    else:
        mixed = texture + added * (peak - texture)
    grid.volume[box] = mixed


def _insert_embolus(grid: Grid, embolus: Embolus) -> None:
    found = grid.tube_coverage(Tube(embolus.start, embolus.end, embolus.radius, embolus.radius * 0.85))
    if found is None:
        return
    box, coverage = found
    target = grid.volume[box]
    target += coverage * (target > 120) * (58 - target)


@lru_cache(maxsize=3)
def _anatomy(body: Body, size_name: str) -> Array:
    """Return the noiseless chest of a body (read-only); kept for twins and follow-ups."""
    size = SIZES[size_name]
    textures = _textures(body, size)
    slices = [_Slice(body, size, textures, index) for index in range(size.slices)]
    volume = np.stack([one.draw() for one in slices]).astype(np.float32)
    grid = _grid(volume, size)
    lungs = ((volume > -930) & (volume < -780)).astype(np.float32)
    _fissures(body, grid, lungs)
    _lung_trees(body, grid, minimum=0.5 if size_name == "full" else 1.6)
    _clavicles(grid)
    volume.setflags(write=False)
    return volume


def _grid(volume: Array, size: ChestSize) -> Grid:
    half = (size.matrix - 1) / 2 * size.pixel
    return Grid(volume, pixel=size.pixel, origin=(-half, -half), top=TOP, thickness=size.spacing)


def chest_volume(body: Body, findings: tuple[Finding, ...] = (), *, size: str = "full", noise: float = 15.0) -> Array:
    """Return Hounsfield units[slice, row, column] of a chest; the noise belongs to the body, so twins share it."""
    shape = SIZES[size]
    volume = _anatomy(body, size).copy()
    grid = _grid(volume, shape)
    for finding in findings:
        if isinstance(finding, Nodule):
            _insert_nodule(body, grid, finding)
        else:
            _insert_embolus(grid, finding)
    rng = np.random.default_rng(seed_of(body.seed, "quanta"))
    bank = NoiseBank(rng, (shape.matrix, shape.matrix), wavelength=3.0)
    half = shape.matrix / 2 * shape.pixel
    xs, ys = grid.xs[None, :], grid.ys[:, None]
    profile = (0.72 + 0.42 * np.exp(-(xs**2 / 130**2 + ys**2 / 90**2))).astype(np.float32)
    circle = (xs**2 + ys**2) > (half * 1.0) ** 2
    for image in volume:
        image += noise * profile * np.where(image > -930, 1.0, 0.3).astype(np.float32) * bank.next()
        image[circle] = -1024
    return volume


def chest_ct(
    visit: Visit | None = None,
    *,
    body: Body | None = None,
    findings: tuple[Finding, ...] = (),
    size: str = "full",
    noise: float = 15.0,
    series_number: int = 2,
    description: str = "Thorax 5.0 B40f",
) -> PhantomStudy:
    """Return a chest CT study with the given findings and their truth."""
    visit = visit or Visit(key=f"chest-ct-{size}", description="CT chest with contrast")
    body = body or Body()
    shape = SIZES[size]
    half = (shape.matrix - 1) / 2 * shape.pixel
    geometry = VolumeGeometry((-half, -half, 1200.0 - TOP), shape.pixel, shape.spacing, shape.spacing)
    plan = SeriesPlan(visit, series_number, "CT", description, CT, CT_SCANNER, "CHEST", JPEGLSLossless)
    volume = np.rint(chest_volume(body, findings, size=size, noise=noise)).astype(np.int16)
    series = ct_series(
        plan,
        volume,
        geometry,
        windows=[("MEDIASTINUM", 40, 400), ("LUNG", -600, 1500)],
        kernel="B40f",
        contrast="Iohexol 350",
    )
    lesions = []
    for finding in findings:
        if isinstance(finding, Nodule):
            centre, radius, kind = finding.place, finding.diameter / 2, f"{finding.density} nodule"
            value = {"solid": 44.0, "calcified": 520.0, "ground-glass": -620.0, "part-solid": -600.0}[finding.density]
        else:
            a, b = finding.start, finding.end
            centre = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2, (a[2] + b[2]) / 2)
            radius = float(np.hypot(a[0] - b[0], a[1] - b[1])) / 2 + finding.radius
            kind, value = "pulmonary embolus", 58.0
        lesions.append(
            lesion_in_stack(
                plan,
                geometry,
                shape.slices,
                label=finding.label,
                kind=kind,
                centre=(centre[0], centre[1], 1200.0 - centre[2]),
                radius=radius,
                value=value,
            )
        )
    return PhantomStudy(visit, (series,), tuple(lesions))
