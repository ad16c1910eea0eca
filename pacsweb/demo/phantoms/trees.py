"""Branching trees (vessels, airways) grown inside a lung-like region."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pacsweb.demo.phantoms.raster import Point3, Tube

Inside = Callable[[float, float, float], bool]


def grow(
    rng: np.random.Generator,
    *,
    start: Point3,
    direction: Point3,
    radius: float,
    length: float,
    inside: Inside,
    minimum: float,
    spread: float = 0.55,
    shrink: float = 0.79,
    limit: int = 900,
) -> list[Tube]:
    """Return the tubes of one tree.

    Each branch bends a little on its way and splits in two; the daughters obey Murray's law roughly (``shrink`` for an
    even split) and stop at ``minimum`` radius or where ``inside`` says the organ ends.
    """
    tubes: list[Tube] = []
    queue: list[tuple[np.ndarray, np.ndarray, float, float]] = [
        (np.array(start, float), np.array(direction, float) / np.linalg.norm(direction), radius, length)
    ]
    while queue and len(tubes) < limit:
        at, heading, r, reach = queue.pop(0)
        steps = 2 if reach > 9 else 1
        end_r = r * 0.93
        alive = True
        for index in range(steps):
            bend = rng.normal(0, 0.13, 3)
            heading = heading + bend
            heading /= np.linalg.norm(heading)
            after = at + heading * reach / steps
            if not inside(*after):
                # Try once to turn back towards where it came from before giving up.
                heading = heading + rng.normal(0, 0.5, 3)
                heading /= np.linalg.norm(heading)
                after = at + heading * reach / steps * 0.7
                if not inside(*after):
                    alive = False
                    break
            a = r + (end_r - r) * index / steps
            b = r + (end_r - r) * (index + 1) / steps
            tubes.append(Tube(_point(at), _point(after), float(a), float(b)))
            at = after
        if not alive or end_r * shrink < minimum:
            continue
        share = float(rng.uniform(0.82, 1.12))
        axis = np.cross(heading, rng.normal(size=3))
        axis /= np.linalg.norm(axis) + 1e-9
        wide = spread * float(rng.uniform(0.7, 1.25))
        for sign, factor in ((1, share), (-1, 1.97 - share)):
            turned = heading * np.cos(wide) + axis * np.sin(wide) * sign
            queue.append(
                (at, turned, end_r * shrink * min(factor, 1.1), max(reach * float(rng.uniform(0.78, 0.95)), 4.0))
            )
    return tubes


def _point(values: np.ndarray) -> Point3:
    return (float(values[0]), float(values[1]), float(values[2]))
