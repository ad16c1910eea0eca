"""Ultrasound loops: a curved-array sector with moving speckle, organs, and text that the machine burned in.

The scene is drawn where the beam goes (angle × depth), where speckle, attenuation, shadow and enhancement are simple,
and then converted to the sector the eye knows. The name in the corner is a real trap: it lies in the pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from pacsweb.demo.phantoms.dicom import US, US_SCANNER, RLELossless, SeriesPlan, ultrasound_clip
from pacsweb.demo.phantoms.model import Lesion, PhantomSeries, PhantomStudy, Visit, seed_of
from pacsweb.demo.phantoms.raster import Array, blur, ellipse_distance, sample, smooth_noise, smooth_union, step
from pacsweb.demo.phantoms.truth import outline as mask_outline


@dataclass(frozen=True)
class Probe:
    """Geometry of the sector: curved array of ``radius`` mm, ± ``half_angle`` degrees, ``depth`` mm."""

    radius: float = 55.0
    half_angle: float = 34.0
    depth: float = 140.0


@dataclass(frozen=True)
class Scene:
    """What lies under the probe.

    organ: ``gallbladder`` or ``kidney``; stones: (x, depth, diameter) mm; cyst: (x, depth, radius) mm or None;
    hydronephrosis 0–1 widens the renal pelvis.
    """

    seed: str = "scene-a"
    organ: str = "gallbladder"
    stones: tuple[tuple[float, float, float], ...] = ()
    cyst: tuple[float, float, float] | None = None
    hydronephrosis: float = 0.0
    burned_in: bool = True


SIZES = {"full": (600, 800, 14), "small": (120, 160, 4)}


@dataclass(frozen=True)
class _Echo:
    """Mean echo strength, and how much of the beam gets through, on the polar grid."""

    strength: Array
    transmission: Array
    stones: Array
    cyst: Array


def _scene(scene: Scene, x: Array, y: Array, fields: dict[str, Array], sway: float) -> _Echo:
    texture, warp = fields["texture"], fields["warp"]
    x = x + sway
    strength = np.full(x.shape, 0.34, np.float32)
    gain = np.zeros_like(strength)  # extra attenuation per mm
    # Skin, fat and muscle layers.
    skin = y + warp * 1.2
    strength = np.where(skin < 2.5, 0.85, strength)
    strength = np.where((skin >= 2.5) & (skin < 12), 0.26 + 0.10 * np.sin(skin * 2.2 + warp), strength)
    strength = np.where(
        (skin >= 12) & (skin < 21), 0.30 + 0.20 * np.clip(np.sin(skin * 3.1 + warp * 2), 0, 1), strength
    )
    strength = np.where(np.abs(skin - 21) < 0.8, 0.72, strength)
    inside = skin > 21.5
    liver = 0.37 + 0.05 * texture
    strength = np.where(inside, liver, strength).astype(np.float32)
    # Vessels of the liver: dark, some with bright walls.
    for cx, cy, a, b, angle, wall in (
        (-34, 62, 22, 3.6, 0.5, 0.0), (-14, 92, 26, 4.4, -0.3, 0.75), (44, 48, 14, 2.4, 0.9, 0.0), (-48, 98, 12, 2.6, -0.7, 0.7),
        (10, 118, 20, 6.5, 0.1, 0.0),
    ):  # fmt: skip
        d = ellipse_distance(x, y, centre=(cx, cy), radii=(a, b), angle=angle) + warp * 1.5
        if wall:
            strength = strength + step(np.abs(d) - 0.7, 0.8) * (wall - strength)
        strength = strength + step(d, 0.9) * (0.05 - strength)
    # Diaphragm, a bright arc with mirrored liver behind.
    arc = np.abs(np.hypot(x + 8, y - 22) - 108 + warp) - 0.9
    strength = strength + step(arc, 1.0) * (0.95 - strength) * (x < 22)
    stones = np.zeros_like(strength)
    cyst = np.zeros_like(strength)
    through = np.zeros_like(strength)
    if scene.organ == "gallbladder":
        bladder = ellipse_distance(x, y, centre=(16, 66), radii=(33, 13.5), angle=0.42)
        neck = ellipse_distance(x, y, centre=(-10, 54), radii=(12, 4.5), angle=0.3)
        bladder = smooth_union(bladder, neck, 7) + warp * 0.5
        strength = strength + step(np.abs(bladder) - 0.8, 0.8) * (0.74 - strength)
        fluid = step(bladder + 0.9, 0.8)
        strength = strength + fluid * (0.015 - strength)
        through = np.maximum(through, fluid * 0.010)
        for sx, sy, diameter in scene.stones:
            d = np.hypot(x - sx, (y - sy) * 1.15) - diameter / 2
            stones = np.maximum(stones, step(d, 0.8))
            front = step(np.abs(d) - 0.8, 0.7) * (y < sy + diameter * 0.1)
            strength = strength + step(d, 0.8) * (0.42 - strength)
            strength = strength + front * (1.15 - strength)
            gain = gain + 0.42 * step(d + diameter * 0.2, 0.8)
    else:
        kidney = ellipse_distance(x, y, centre=(6, 76), radii=(52, 24), angle=0.16) + warp * 0.8
        strength = strength + step(np.abs(kidney) - 0.7, 0.8) * (0.8 - strength)
        strength = strength + step(kidney + 0.6, 0.9) * (0.27 + 0.04 * texture - strength)
        along = (x - 6) * np.cos(0.16) + (y - 76) * np.sin(0.16)
        pyramid = np.clip(np.cos(along * 0.36), 0, 1) * step(np.abs(kidney + 10.5) - 3.6, 1.5)
        strength = strength + pyramid * (0.10 - strength) * 0.85
        sinus = ellipse_distance(x, y, centre=(6, 77), radii=(32, 9.5), angle=0.16) + warp * 1.4
        strength = strength + step(sinus, 2.2) * (0.66 + 0.12 * texture - strength)
        if scene.hydronephrosis:
            k = scene.hydronephrosis
            pelvis = ellipse_distance(x, y, centre=(6, 78), radii=(19 * k, 7.5 * k), angle=0.16)
            for cx, cy in ((-16, 71), (6, 70), (26, 78), (-12, 82), (20, 86)):
                calyx = ellipse_distance(x, y, centre=(cx, cy), radii=(6.5 * k, 5.0 * k))
                pelvis = smooth_union(pelvis, calyx, 5)
            fluid = step(pelvis + warp * 0.5, 0.9)
            strength = strength + fluid * (0.015 - strength)
            through = np.maximum(through, fluid * 0.009)
        for sx, sy, diameter in scene.stones:
            d = np.hypot(x - sx, y - sy) - diameter / 2
            stones = np.maximum(stones, step(d, 0.8))
            strength = strength + step(d, 0.8) * (1.2 - strength)
            gain = gain + 0.40 * step(d, 0.8)
    if scene.cyst is not None:
        x0, y0, radius = scene.cyst
        d = np.hypot(x - x0, y - y0) - radius + warp * 0.35
        strength = strength + step(np.abs(d) - 0.5, 0.7) * (0.78 - strength)
        cyst = step(d + 0.2, 0.8)
        strength = strength + cyst * (0.010 - strength)
        through = np.maximum(through, cyst * 0.013)
    # Transmission builds up along each beam (axis 0 is depth).
    depth_step = 140.0 / x.shape[0]
    log_t = np.cumsum((through - gain - 0.0008 * inside) * depth_step, axis=0)
    # Rib shadow at one edge.
    return _Echo(strength.astype(np.float32), np.exp(np.clip(log_t, -4.5, 0.9)).astype(np.float32), stones, cyst)


def _sector(probe: Probe, shape: tuple[int, int]) -> tuple[Array, Array, Array, float, tuple[int, int]]:
    """Return polar sample positions, the sector mask, mm per pixel and the pixel of the skin line's centre."""
    rows, columns = shape
    top = round(rows * 0.10)
    mm = (probe.depth + probe.radius * (1 - np.cos(np.radians(probe.half_angle)))) / (rows * 0.86)
    centre_column = columns // 2
    xs = (np.arange(columns) - centre_column)[None, :] * mm
    ys = (np.arange(rows) - top)[:, None] * mm
    apex = -probe.radius
    r = np.hypot(xs, ys - apex) - probe.radius
    angle = np.degrees(np.arctan2(xs + 0 * ys, ys - apex))
    mask = (r >= 0) & (r <= probe.depth) & (np.abs(angle) <= probe.half_angle)
    return r.astype(np.float32), angle.astype(np.float32), mask.astype(np.float32), float(mm), (centre_column, top)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _plain_name(visit: Visit) -> str:
    """Return the name as an ultrasound machine writes it: the Latin group, in capitals."""
    first = visit.person.name.split("=")[0]
    parts = [part for part in first.split("^") if part]
    return ", ".join(parts[:2]).upper()


