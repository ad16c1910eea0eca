"""Pick up what a process that died left in the spool. Runs across organisations, with the scope lifted."""

from __future__ import annotations

from typing import Any

import structlog
from django.utils import timezone

from archive import spool
from archive.limits import limit
from archive.models import Delivery, QuarantinedFile
from core.models import Job

logger = structlog.get_logger(__name__)

# A file younger than this is surely still in the hands of the door that received it.
QUIET_SECONDS = 15.0
UNKNOWN_FOLDER_SECONDS = 24 * 3600.0


def sweep_spool() -> list[tuple[int, str]]:
    """(organisation, delivery) of deliveries that need indexing, after closing those whose owner is gone."""
    wanted: list[tuple[int, str]] = []
    for delivery_id in spool.delivery_ids():
        idle = spool.seconds_since_activity(delivery_id)
        if idle is None or idle < QUIET_SECONDS:
            continue
        delivery: Any = Delivery.objects.filter(pk=delivery_id).first()
        if delivery is None:
            _sweep_unknown(delivery_id, idle=idle)
            continue
        if delivery.state == Delivery.State.OPEN and _is_dead(delivery, idle=idle):
            Delivery.objects.filter(pk=delivery.pk, state=Delivery.State.OPEN).update(
                state=Delivery.State.CLOSED, closed_at=timezone.now()
            )
            parts = spool.remove_parts(delivery.pk)
            logger.warning("delivery_closed_for_its_owner", delivery=str(delivery.pk), unfinished_files=parts)
            delivery.state = Delivery.State.CLOSED
        if delivery.state == Delivery.State.INDEXED and not spool.whole_files(delivery.pk):
            if not spool.has_owner(delivery.pk):
                spool.remove_parts(delivery.pk)
                spool.remove_folder(delivery.pk)
            continue
        if delivery.state == Delivery.State.CLOSED or spool.whole_files(delivery.pk):
            wanted.append((delivery.organisation_id, str(delivery.pk)))
    wanted += _closed_without_folder()
    return wanted


def lost_zips() -> list[tuple[int, str, str, str]]:
    """(organisation, delivery, zip, job) of zips that nobody unpacks; the job is empty when it failed for good."""
    lost: list[tuple[int, str, str, str]] = []
    for delivery_id in spool.delivery_ids():
        for name in spool.waiting_zips(delivery_id):
            if (spool.seconds_since_activity(delivery_id) or 0.0) < limit("lost_zip_seconds"):
                continue
            with spool.only_here(spool.zip_path(delivery_id, name)) as is_free:
                delivery: Any = Delivery.objects.filter(pk=delivery_id).first() if is_free else None
            if delivery is None:
                continue
            job = Job.objects.filter(
                kind="archive.unpack", result__zip=name, result__delivery=str(delivery_id), state__in=Job.ACTIVE_STATES
            ).first()
            lost.append((delivery.organisation_id, str(delivery_id), name, str(job.pk) if job else ""))
    return lost


def unfinished_releases() -> list[tuple[int, int]]:
    """(organisation, file) of files that are on their way out of quarantine; most of them are in good hands."""
    rows = QuarantinedFile.objects.filter(state=QuarantinedFile.State.RELEASING).order_by("decided_at")
    return list(rows.values_list("organisation_id", "pk")[:1000])


def _is_dead(delivery: Delivery, *, idle: float) -> bool:
    if spool.has_owner(delivery.pk):
        return False
    # An upload is many requests: nobody holds it between two of them.
    is_upload = delivery.source == Delivery.Source.UPLOAD
    return idle > limit("upload_idle_seconds" if is_upload else "orphan_idle_seconds")


def _sweep_unknown(delivery_id: Any, *, idle: float) -> None:
    """A folder without a row: its delivery was never committed, so nothing in it was acknowledged."""
    if idle > UNKNOWN_FOLDER_SECONDS and not spool.has_owner(delivery_id) and not spool.whole_files(delivery_id):
        spool.remove_parts(delivery_id)
        spool.remove_folder(delivery_id)


def _closed_without_folder() -> list[tuple[int, str]]:
    """Closed deliveries whose index task got lost before it could say that they are complete."""
    rows = Delivery.objects.filter(state=Delivery.State.CLOSED).values_list("organisation_id", "pk")[:1000]
    return [(organisation_id, str(pk)) for organisation_id, pk in rows if not spool.folder_of(pk).exists()]
