"""Bones that several body phantoms share."""

from __future__ import annotations

import numpy as np

from pacsweb.demo.phantoms.raster import Array, Canvas, Point

PERIOD = 24.0


def draw_vertebra(canvas: Canvas, trab: Array, *, phase: float, y: float, radii: Point) -> None:
    """Paint a vertebra in the midline; ``phase`` (mm, 0–24) is the height within vertebra and disc, ``y`` its middle."""
    c, period = canvas, PERIOD
    a, b = radii
    disc = phase < 5
    waist = 1 - 0.10 * np.sin(np.pi * (phase - 5) / 19) if not disc else 1.02
    # Posterior elements first, so that the canal stays open.
    canal = y + b + 8.5
    pedicle = 8 < phase < 17
    tilt = 0.42
    spinous = canal + 12 + 8 * (phase / period)
    c.ellipse(60, centre=(0, canal + 12), radii=(9, 13), soft=4, strength=0.6)
    if phase > 9 or phase < 3:
        for side in (-1, 1):
            c.line(620, [(side * 11, canal - 1), (0, canal + 9.5)], width=5.2)
            c.line(260, [(side * 10, canal), (0, canal + 9.0)], width=2.0)
        c.line(600, [(0, canal + 9), (0, spinous + 8)], width=(6, 4))
        c.line(240, [(0, canal + 10), (0, spinous + 6)], width=(2.4, 1.4))
    if 6 < phase < 19:
        reach = 29 - abs(phase - 12) * 1.1
        for side in (-1, 1):
            end = (side * reach, canal + 10 + tilt * 8)
            c.line(600, [(side * 11, canal + 1), end], width=(7.5, 8.5))
            c.line(240, [(side * 12, canal + 1.5), end], width=(3.6, 4.6))
    for side in (-1, 1):
        # Facet joints.
        c.ellipse(640, centre=(side * 13, canal + 4), radii=(5.0, 5.5))
        c.ellipse(60, centre=(side * 12.4, canal + 4), radii=(0.7, 4.0), strength=0.8)
        if pedicle:
            c.line(560, [(side * (a * 0.62), y + b * 0.6), (side * 11.5, canal)], width=6.5)
            c.line(250, [(side * (a * 0.62), y + b * 0.6), (side * 11.5, canal)], width=3.2)
    if disc:
        c.ellipse(88 + 8 * trab, centre=(0, y), radii=(a * 1.02, b * 1.02), power=2.5)
        c.ellipse(118, centre=(0, y), radii=(a * 1.0, b * 1.0), power=2.5, strength=0.15)
    else:
        edge = 1.0 if (phase < 7 or phase > 22) else 0.0
        c.ellipse(640, centre=(0, y), radii=(a * waist, b * waist), power=2.5)
        marrow = 165 + 75 * trab + 220 * edge
        c.ellipse(marrow, centre=(0, y), radii=(a * waist - 1.5, b * waist - 1.5), power=2.5)
        if 11 < phase < 15:
            c.line(60, [(0, y + b * 0.2), (0, y + b)], width=2.2, strength=0.7)
    c.ellipse(-60, centre=(0, canal - 0.5), radii=(10.2, 8.0), soft=1.0)
    c.ellipse(16, centre=(0, canal - 0.7), radii=(8.7, 7.0))
    c.ellipse(42, centre=(0, canal - 0.7), radii=(5.4, 4.0))
