"""Screen the images that lie in a de-identified archive with the check that arriving files pass."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _

from archive import hooks
from archive.domain.screening import Finding
from archive.models import Archive, Delivery, Instance
from archive.services import withdraw
from audit import services as audit
from core.tenancy import tenant
from deid.errors import AlreadyScreening, NotForDeidentified
from deid.models import DeidentifiedInstance
from deid.services.runs import scratch_folder

LOCK_NAMESPACE = 0x5C4EE
DOOR = "command"
AT_ONCE = 200


@dataclass(slots=True, kw_only=True)
class Progress:
    """Counts of a pass. `last` is the key of the last image that was looked at; `total` all of the archive."""

    last: int = 0
    total: int = 0
    screened: int = 0
    found: int = 0
    quarantined: int = 0
    released: int = 0
    unreadable: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    """A stored image that does not pass. `reason` names places, never values."""

    study: str
    sop_instance_uid: str
    code: str
    reason: str
    became: str


def screen_archive(
    *,
    archive: Archive,
    quarantine: bool,
    tell: Callable[[Screened], None],
    watch: Callable[[Progress], None],
    again: bool = False,
) -> Progress:
    """Look at every stored file; with `quarantine`, take out what fails.

    A pass that was stopped goes on behind the last image it looked at, each mode by itself: what a report passed over is
    still to be moved. `again` begins anew. An image that a person released is reported and stays. Raises
    `NotForDeidentified`, `AlreadyScreening`.
    """
    if not archive.is_gated:
        raise NotForDeidentified
    with tenant(archive.organisation), _claimed(archive.pk):
        place = _place(archive, quarantine=quarantine)
        progress = Progress() if again else _remembered(place)
        rows = Instance.objects.filter(archive=archive).order_by("pk")
        progress.total = progress.screened + rows.filter(pk__gt=progress.last).count()
        while batch := list(rows.filter(pk__gt=progress.last).select_related("study", "delivery")[:AT_ONCE]):
            for instance in batch:
                _one(instance, quarantine=quarantine, tell=tell, progress=progress)
                progress.last = instance.pk
                progress.screened += 1
                _remember(place, progress)
                watch(progress)
        audit.record(
            action="deidentification.archive_screened",
            organisation=archive.organisation,
            target=archive,
            detail={
                "archive": archive.slug,
                "screened": progress.screened,
                "found": progress.found,
                "quarantined": progress.quarantined,
            },
            outcome="failed" if progress.found or progress.unreadable else "success",
            door=DOOR,
        )
        place.unlink(missing_ok=True)
    return progress


def _one(instance: Instance, *, quarantine: bool, tell: Callable[[Screened], None], progress: Progress) -> None:
    try:
        finding = _finding(instance)
    except OSError:
        progress.unreadable += 1
        tell(_told(instance, code="unreadable", reason=_("The stored file cannot be read."), became="kept"))
        return
    if finding is None:
        return
    became = "kept"
    if _was_released(instance):
        progress.released += 1
        became = "released"
    else:
        progress.found += 1
        if quarantine and withdraw.withdraw(instance=instance, finding=finding, door=DOOR) is not None:
            progress.quarantined += 1
            became = "quarantined"
    tell(_told(instance, code=finding.code, reason=finding.reason, became=became))


def _finding(instance: Instance) -> Finding | None:
    with tempfile.NamedTemporaryFile(dir=scratch_folder(), suffix=".dcm") as file:
        path = Path(file.name)
        withdraw.fetch(key=instance.storage_key, path=path)
        return hooks.screen(path=path)


def _was_released(instance: Instance) -> bool:
    """Whether a person looked at this image and let it in, from quarantine or in a run."""
    if instance.delivery is not None and instance.delivery.admission == Delivery.Admission.RELEASED:
        return True
    looked_at = DeidentifiedInstance.objects.filter(
        run__target_archive=instance.archive_id,
        target_sop_instance_uid=instance.sop_instance_uid,
        target_digest=bytes(instance.digest),
        is_stored=True,
    )
    return looked_at.exclude(released_reasons=[]).exists()


def _told(instance: Instance, *, code: str, reason: str, became: str) -> Screened:
    return Screened(
        study=instance.study.public_id,
        sop_instance_uid=instance.sop_instance_uid,
        code=code,
        reason=reason,
        became=became,
    )


@contextmanager
def _claimed(archive_id: int) -> Iterator[None]:
    """A lock that lives with the database connection: a process that dies lets go of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_NAMESPACE, archive_id])
        if not cursor.fetchone()[0]:
            raise AlreadyScreening
    try:
        yield
    finally:
        if not connection.needs_rollback and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_NAMESPACE, archive_id])


def _place(archive: Archive, *, quarantine: bool) -> Path:
    folder = Path(settings.DATA_DIR) / "screening"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{archive.pk}-{'quarantine' if quarantine else 'report'}.json"


def _remembered(place: Path) -> Progress:
    try:
        return Progress(**json.loads(place.read_text()))
    except (OSError, ValueError, TypeError):
        return Progress()


def _remember(place: Path, progress: Progress) -> None:
    part = place.with_suffix(".part")
    part.write_text(json.dumps(asdict(progress)))
    part.replace(place)
