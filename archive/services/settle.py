"""When a study is complete: silence for the archive's time, then thumbnails, metadata, and everybody who wants to know.

The state of a study: unsettled (`settled_at` empty) → settled → announced (`announced_at` set). A further image brings it
back to unsettled. A worker that dies between settled and announced leaves a study that is picked up again.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from django.db.models import DurationField, ExpressionWrapper, F, Q, Value
from django.db.models.functions import Now
from django.utils import timezone

from archive import hooks
from archive.models import Study
from archive.services.derive import derive_series, is_current

logger = structlog.get_logger(__name__)

ABANDONED_SECONDS = 15 * 60
MOST_AT_ONCE = 200


def due_studies() -> list[tuple[int, int]]:
    """(organisation, study) of what must be settled now, across organisations. Call with the scope lifted."""
    silence = ExpressionWrapper(
        F("archive__settle_seconds") * Value(timedelta(seconds=1)), output_field=DurationField()
    )
    is_silent = Q(settled_at=None, last_received_at__lte=Now() - silence)
    is_abandoned = Q(announced_at=None, settled_at__lt=timezone.now() - timedelta(seconds=ABANDONED_SECONDS))
    rows = Study.objects.filter(is_silent | is_abandoned, instance_count__gt=0).order_by("last_received_at")
    return list(rows.values_list("organisation_id", "pk")[:MOST_AT_ONCE])


def claim(*, study_id: int) -> bool:
    """Mark a silent study as settled; True for the one process whose update did it."""
    now = timezone.now()
    settled = Study.objects.filter(pk=study_id, settled_at=None).update(settled_at=now, announced_at=None)
    if settled:
        return True
    abandoned = Study.objects.filter(
        pk=study_id, announced_at=None, settled_at__lt=now - timedelta(seconds=ABANDONED_SECONDS)
    )
    return bool(abandoned.update(settled_at=now))


def settle_study(*, study_id: int) -> None:
    """Derive what the study's series lack, tell the listeners, and note that they know. Safe to repeat."""
    study = Study.objects.select_related("archive", "patient", "organisation").filter(pk=study_id).first()
    if study is None or study.settled_at is None or study.announced_at is not None:
        return
    for series in study.series.filter(instance_count__gt=0).select_related("study"):
        if not is_current(series=series, key=series.metadata_key):
            derive_series(series=series)
    hooks.study_settled(study=study)
    Study.objects.filter(pk=study.pk, settled_at=study.settled_at).update(announced_at=timezone.now())