def _overlay(visit: Visit, shape: tuple[int, int], frame: int, scene: Scene, probe: Probe) -> npt.NDArray[np.uint8]:
    rows, columns = shape
    picture = Image.new("L", (columns, rows), 0)
    draw = ImageDraw.Draw(picture)
    big, small = _font(max(round(rows * 0.027), 7)), _font(max(round(rows * 0.021), 7))
    date = f"{visit.date[6:]}.{visit.date[4:6]}.{visit.date[:4]}"
    if scene.burned_in:
        draw.text((8, 5), f"{_plain_name(visit)}", fill=235, font=big)
        draw.text((8, 5 + rows * 0.034), f"ID {visit.person.patient_id}", fill=215, font=small)
        draw.text((columns * 0.50, 5), visit.institution, fill=215, font=small)
        draw.text(
            (columns * 0.50, 5 + rows * 0.028),
            f"{date}  {visit.time[:2]}:{visit.time[2:4]}:{frame // 12:02d}",
            fill=215,
            font=small,
        )
    draw.text((8, rows * 0.42), "C5-1\n24 Hz\n14.0 cm\n2D\nGen\nGn 52\nC 56\nP Med", fill=150, font=small)
    draw.text((columns * 0.92, rows * 0.93), "MI 1.1", fill=150, font=small)
    for k in range(24):
        draw.line([(columns - 26, rows * 0.2 + k * 6), (columns - 14, rows * 0.2 + k * 6)], fill=10 + k * 10, width=6)
    mm = (probe.depth + probe.radius * (1 - np.cos(np.radians(probe.half_angle)))) / (rows * 0.86)
    for tick in range(0, int(probe.depth) + 1, 10):
        y = rows * 0.10 + tick / mm
        draw.line([(columns - 44, y), (columns - (36 if tick % 50 else 32), y)], fill=160)
    return np.asarray(picture, np.uint8)


