"""Bone radiographs: a wrist (postero-anterior) and a hip (antero-posterior), with and without a fracture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pacsweb.demo.phantoms.chest_xray import film_lesion
from pacsweb.demo.phantoms.dicom import DX, DX_ROOM, JPEGLSLossless, Projection, SeriesPlan, radiograph
from pacsweb.demo.phantoms.model import PhantomSeries, PhantomStudy, Visit, seed_of
from pacsweb.demo.phantoms.raster import (
    Array,
    Canvas,
    Point,
    band_noise,
    bezier,
    ellipse_distance,
    segment_distance,
    smooth_noise,
    smooth_union,
    step,
)


@dataclass(frozen=True)
class Limb:
    """What makes one limb unlike another; ``porosis`` 0–1 thins cortex and trabeculae."""

    seed: str = "limb-a"
    porosis: float = 0.2
    child: bool = False
    arthrosis: float = 0.0


@dataclass(frozen=True)
class Fracture:
    """A fracture line through points (x, y mm) with a displacement of what lies beyond it.

    site: ``distal radius``, ``scaphoid``, ``buckle`` or ``femoral neck``.
    """

    label: str
    site: str


SIZES = {"full": (1400, 1050, 0.13), "small": (110, 84, 1.65)}
HIP_SIZES = {"full": (1300, 1400, 0.18), "small": (100, 108, 2.34)}


class _BoneCanvas:
    """Adds bones to a map of attenuation: shell, spongy inside, and a shape that can be moved and broken."""

    def __init__(self, shape: tuple[int, int], pixel: float, seed: str, porosis: float) -> None:
        rng = np.random.default_rng(seed_of(seed, "bone"))
        half = (shape[1] - 1) / 2 * pixel
        self.c = Canvas(shape=shape, pixel=pixel, origin=(-half, 0.0))
        self.x = (self.c.x + 0 * self.c.y).astype(np.float32)
        self.y = (self.c.y + 0 * self.c.x).astype(np.float32)
        spacing = (pixel, pixel)
        scale = max(pixel * 2.2, 1.0)
        self.trabecular = band_noise(rng, shape, spacing=spacing, wavelength=max(1.3, scale), width=0.5)
        self.warp = smooth_noise(rng, shape, spacing=spacing, scale=5.0)
        self.image: Array = np.zeros(shape, np.float32)
        self.porosis = porosis

    def bone(
        self, distance: Array, *, cortex: float = 1.6, density: float = 0.30, spongy: float = 0.16, depth: float = 6.0,
        keep: Array | None = None,
    ) -> None:  # fmt: skip
        """Add a bone given its signed distance (mm)."""
        pixel = self.c.pixel
        distance = distance + 0.25 * self.warp
        inside = step(distance, max(pixel, 0.35))
        inner = np.clip(-distance, 0, None)
        # A thin shell seen edge on is dense where the beam runs along it.
        shell = density * (1 - 0.45 * self.porosis) * np.exp(-((inner / cortex) ** 2))
        volume = spongy * (0.55 + 0.45 * np.sqrt(np.clip(inner / depth, 0, 1)))
        grain = 0.024 * (1 + self.porosis) * self.trabecular * np.clip(inner / 1.5, 0, 1)
        amount = inside * (shell + volume * (1 - 0.35 * self.porosis) + grain * 0.6)
        if keep is not None:
            amount = amount * keep
        self.image = np.maximum(self.image, self.image * 0.62 + amount)

    def shaft(self, points: list[Point], widths: tuple[float, ...]) -> Array:
        """Return the distance to a tube through points with a width at each (mm)."""
        best = np.full(self.c.shape, np.inf, np.float32)
        for index, (p, q) in enumerate(zip(points, points[1:], strict=False)):
            d, t = segment_distance(self.x, self.y, p, q)
            half = (widths[index] + (widths[index + 1] - widths[index]) * t) / 2
            np.minimum(best, d - half, out=best)
        return best

    def blob(self, centre: Point, radii: Point, angle: float = 0.0, power: float = 2.5) -> Array:
        return ellipse_distance(self.x, self.y, centre=centre, radii=radii, angle=angle, power=power).astype(np.float32)


def _finish(b: _BoneCanvas, soft: Array, seed: str, *, gain: float) -> Array:
    rng = np.random.default_rng(seed_of(seed, "quanta"))
    image = soft + b.image
    image += rng.normal(0, 0.010, image.shape).astype(np.float32)
    tone = 1 - np.exp(-np.clip(image, 0, None) * gain)
    return np.clip(90 + tone * 3900, 0, 4095).astype(np.float32)


def wrist_pixels(
    limb: Limb, fractures: tuple[Fracture, ...] = (), *, size: str = "full"
) -> tuple[Array, dict[str, Array]]:
    """Return 12-bit values of a left wrist (fingers up, radius on the left of the image) and fracture coverage."""
    rows, columns, pixel = SIZES[size]
    b = _BoneCanvas((rows, columns), pixel, limb.seed, limb.porosis)
    x, y = b.x, b.y
    sites = {one.site: one for one in fractures}
    cover: dict[str, Array] = {}
    # Soft tissue: hand widening to the knuckles, forearm below.
    soft_shape = b.shaft([(0, -20), (0, 44), (0, 84), (0, 116), (0, 200)], (88, 84, 60, 58, 66))
    thumb = b.shaft([(-26, 76), (-40, 48), (-50, 20), (-56, -10)], (20, 24, 22, 20))
    outline = smooth_union(soft_shape, thumb, 10) + 0.4 * b.warp
    soft = 0.15 * np.sqrt(np.clip(-outline, 0, 22) / 22) * step(outline, 0.6)
    soft += 0.02 * b.warp * step(outline + 3, 4)
    # Radius and ulna; the distal radius flares and is tilted.
    crack = None
    moved_x, moved_y = x, y
    if "distal radius" in sites:
        # The distal piece is impacted by 2 mm and shifted to the radial side.
        path = [(-27.0, 120.0), (-20.0, 117.0), (-13.0, 121.0), (-6.0, 118.5), (1.0, 121.0)]
        crack = b.shaft(bezier(path, 18), (0.9,) * 18)
        line_y = np.interp(x[0], [p[0] for p in path], [p[1] for p in path]).astype(np.float32)
        distal = step(y - line_y[None, :], 0.5)
        moved_x, moved_y = x + 1.6 * distal, y - 2.2 * distal
    saved = b.x, b.y
    b.x, b.y = moved_x, moved_y
    radius = b.shaft([(-14, 200), (-13, 150), (-12.5, 126), (-12, 112), (-11.5, 101)], (13.5, 14.0, 17.5, 25.0, 27.0))
    styloid = b.shaft([(-22, 108), (-25, 96)], (8.0, 3.4))
    radius = smooth_union(radius, styloid, 3)
    radius = np.maximum(radius, -b.blob((-7.5, 92.5), (15.5, 9.5), power=2))
    if "buckle" in sites:
        # A torus: the cortex bulges on both sides without a line.
        bulge = np.exp(-(((b.y - 128) / 2.4) ** 2))
        radius = radius - 1.7 * bulge
    b.x, b.y = saved
    ulna = b.shaft([(14, 200), (13.5, 150), (13.5, 118), (13.5, 106)], (11.5, 11.0, 11.5, 14.5))
    b.bone(radius, cortex=2.1, density=0.36, spongy=0.20)
    ulna = smooth_union(ulna, b.shaft([(18, 105), (19.5, 99)], (4.5, 2.6)), 2)
    b.bone(ulna, cortex=2.0, density=0.34, spongy=0.19)
    if limb.child:
        # The open physis: a lucent line with a sclerotic edge.
        physis = np.abs(y - 107 - 1.2 * np.sin(x * 0.4)) - 0.8
        b.image *= 1 - 0.72 * step(physis, 0.6) * (x < 3)
        b.image *= 1 - 0.62 * step(np.abs(y - 104.5 - 0.6 * np.sin(x * 0.6)) - 0.7, 0.6) * (x > 5)
    # Carpal bones.
    carpals = {
        "scaphoid": ((-16.5, 88.5), (6.4, 10.2), -0.55),
        "lunate": ((-3.8, 91.0), (7.2, 6.8), 0.1),
        "triquetrum": ((9.2, 87.5), (6.4, 7.2), -0.5),
        "pisiform": ((12.0, 85.0), (4.4, 4.6), 0.0),
        "trapezium": ((-22.5, 74.0), (7.0, 6.2), 0.35),
        "trapezoid": ((-13.0, 73.0), (5.2, 5.6), 0.1),
        "capitate": ((-2.2, 76.0), (6.8, 10.8), 0.06),
        "hamate": ((8.6, 75.5), (6.6, 9.0), -0.25),
    }
    for name, (centre, radii, angle) in carpals.items():
        if limb.child and name in ("pisiform", "trapezoid"):
            continue
        shrink = 0.74 if limb.child else 1.0
        shape = b.blob(centre, (radii[0] * shrink, radii[1] * shrink), angle, power=2.35)
        keep = None
        if name == "scaphoid" and "scaphoid" in sites:
            waist = b.shaft([(-22.5, 84.5), (-17.0, 88.2), (-11.0, 91.5)], (0.55, 0.7, 0.55))
            keep = 1 - 0.85 * step(waist, 0.35)
            cover[sites["scaphoid"].label] = step(waist - 0.6, 0.2) * step(shape - 0.5, 0.2)
        b.bone(shape, cortex=1.0, density=0.26, spongy=0.20, keep=keep)
    # Metacarpals with their bases and heads.
    for base, head, w in (
        ((-13.5, 65.0), (-24.0, 6.0), 8.6), ((-2.5, 63.0), (-4.0, 0.0), 8.6), ((6.0, 64.0), (14.0, 5.0), 7.6),
        ((13.2, 66.5), (30.0, 13.0), 7.4),
    ):  # fmt: skip
        mid = ((base[0] + head[0]) / 2, (base[1] + head[1]) / 2)
        shape = b.shaft(
            [base, (base[0] * 0.8 + mid[0] * 0.2, base[1] * 0.8 + mid[1] * 0.2), mid, head],
            (w * 1.45, w * 1.15, w * 0.84, w * 1.5),
        )
        b.bone(shape, cortex=1.5, density=0.30, spongy=0.15)
    thumb_bone = b.shaft([(-28.5, 66.0), (-32, 58), (-38, 44), (-43, 28)], (12.5, 10.0, 8.8, 12.0))
    b.bone(thumb_bone, cortex=1.5, density=0.30, spongy=0.15)
    b.bone(b.shaft([(-45, 23), (-50, 8), (-54, -12)], (11.5, 8.0, 9.0)), cortex=1.5, density=0.28, spongy=0.14)
    if crack is not None:
        shape = step(radius - 0.3, 0.3)
        b.image *= 1 - 0.78 * step(crack + 0.10 * b.trabecular, 0.45) * shape
        # Impacted trabeculae make a dense band beside the line.
        b.image += 0.07 * np.exp(-(((crack - 1.6) / 1.1) ** 2)) * shape
        cover[sites["distal radius"].label] = step(crack - 0.8, 0.2) * step(radius - 0.8, 0.2)
    if "buckle" in sites:
        cover[sites["buckle"].label] = step(np.abs(y - 128) - 2.6, 0.2) * step(radius - 0.4, 0.2)
        b.image += 0.05 * np.exp(-(((y - 128) / 1.6) ** 2)) * step(radius, 0.4)
    return _finish(b, soft.astype(np.float32), limb.seed, gain=3.0), cover


def hip_pixels(
    limb: Limb, fractures: tuple[Fracture, ...] = (), *, size: str = "full"
) -> tuple[Array, dict[str, Array]]:
    """Return 12-bit values of a left hip (femur on the right of the image) and fracture coverage."""
    rows, columns, pixel = HIP_SIZES[size]
    b = _BoneCanvas((rows, columns), pixel, limb.seed, limb.porosis)
    x, y = b.x, b.y
    sites = {one.site: one for one in fractures}
    cover: dict[str, Array] = {}
    skin = b.shaft([(10, -40), (40, 60), (58, 160), (60, 280)], (260, 250, 170, 150)) + 0.8 * b.warp
    soft = 0.26 * np.sqrt(np.clip(-skin, 0, 90) / 90) * step(skin, 1.5)
    muscle = band_noise(
        np.random.default_rng(seed_of(limb.seed, "muscle")),
        b.c.shape,
        spacing=(pixel, pixel),
        wavelength=max(9.0, 2.2 * pixel),
        width=0.6,
    )
    soft += 0.006 * muscle * step(skin + 8, 6)
    # Pelvis: ilium, acetabulum, ischium, pubis with the obturator foramen.
    ilium = b.shaft(bezier([(20, -30), (-2, 20), (2, 52), (8, 72)], 10), tuple(np.linspace(120, 42, 10)))
    socket = b.blob((14, 96), (37, 37), power=2.0)
    pubis = b.shaft([(-4, 104), (-36, 112), (-66, 122), (-72, 138)], (22, 15, 16, 17))
    ischium = b.shaft([(4, 116), (2, 146), (-10, 172)], (30, 25, 30))
    ramus = b.shaft([(-10, 174), (-44, 164), (-70, 142)], (17, 11, 13))
    pelvis = smooth_union(smooth_union(ilium, socket, 14), smooth_union(pubis, smooth_union(ischium, ramus, 6), 8), 10)
    head_centre = (22.0, 102.0)
    hollow = b.blob(head_centre, (29.0, 29.0), power=2.0)
    opening = np.maximum(hollow, -(x - 6 - (y - 80) * 0.15))
    pelvis = np.maximum(pelvis, -opening)
    b.bone(pelvis, cortex=2.4, density=0.30, spongy=0.21, depth=14)
    # Iliopectineal, ilioischial lines and teardrop; dense acetabular roof.
    for points, width, gain in (
        ([(-30, 40), (-22, 84), (-40, 108), (-66, 118)], 1.6, 0.12),
        ([(-12, 50), (-10, 100), (-6, 140), (-12, 168)], 1.4, 0.10),
    ):
        b.image += gain * step(b.shaft(bezier(points, 16), (width,) * 16), 1.0) * step(pelvis, 1)
    roof = np.abs(b.blob(head_centre, (30.2, 30.2), power=2.0)) - 1.4
    b.image += 0.16 * step(roof, 1.0) * np.clip((104 - y) / 30, 0, 1) * np.clip((46 - np.abs(x - 20)) / 20, 0, 1)
    # Femur: head, neck, trochanters, shaft. Broken at the neck: the shaft rides up and turns out.
    broken = "femoral neck" in sites
    axis = np.array((0.62, 0.55))
    axis /= np.linalg.norm(axis)
    along = (x - head_centre[0]) * axis[0] + (y - head_centre[1]) * axis[1]
    across = -(x - head_centre[0]) * axis[1] + (y - head_centre[1]) * axis[0]
    line = along - 25.5 - 1.6 * np.sin(across * 0.33) - 0.9 * np.sin(across * 0.8 + 1)
    distal = step(-line.astype(np.float32), 0.6)
    saved = b.x, b.y
    if broken:
        b.x, b.y = (x + 2.0 * distal).astype(np.float32), (y + 8.0 * distal).astype(np.float32)
    head = b.blob(head_centre, (24.5, 24.5), power=2.0)
    neck = b.shaft([(34, 112), (52, 127), (66, 140)], (36, 31, 42))
    greater = b.blob((84, 128), (15, 22), 0.25, power=2.4)
    lesser = b.blob((52, 176), (9.5, 12), -0.5, power=2.2)
    shaft = b.shaft([(70, 146), (69, 180), (68, 240), (68, 300)], (46, 33, 29, 29))
    femur = smooth_union(smooth_union(smooth_union(head, neck, 6), greater, 9), smooth_union(shaft, lesser, 6), 8)
    canal = b.shaft([(69, 190), (68, 240), (68, 300)], (8, 13, 14))
    keep = None
    if broken:
        gap = np.abs(line) - 0.9
        keep = (1 - 0.9 * step(gap.astype(np.float32), 0.7)).astype(np.float32)
        cover[sites["femoral neck"].label] = step(np.abs(line).astype(np.float32) - 2.4, 0.3) * step(femur - 0.5, 0.3)
    b.bone(femur, cortex=2.6, density=0.32, spongy=0.27, depth=16, keep=keep)
    thick = np.clip((b.y - 176) / 60, 0, 1) * step(femur, 0.5)
    walls = np.exp(-(((np.abs(femur + 3.2)) / 2.6) ** 2)) * thick
    b.image += 0.26 * (1 - 0.4 * limb.porosis) * walls - 0.08 * step(canal, 4) * thick
    # Trabecular groups: compressive from the calcar to the head, tensile over the neck.
    for points, gain in (
        ([(50, 168), (40, 130), (20, 92)], 0.09), ([(88, 150), (62, 108), (16, 108)], 0.06),
    ):  # fmt: skip
        group = b.shaft(bezier(points, 12), (16.0,) * 12)
        lines = 0.6 + 0.4 * np.sin((b.x * 0.9 + b.y * 0.3) * 2.0)
        b.image += (
            gain
            * (1 - 0.6 * limb.porosis)
            * step(group, 10)
            * lines
            * step(femur, 1)
            * (keep if keep is not None else 1)
        )
    if broken:
        b.image += 0.07 * np.exp(-(((np.abs(line) - 2.6) / 1.6) ** 2)) * step(femur, 1)
    b.x, b.y = saved
    return _finish(b, soft.astype(np.float32), limb.seed, gain=2.5), cover


def msk_xray(
    visit: Visit | None = None,
    *,
    region: str = "wrist",
    limb: Limb | None = None,
    fractures: tuple[Fracture, ...] = (),
    size: str = "full",
    inverted: bool = False,
) -> PhantomStudy:
    """Return a radiograph of the ``wrist`` or the ``hip``."""
    visit = visit or Visit(key=f"{region}-xray-{size}", description=f"Left {region} radiograph")
    limb = limb or Limb()
    if region == "wrist":
        values, cover = wrist_pixels(limb, fractures, size=size)
        pixel, view, body, anatomy = SIZES[size][2], "PA", "WRIST", ("74670003", "SCT", "Wrist joint")
    else:
        values, cover = hip_pixels(limb, fractures, size=size)
        pixel, view, body, anatomy = HIP_SIZES[size][2], "AP", "HIP", ("24136001", "SCT", "Hip joint")
    plan = SeriesPlan(visit, 1, "DX", f"{region.capitalize()} L {view}", DX, DX_ROOM, body, JPEGLSLossless)
    projection = Projection(
        view=view, orientation=("L", "F"), pixel=pixel, window=(2048, 4095), anatomy=anatomy, laterality="L", kvp=55,
        inverted=inverted,
        view_code=("399348003", "SCT", "postero-anterior") if view == "PA" else ("399348003", "SCT", "antero-posterior"),
    )  # fmt: skip
    instance = radiograph(plan, 1, np.rint(values).astype(np.uint16), projection)
    series = PhantomSeries(plan.series_uid, 1, "DX", plan.description, (instance,))
    lesions = tuple(
        film_lesion(plan, 1, pixel, cover[one.label], label=one.label, kind=f"{one.site} fracture", minimum=4 / pixel)
        for one in fractures
    )
    return PhantomStudy(visit, (series,), lesions)
