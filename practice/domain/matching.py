"""Which marks hit which lesions.

A mark is a hit when it lies inside the lesion's outline on the same image, or within max(lesion radius, 10 mm) of its
centre. One mark a lesion: the highest rating wins. All other marks are false.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from viewer.domain.mark_reading import stored_mark
from viewer.domain.marks import Mark

NEAR_MM: Final = 10.0
#: Without millimetres (no geometry, no spacing) the same in pixels.
NEAR_PIXELS: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Lesion:
    """A truth mark that counts; see `teaching.models.TruthMark` for the units."""

    id: str
    mark: Mark
    centre_mm: tuple[float, float, float] | None = None
    radius_mm: float | None = None
    spacing_mm: tuple[float, float] | None = None
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Matching:
    """The outcome: for each lesion the mark that hit it or None, and the false marks in the order given."""

    hits: Mapping[str, str | None]
    false_marks: tuple[str, ...]

    @property
    def hit_count(self) -> int:
        return sum(mark is not None for mark in self.hits.values())

    def to_json(self) -> dict[str, Any]:
        return {
            "hits": {lesion: mark for lesion, mark in self.hits.items() if mark is not None},
            "missed": [lesion for lesion, mark in self.hits.items() if mark is None],
            "false": list(self.false_marks),
        }


def lesion_from(truth: Mapping[str, Any]) -> Lesion:
    """A lesion from a version's `truth` entry."""
    centre, spacing = truth.get("centre_mm"), truth.get("spacing_mm")
    return Lesion(
        id=str(truth["id"]),
        mark=stored_mark(truth["mark"]),
        centre_mm=None if centre is None else (float(centre[0]), float(centre[1]), float(centre[2])),
        radius_mm=truth.get("radius_mm"),
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
    )


def rating(mark: Mark) -> float:
    """A mark without a rating counts as the lowest one that was given: it was made, after all."""
    return 0.0 if mark.confidence is None else mark.confidence


def distance(*, mark: Mark, lesion: Lesion) -> tuple[float, float] | None:
    """How far the mark is from the lesion's centre, and how far it may be; None when they cannot be compared."""
    place = mark.target_patient
    same_space = mark.frame_of_reference_uid == lesion.mark.frame_of_reference_uid
    if place is not None and lesion.centre_mm is not None and same_space:
        return math.dist(place, lesion.centre_mm), max(lesion.radius_mm or 0.0, NEAR_MM)
    if mark.sop_instance_uid != lesion.mark.sop_instance_uid or mark.frame != lesion.mark.frame:
        return None
    (x0, y0), (x1, y1) = mark.target, lesion.mark.target
    if lesion.spacing_mm is not None:
        rows, columns = lesion.spacing_mm
        return math.hypot((x0 - x1) * columns, (y0 - y1) * rows), max(lesion.radius_mm or 0.0, NEAR_MM)
    return math.hypot(x0 - x1, y0 - y1), max(lesion.mark.radius(), NEAR_PIXELS)


def reach(*, mark: Mark, lesion: Lesion) -> float | None:
    """The distance when the mark counts as on the lesion, else None."""
    found = distance(mark=mark, lesion=lesion)
    same_image = mark.sop_instance_uid == lesion.mark.sop_instance_uid and mark.frame == lesion.mark.frame
    if same_image and lesion.mark.encloses(mark.target):
        return 0.0 if found is None else found[0]
    if found is None or found[0] > found[1]:
        return None
    return found[0]


def match(*, marks: Sequence[Mark], lesions: Sequence[Lesion]) -> Matching:
    """Give each lesion the highest-rated mark on it.

    Marks are taken from the highest rating down; each goes to the nearest lesion on which it lies and that no other
    mark has yet. Equal ratings: the nearer mark first, then the order in which they were made.
    """
    hits: dict[str, str | None] = {lesion.id: None for lesion in lesions}
    nearest = {mark.id: _candidates(mark=mark, lesions=lesions) for mark in marks}
    order = sorted(
        range(len(marks)),
        key=lambda i: (-rating(marks[i]), nearest[marks[i].id][0][0] if nearest[marks[i].id] else math.inf, i),
    )
    taken: set[str] = set()
    for index in order:
        mark = marks[index]
        for _distance, lesion_id in nearest[mark.id]:
            if hits[lesion_id] is None:
                hits[lesion_id] = mark.id
                taken.add(mark.id)
                break
    return Matching(hits=hits, false_marks=tuple(mark.id for mark in marks if mark.id not in taken))


def _candidates(*, mark: Mark, lesions: Sequence[Lesion]) -> list[tuple[float, str]]:
    found = [(reach(mark=mark, lesion=lesion), lesion.id) for lesion in lesions]
    return sorted((d, lesion_id) for d, lesion_id in found if d is not None)