def clip_frames(
    visit: Visit, scene: Scene, *, probe: Probe | None = None, size: str = "full"
) -> tuple[npt.NDArray[np.uint8], dict[str, Array], tuple[int, int], float]:
    """Return frames[frame, row, column], coverage of ``stones`` and ``cyst`` in frame 1, reference pixel, mm a pixel."""
    probe = probe or Probe()
    rows, columns, count = SIZES[size]
    rng = np.random.default_rng(seed_of(scene.seed, "speckle"))
    depth_lines, beams = (420, 260) if size == "full" else (110, 90)
    r, angle, mask, mm, reference = _sector(probe, (rows, columns))
    v = (r / probe.depth * (depth_lines - 1)).astype(np.float32)
    u = ((angle + probe.half_angle) / (2 * probe.half_angle) * (beams - 1)).astype(np.float32)
    inside = mask > 0
    vi, ui = np.clip(v[inside], 0, depth_lines - 1.001), np.clip(u[inside], 0, beams - 1.001)
    depth = np.linspace(0, probe.depth, depth_lines, dtype=np.float32)[:, None]
    theta = np.radians(np.linspace(-probe.half_angle, probe.half_angle, beams, dtype=np.float32))[None, :]
    x = ((depth + probe.radius) * np.sin(theta)).astype(np.float32)
    y = ((depth + probe.radius) * np.cos(theta) - probe.radius).astype(np.float32)
    pad = 16
    fields = {
        "texture": smooth_noise(rng, x.shape, spacing=(1.0, 1.0), scale=9.0),
        "warp": smooth_noise(rng, x.shape, spacing=(1.0, 1.0), scale=26.0),
    }
    # One wide field of scatterers; the tissue moves with breathing and takes its speckle along.
    height, width = depth_lines + pad * 2, beams + pad * 2
    real = blur(rng.standard_normal((height, width), dtype=np.float32), (0.75, 1.35))
    imaginary = blur(rng.standard_normal((height, width), dtype=np.float32), (0.75, 1.35))
    speckle = np.hypot(real, imaginary)
    speckle /= np.float32(speckle.mean())
    frames = np.zeros((count, rows, columns), np.uint8)
    cover: dict[str, Array] = {}
    tone = np.zeros((rows, columns), np.float32)
    for index in range(count):
        phase = 2 * np.pi * index / count
        sway = float(2.6 * np.sin(phase))
        echo = _scene(scene, x, y, fields, sway)
        shift = round(-2.6 * np.sin(phase) / (2 * np.radians(probe.half_angle) * 120 / beams))
        grain = np.roll(speckle, (0, shift), axis=(0, 1))[pad : pad + depth_lines, pad : pad + beams]
        power = np.maximum(echo.strength * grain * echo.transmission, 1e-4)
        power = power + 0.008 * rng.random(power.shape, dtype=np.float32) * (1 + depth / 60)
        level = 20 * np.log10(power)
        focus = 4.0 * np.exp(-(((depth - 70) / 45) ** 2))
        grey = np.clip((level + 37 + focus) / 47, 0, 1).astype(np.float32) ** 1.25
        tone[:] = 0
        tone[inside] = sample(grey[None], ui, vi, 0.0)
        frame = np.clip(tone * 250, 0, 255).astype(np.uint8)
        frames[index] = np.maximum(frame, _overlay(visit, (rows, columns), index, scene, probe))
        if index == 0:
            for name, values in (("stones", echo.stones), ("cyst", echo.cyst)):
                plane = np.zeros((rows, columns), np.float32)
                plane[inside] = sample(values[None], ui, vi, 0.0)
                cover[name] = plane
    return frames, cover, reference, mm


