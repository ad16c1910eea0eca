"""What jobs hang on: the rights of who started them."""

from __future__ import annotations

from typing import Any

from django.apps import apps

from access import hooks, queries
from core import jobs
from core.models import Job
from core.tenancy import tenant


def register() -> None:
    jobs.register_guard(still_holds)
    hooks.on_rights_lost(end_jobs)


def still_holds(job: Job) -> bool:
    """Whether the owner holds every right that the job names; one on a container that is gone is held by nobody."""
    with tenant(job.organisation):
        return bool(job.owner.is_active) and all(_holds(job, **need) for need in job.needs)


def _holds(job: Job, *, permission: str, container: str) -> bool:
    kind, _colon, number = container.rpartition(":")
    try:
        model: Any = apps.get_model(kind)
    except (LookupError, ValueError):
        # Of a room that is no longer installed: like a container that is gone.
        return False
    found = model._default_manager.filter(pk=int(number)).first()
    return found is not None and queries.may(job.owner, permission, found)


def end_jobs(*, organisation: Any, user: Any) -> int:
    """In a transaction, when somebody may have lost a right."""
    with tenant(organisation):
        return jobs.end_without_right(organisation=organisation, user=user)
