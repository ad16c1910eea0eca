"""A scored read goes into the memory of its diagnosis."""

from __future__ import annotations

from django.db.models import F

from practice.domain import repetition
from practice.models import Attempt, Card, CardReview


def review_diagnosis(*, attempt: Attempt) -> None:
    """Schedule the diagnosis of a scored attempt anew; called once for each attempt, in its transaction."""
    moment = attempt.committed_at
    if moment is None or attempt.grade is None:
        return
    group = attempt.version.diagnosis_group
    card = (
        Card.objects.select_for_update()
        .filter(organisation_id=attempt.organisation_id, user_id=attempt.user_id, diagnosis_group=group)
        .first()
    )
    outcome = repetition.review(memory=card.memory if card else None, grade=attempt.grade, moment=moment)
    if card is None:
        card = Card.objects.create(
            organisation_id=attempt.organisation_id,
            user_id=attempt.user_id,
            diagnosis_group=group,
            memory=outcome.memory,
            due_at=outcome.due_at,
            reviews=1,
            lapses=int(outcome.is_lapse),
            last_attempt=attempt,
        )
    else:
        Card.objects.filter(pk=card.pk).update(
            memory=outcome.memory,
            due_at=outcome.due_at,
            reviews=F("reviews") + 1,
            lapses=F("lapses") + int(outcome.is_lapse),
            last_attempt=attempt,
        )
    CardReview.objects.create(
        organisation_id=attempt.organisation_id,
        card=card,
        attempt=attempt,
        rating=outcome.rating,
        reviewed_at=moment,
        due_at=outcome.due_at,
    )
