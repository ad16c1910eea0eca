"""Drawing in millimetres: soft-edged shapes, tubes, smooth random fields and noise, on plain numpy arrays.

All geometry is given in millimetres of a right-handed patient system (x to the patient's left, y to the back, z to the
head); a :class:`Canvas` knows where its pixels lie. Edges are anti-aliased by the signed distance to the outline, so a
shape keeps its area at any pixel size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

#: Images and fields; single precision where it matters for speed, double where numpy makes it so.
Array = npt.NDArray[np.floating[Any]]
Point = tuple[float, float]
Point3 = tuple[float, float, float]


def curve(at: float, knots: Sequence[float], values: Sequence[float]) -> float:
    """Return the value at ``at`` of a smooth curve through knots (linear with eased ends of each stretch)."""
    if at <= knots[0]:
        return float(values[0])
    if at >= knots[-1]:
        return float(values[-1])
    index = int(np.searchsorted(knots, at, side="right")) - 1
    span = knots[index + 1] - knots[index]
    t = (at - knots[index]) / span
    eased = 0.5 * t + 0.5 * t * t * (3 - 2 * t)
    return float(values[index] + (values[index + 1] - values[index]) * eased)


def step(distance: Array, softness: float) -> Array:
    """Return coverage 1 inside (negative distance) to 0 outside, over ``softness`` millimetres."""
    return np.clip(0.5 - distance / np.float32(softness), 0, 1)


def ellipse_distance(
    x: Array, y: Array, *, centre: Point, radii: Point, angle: float = 0.0, power: float = 2.0
) -> Array:
    """Return the approximate signed distance (mm) to a (super)ellipse; negative inside."""
    dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
    if angle:
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        dx, dy = dx * c + dy * s, dy * c - dx * s
    u, v = np.abs(dx) / np.float32(radii[0]), np.abs(dy) / np.float32(radii[1])
    k = np.sqrt(u * u + v * v) if power == 2.0 else (u**power + v**power) ** np.float32(1 / power)
    r = np.sqrt(dx * dx + dy * dy)
    return np.where(k > 1e-6, r * (1 - 1 / np.maximum(k, 1e-6)), -np.float32(min(radii)))


def segment_distance(x: Array, y: Array, start: Point, end: Point) -> tuple[Array, Array]:
    """Return distance (mm) to a segment and the position along it (0–1)."""
    ax, ay = start
    bx, by = end[0] - ax, end[1] - ay
    length2 = bx * bx + by * by or 1e-9
    t = np.clip(((x - np.float32(ax)) * np.float32(bx) + (y - np.float32(ay)) * np.float32(by)) / length2, 0, 1)
    return np.hypot(x - (ax + t * bx), y - (ay + t * by)), t


def smooth_union(first: Array, second: Array, blend: float) -> Array:
    """Return the union of two distance fields with a fillet of ``blend`` millimetres."""
    h = np.clip(0.5 + 0.5 * (second - first) / blend, 0, 1)
    return second + (first - second) * h - blend * h * (1 - h)


@dataclass(frozen=True)
class Window:
    """A part of a canvas: where it is cut out, and the millimetre coordinates inside."""

    rows: slice
    columns: slice
    x: Array
    y: Array


class Canvas:
    """One image with millimetre coordinates of the pixel centres."""

    def __init__(self, *, shape: tuple[int, int], pixel: float | Point, origin: Point, fill: float = 0.0) -> None:
        self.pixel_x, self.pixel_y = (pixel, pixel) if isinstance(pixel, float | int) else pixel
        self.pixel = max(self.pixel_x, self.pixel_y)
        self.shape = shape
        self.origin = origin
        self.xs: Array = (origin[0] + np.arange(shape[1]) * self.pixel_x).astype(np.float32)
        self.ys: Array = (origin[1] + np.arange(shape[0]) * self.pixel_y).astype(np.float32)
        self.image: Array = np.full(shape, fill, np.float32)

    @property
    def x(self) -> Array:
        return self.xs[None, :]

    @property
    def y(self) -> Array:
        return self.ys[:, None]

    def window(self, x0: float, x1: float, y0: float, y1: float) -> Window | None:
        """Return the part of the canvas that covers a rectangle, or None when it lies outside."""
        c0 = max(int((x0 - self.origin[0]) / self.pixel_x) - 2, 0)
        c1 = min(int((x1 - self.origin[0]) / self.pixel_x) + 3, self.shape[1])
        r0 = max(int((y0 - self.origin[1]) / self.pixel_y) - 2, 0)
        r1 = min(int((y1 - self.origin[1]) / self.pixel_y) + 3, self.shape[0])
        if c0 >= c1 or r0 >= r1:
            return None
        return Window(slice(r0, r1), slice(c0, c1), self.xs[None, c0:c1], self.ys[r0:r1, None])

    def paint(self, value: float | Array, alpha: Array, part: Window | None = None) -> None:
        """Blend a value (or texture) over the image."""
        target = self.image if part is None else self.image[part.rows, part.columns]
        target += alpha * (value - target)

    def ellipse(
        self,
        value: float | Array,
        *,
        centre: Point,
        radii: Point,
        angle: float = 0.0,
        power: float = 2.0,
        soft: float = 0.0,
        strength: float = 1.0,
        clip: Array | None = None,
    ) -> None:
        """Paint a soft-edged ellipse; ``clip`` is a full-size coverage that limits it."""
        if min(radii) <= 0.05:
            return
        reach = max(radii) * (1.42 if angle else 1.0) + soft + self.pixel * 2
        part = self.window(centre[0] - reach, centre[0] + reach, centre[1] - reach, centre[1] + reach)
        if part is None:
            return
        distance = ellipse_distance(part.x, part.y, centre=centre, radii=radii, angle=angle, power=power)
        alpha = step(distance, max(soft, self.pixel)) * np.float32(strength)
        if clip is not None:
            alpha = alpha * clip[part.rows, part.columns]
        if isinstance(value, np.ndarray):
            value = value[part.rows, part.columns]
        self.paint(value, alpha, part)

    def line(
        self,
        value: float,
        points: Sequence[Point],
        *,
        width: float | tuple[float, float],
        soft: float = 0.0,
        strength: float = 1.0,
        clip: Array | None = None,
    ) -> None:
        """Paint a line through points; ``width`` (mm) may taper from start to end."""
        w0, w1 = (width, width) if isinstance(width, float | int) else width
        px = [p[0] for p in points]
        py = [p[1] for p in points]
        reach = max(w0, w1) + soft + self.pixel * 2
        part = self.window(min(px) - reach, max(px) + reach, min(py) - reach, max(py) + reach)
        if part is None:
            return
        best = np.full(np.broadcast_shapes(part.x.shape, part.y.shape), np.inf, np.float32)
        count = len(points) - 1
        for index in range(count):
            distance, t = segment_distance(part.x, part.y, points[index], points[index + 1])
            half = (w0 + (w1 - w0) * (index + t) / count) / 2
            np.minimum(best, distance - half, out=best)
        alpha = step(best, max(soft, self.pixel)) * np.float32(strength)
        # Thinner than a pixel: keep the amount of matter, not the width.
        alpha *= np.float32(min(1.0, max(w0, w1) / self.pixel))
        if clip is not None:
            alpha = alpha * clip[part.rows, part.columns]
        self.paint(value, alpha, part)


def bezier(points: Sequence[Point], count: int = 16) -> list[Point]:
    """Return points along the Bézier curve of the given control points."""
    t = np.linspace(0, 1, count)
    nodes = [np.outer(np.ones_like(t), p) for p in points]
    while len(nodes) > 1:
        nodes = [a + (b - a) * t[:, None] for a, b in zip(nodes, nodes[1:], strict=False)]
    return [(float(x), float(y)) for x, y in nodes[0]]


def band_noise(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    *,
    spacing: Sequence[float],
    wavelength: float,
    width: float = 0.35,
) -> Array:
    """Return unit-variance periodic noise whose structures have about one ``wavelength`` (mm)."""
    white = rng.standard_normal(shape, dtype=np.float32)
    spectrum = np.fft.rfftn(white)
    axes = [np.fft.fftfreq(n, d) for n, d in zip(shape[:-1], spacing[:-1], strict=True)]
    axes.append(np.fft.rfftfreq(shape[-1], spacing[-1]))
    frequency = np.zeros(spectrum.shape, np.float32)
    for axis, values in enumerate(axes):
        view = [1] * len(shape)
        view[axis] = -1
        frequency = frequency + (values.astype(np.float32) ** 2).reshape(view)
    frequency = np.sqrt(frequency) * np.float32(wavelength)
    spectrum *= np.exp(-(((frequency - 1) / width) ** 2))
    field = np.fft.irfftn(spectrum, s=shape, axes=tuple(range(len(shape)))).astype(np.float32)
    return field / np.float32(field.std() + 1e-9)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], *, spacing: Sequence[float], scale: float) -> Array:
    """Return unit-variance periodic low-pass noise with a Gaussian correlation length ``scale`` (mm)."""
    white = rng.standard_normal(shape, dtype=np.float32)
    field = blur(white, [scale / d for d in spacing])
    field -= field.mean()
    return field / np.float32(field.std() + 1e-9)


def blur(field: Array, sigmas: Sequence[float]) -> Array:
    """Return the periodic Gaussian blur of an array; sigmas in pixels per axis."""
    spectrum = np.fft.rfftn(field)
    for axis, sigma in enumerate(sigmas):
        n = field.shape[axis]
        f = np.fft.rfftfreq(n) if axis == field.ndim - 1 else np.fft.fftfreq(n)
        view = [1] * field.ndim
        view[axis] = -1
        spectrum *= np.exp(-2 * (np.pi * sigma * f) ** 2).astype(np.float32).reshape(view)
    return np.fft.irfftn(spectrum, s=field.shape, axes=tuple(range(field.ndim))).astype(np.float32)


def power_noise(rng: np.random.Generator, shape: tuple[int, int], *, exponent: float, low: float = 2.0) -> Array:
    """Return unit-variance periodic noise with a 1/f^exponent amplitude spectrum above ``low`` cycles an image."""
    spectrum = np.fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    fy = np.fft.fftfreq(shape[0])[:, None] * max(shape)
    fx = np.fft.rfftfreq(shape[1])[None, :] * max(shape)
    f = np.maximum(np.hypot(fx, fy), low)
    field = np.fft.irfft2(spectrum / f**exponent, s=shape).astype(np.float32)
    field -= field.mean()
    return field / np.float32(field.std())


def sample(field: Array, x: Array, y: Array, z: Array | float) -> Array:
    """Return trilinear samples of a periodic field[z, y, x] at index coordinates."""
    depth, height, width = field.shape
    flat = field.ravel()
    if np.ndim(z) == 0:
        # One plane: blend the two neighbours once instead of eight corners a point.
        z0 = int(np.floor(z))
        fz0 = np.float32(z - z0)
        plane = field[z0 % depth] * (1 - fz0) + field[(z0 + 1) % depth] * fz0
        x0, y0 = np.floor(x), np.floor(y)
        fx, fy = x - x0, y - y0
        xi, yi = x0.astype(np.int32) % width, y0.astype(np.int32) % height
        xj, yj = (xi + 1) % width, ((yi + 1) % height) * width
        yi = yi * width
        flat = plane.ravel()
        low = flat[yi + xi] * (1 - fx) + flat[yi + xj] * fx
        high = flat[yj + xi] * (1 - fx) + flat[yj + xj] * fx
        return np.asarray(low * (1 - fy) + high * fy, np.float32)
    zz = np.broadcast_to(np.asarray(z, np.float32), x.shape)
    x0, y0, zf = np.floor(x), np.floor(y), np.floor(zz)
    fx, fy, fz = x - x0, y - y0, zz - zf
    xi, yi, zi = x0.astype(np.int32) % width, y0.astype(np.int32) % height, zf.astype(np.int32) % depth
    xj, yj, zj = (xi + 1) % width, (yi + 1) % height, (zi + 1) % depth
    base00, base01 = (zi * height + yi) * width, (zi * height + yj) * width
    base10, base11 = (zj * height + yi) * width, (zj * height + yj) * width
    a = flat[base00 + xi] * (1 - fx) + flat[base00 + xj] * fx
    b = flat[base01 + xi] * (1 - fx) + flat[base01 + xj] * fx
    c = flat[base10 + xi] * (1 - fx) + flat[base10 + xj] * fx
    d = flat[base11 + xi] * (1 - fx) + flat[base11 + xj] * fx
    low = a * (1 - fy) + b * fy
    high = c * (1 - fy) + d * fy
    return np.asarray(low * (1 - fz) + high * fz, np.float32)


def upsample(image: Array, shape: tuple[int, int]) -> Array:
    """Return a bilinear enlargement of an image to ``shape``."""
    rows = np.linspace(0, image.shape[0] - 1, shape[0], dtype=np.float32)
    columns = np.linspace(0, image.shape[1] - 1, shape[1], dtype=np.float32)
    r0 = np.minimum(rows.astype(np.int32), image.shape[0] - 2)
    c0 = np.minimum(columns.astype(np.int32), image.shape[1] - 2)
    fr, fc = (rows - r0)[:, None], (columns - c0)[None, :]
    down = image[r0] * (1 - fr) + image[r0 + 1] * fr
    return (down[:, c0] * (1 - fc) + down[:, c0 + 1] * fc).astype(np.float32)


class NoiseBank:
    """Quantum-like image noise: a few correlated tiles, rolled and flipped into as many slices as wanted.

    The tiles have the mid-frequency texture of filtered back-projection; tiles are reused because the eye does not
    notice and a fresh transform for each slice would double the time of a volume.
    """

    def __init__(
        self, rng: np.random.Generator, shape: tuple[int, int], *, wavelength: float = 3.2, count: int = 6
    ) -> None:
        self._rng = rng
        self._tiles = [
            band_noise(rng, shape, spacing=(1.0, 1.0), wavelength=wavelength, width=0.62) for _ in range(count)
        ]

    def next(self) -> Array:
        """Return one slice of unit-variance noise."""
        first, second = self._rng.integers(0, len(self._tiles), 2)
        height, width = self._tiles[0].shape
        a = np.roll(self._tiles[first], (int(self._rng.integers(height)), int(self._rng.integers(width))), axis=(0, 1))
        b = np.roll(self._tiles[second], (int(self._rng.integers(height)), int(self._rng.integers(width))), axis=(0, 1))
        flips = int(self._rng.integers(4))
        if flips & 1:
            b = b[::-1]
        if flips & 2:
            b = b[:, ::-1]
        return (a + b) * np.float32(0.7071)


@dataclass(frozen=True)
class Tube:
    """A tapering 3-D tube."""

    start: Point3
    end: Point3
    radius: float
    end_radius: float


class Grid:
    """A volume[z, y, x] with millimetre coordinates; slice 0 is the lowest ``s`` (distance from the top)."""

    def __init__(self, volume: Array, *, pixel: float, origin: Point, top: float, thickness: float) -> None:
        self.volume = volume
        self.pixel = pixel
        self.origin = origin
        self.top = top
        self.thickness = thickness
        self.xs: Array = (origin[0] + np.arange(volume.shape[2]) * pixel).astype(np.float32)
        self.ys: Array = (origin[1] + np.arange(volume.shape[1]) * pixel).astype(np.float32)
        self.zs: Array = (top + np.arange(volume.shape[0]) * thickness).astype(np.float32)

    def box(self, low: Point3, high: Point3) -> tuple[slice, slice, slice] | None:
        bounds = []
        for axis, (lo, hi) in enumerate(zip(low, high, strict=True)):
            start = (self.origin[0], self.origin[1], self.top)[axis]
            size = (self.pixel, self.pixel, self.thickness)[axis]
            count = self.volume.shape[2 - axis]
            a = max(int(np.floor((lo - start) / size)), 0)
            b = min(int(np.ceil((hi - start) / size)) + 1, count)
            if a >= b:
                return None
            bounds.append(slice(a, b))
        return bounds[2], bounds[1], bounds[0]

    def tube_coverage(self, tube: Tube) -> tuple[tuple[slice, slice, slice], Array] | None:
        """Return where a tube lies and how much of each voxel it fills (partial volume kept for thin ones)."""
        margin = max(tube.radius, tube.end_radius) + self.pixel
        zmargin = max(tube.radius, tube.end_radius) + self.thickness / 2
        p, q = tube.start, tube.end
        low = (min(p[0], q[0]) - margin, min(p[1], q[1]) - margin, min(p[2], q[2]) - zmargin)
        high = (max(p[0], q[0]) + margin, max(p[1], q[1]) + margin, max(p[2], q[2]) + zmargin)
        box = self.box(low, high)
        if box is None:
            return None
        z = self.zs[box[0]][:, None, None]
        y = self.ys[box[1]][None, :, None]
        x = self.xs[box[2]][None, None, :]
        d = (q[0] - p[0], q[1] - p[1], q[2] - p[2])
        length2 = d[0] ** 2 + d[1] ** 2 + d[2] ** 2 or 1e-9
        t = np.clip(((x - p[0]) * d[0] + (y - p[1]) * d[1] + (z - p[2]) * d[2]) / length2, 0, 1).astype(np.float32)
        dz = np.abs(z - (p[2] + t * d[2]))
        # A thick slice sees whatever crosses it: distances along z count only beyond half the slice.
        steep = abs(d[2]) / np.sqrt(length2)
        dz = np.maximum(dz - self.thickness / 2 * (1 - steep) * 0.8, 0)
        distance = np.sqrt((x - (p[0] + t * d[0])) ** 2 + (y - (p[1] + t * d[1])) ** 2 + dz**2)
        radius = tube.radius + (tube.end_radius - tube.radius) * t
        soft = self.pixel * 1.15
        coverage = np.clip(0.5 + (radius - distance) / soft, 0, 1)
        thin = np.clip(radius * 2 / self.pixel, 0, 1)
        fill = 1 - (1 - steep) * np.clip(1 - 2.2 * radius / self.thickness, 0, 0.75)
        return box, (coverage * thin * fill).astype(np.float32)

    def add_tubes(self, tubes: Sequence[Tube], value: float, *, keep_max: bool = True) -> None:
        """Blend tubes in; ``keep_max`` never darkens what is there (vessels over lung)."""
        for tube in tubes:
            found = self.tube_coverage(tube)
            if found is None:
                continue
            box, coverage = found
            target = self.volume[box]
            mixed = target + coverage * (value - target)
            np.copyto(target, np.maximum(target, mixed) if keep_max else mixed)
