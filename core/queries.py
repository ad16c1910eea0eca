"""Reading jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Case, IntegerField, QuerySet, Value, When

from core.models import Job
from core.ready import ready

if TYPE_CHECKING:
    from access.models import User

TRAY_LENGTH = 8


def jobs_of(*, user: User) -> QuerySet[Job]:
    """A person's jobs in the organisation of the scope."""
    found: QuerySet[Job] = Job.objects.filter(owner=user)
    return found


def tray_jobs(*, user: User) -> list[Job]:
    """What the tray shows: all that is under way first, then what ended last."""
    return _tray_jobs.all(user_id=user.pk)


@ready(scoped=True, user_id=int)
def _tray_jobs(*, user_id: int) -> QuerySet[Job]:
    active = Case(When(state__in=Job.ACTIVE_STATES, then=Value(0)), default=Value(1), output_field=IntegerField())
    return Job.objects.filter(owner_id=user_id).order_by(active, "-created_at")[:TRAY_LENGTH]
