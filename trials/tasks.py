from __future__ import annotations

from core.tasks import task
from trials.services import matching


@task(queue="default", time_limit_seconds=3600)
def match_by_headers(*, organisation_id: int, subject_id: int) -> None:
    """Match what waits in the archive of a trial to a subject that was just added, or whose ID was put right."""
    matching.match_by_headers(subject_id=subject_id)
