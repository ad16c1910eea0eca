"""When a diagnosis comes back: FSRS over diagnoses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fsrs import Card, Rating, Scheduler

#: No steps of minutes: a case is read again after days, never in the same sitting. No fuzz: a forecast must come true.
_scheduler: Final = Scheduler(desired_retention=0.9, learning_steps=(), relearning_steps=(), enable_fuzzing=False)


@dataclass(frozen=True, kw_only=True)
class Review:
    """What a repetition did: the new memory (plain JSON) and when the diagnosis is due again."""

    memory: dict[str, Any]
    due_at: datetime
    rating: int

    @property
    def is_lapse(self) -> bool:
        return self.rating == Rating.Again


def rating_of(grade: float) -> Rating:
    """A grade from 0 to 10 as a rating: below 3 Again (critical), below 7 Hard (omission), below 10 Good, 10 Easy."""
    if grade < 3:
        return Rating.Again
    if grade < 7:
        return Rating.Hard
    return Rating.Easy if grade >= 10 else Rating.Good


def review(*, memory: Mapping[str, Any] | None, grade: float, moment: datetime) -> Review:
    """Take a read into the memory of its diagnosis. `moment` is aware, in UTC.

    :param memory: what the last review gave, or None for the first one.
    """
    card = Card.from_dict(dict(memory)) if memory else Card(card_id=1, due=moment)  # type: ignore[arg-type]
    rating = rating_of(grade)
    card, _log = _scheduler.review_card(card, rating, moment)
    return Review(memory=dict(card.to_dict()), due_at=card.due, rating=int(rating))


def retention(*, memory: Mapping[str, Any], moment: datetime) -> float:
    """The probability that the diagnosis is still recalled at `moment`."""
    card = Card.from_dict(dict(memory))  # type: ignore[arg-type]
    return float(_scheduler.get_card_retrievability(card, moment))