def ultrasound(
    visit: Visit | None = None, *, scene: Scene | None = None, size: str = "full", label: str = ""
) -> PhantomStudy:
    """Return a one-loop ultrasound study; the truth is given on its first frame."""
    visit = visit or Visit(key=f"ultrasound-{size}", description="Ultrasound abdomen")
    scene = scene or Scene(stones=((18.0, 74.0, 9.0),))
    plan = SeriesPlan(visit, 1, "US", "Abdomen", US, US_SCANNER, "ABDOMEN", RLELossless)
    frames, cover, reference, mm = clip_frames(visit, scene, size=size)
    rows, columns = frames.shape[1:]
    region = (round(columns * 0.08), round(rows * 0.09), round(columns * 0.92), rows - 1)
    instance = ultrasound_clip(plan, 1, frames, frame_time_ms=41.7, region=region, reference=reference, mm_per_pixel=mm)
    series = PhantomSeries(plan.series_uid, 1, "US", plan.description, (instance,))
    lesions = []
    for name, kind in (("stones", "stone"), ("cyst", "cyst")):
        mask = cover[name]
        found_rows, found_columns = np.nonzero(mask > 0.5)
        if not len(found_rows):
            continue
        cy, cx = float(found_rows.mean()), float(found_columns.mean())
        reach = float(np.hypot(found_rows - cy, found_columns - cx).max()) + 0.5
        lesions.append(
            Lesion(
                label=label or kind,
                kind=kind,
                sop_instance_uid=plan.instance_uid(1),
                series_instance_uid=plan.series_uid,
                centre_px=(round(cx, 2), round(cy, 2)),
                radius_px=round(reach, 2),
                radius_mm=round(reach * mm, 2),
                outline_px=mask_outline(mask),
                extent=(plan.instance_uid(1),),
            )
        )
    return PhantomStudy(visit, (series,), tuple(lesions))
