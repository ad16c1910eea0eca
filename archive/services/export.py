"""Studies as a zip of DICOM files with a DICOMDIR (PS3.3 F, PS3.10), made by a job."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from pydicom import dcmread
from pydicom.fileset import FileSet

from access.models import User
from access.queries import require
from archive import quota
from archive.errors import OutOfSpace, QuotaReached
from archive.models import Archive, Instance, Study
from archive.storage import storage
from audit import services as audit
from core import disks, jobs
from core.errors import Invalid
from core.models import Job
from core.tenancy import tenant

logger = structlog.get_logger(__name__)

KEPT_SECONDS = 24 * 3600
MOST_STUDIES = 1000
COPY_BYTES = 1 << 20


def exports_folder() -> Path:
    return Path(settings.DATA_DIR) / quota.EXPORTS


def export_path(job_id: Any) -> Path:
    return exports_folder() / f"{job_id}.zip"


def start_export(*, actor: User, archive: Archive, studies: Sequence[Study], request: Any = None) -> Job:
    """Begin a job that packs studies; needs the right to export. Raises `Invalid` without any study."""
    require(actor, "archive.export_images", archive)
    if not studies:
        raise Invalid(_("Choose at least one study."))
    if len(studies) > MOST_STUDIES:
        raise Invalid(_("At most %(n)s studies go into one export.") % {"n": MOST_STUDIES})
    room = quota.check_organisation(organisation_id=archive.organisation_id)
    if room is not None and sum(study.size_bytes for study in studies) > room:
        raise QuotaReached(
            _(
                "There is no room for the export in the organisation's storage. Choose fewer studies, or delete others first."
            )
        )
    _require_room()
    from archive import tasks

    with tenant(archive.organisation), transaction.atomic():
        job = jobs.start(
            organisation=archive.organisation,
            owner=actor,
            kind="archive.export",
            title=ngettext("Export %(n)s study", "Export %(n)s studies", len(studies)) % {"n": len(studies)},
            total=sum(study.instance_count for study in studies),
            needs=[("archive.export_images", archive)],
        )
        for study in studies:
            audit.record(
                action="study.exported",
                organisation=archive.organisation,
                actor=actor,
                target=study,
                detail={"archive": archive.slug, "instances": study.instance_count, "job": str(job.pk)},
                request=request,
            )
        tasks.export_studies.enqueue(
            organisation_id=archive.organisation_id, job_id=str(job.pk), study_ids=[study.pk for study in studies]
        )
    return job


def _require_room() -> None:
    """An export must not take the room that the database needs. Raises `OutOfSpace`."""
    if disks.least_room().is_short:
        raise OutOfSpace(
            _(
                "The disk has no room for an export. Nothing of it was kept; try again when an administrator has freed space."
            )
        )


def write_export(*, job_id: Any, study_ids: Sequence[int], progress: Callable[[int, int], None]) -> tuple[int, int]:
    """Write the zip of a job; returns (files, files that the DICOMDIR cannot list). Safe to repeat."""
    instances = list(
        Instance.objects.filter(study_id__in=study_ids)
        .order_by("study_id", "series__series_number", "series_id", "instance_number", "pk")
        .select_related("study", "series", "study__patient")
        .defer("attributes", "frame_table", "study__attributes", "series__attributes")
    )
    target = export_path(job_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    part = target.with_suffix(".part")
    try:
        names = write_directory(instances, work=work)
        # Images hardly deflate and the receiver wants them soon: stored, not deflated.
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as packed:
            if names:
                packed.write(work / "out" / "DICOMDIR", "DICOMDIR")
            for number, instance in enumerate(instances, start=1):
                name = names.get(instance.sop_instance_uid) or f"OTHER/OT{number:06d}"
                _require_room()
                _pack(packed, instance=instance, name=name)
                progress(number, len(instances))
        part.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        part.unlink(missing_ok=True)
    return len(instances), len(instances) - len(names)


def _pack(packed: zipfile.ZipFile, *, instance: Instance, name: str) -> None:
    entry = zipfile.ZipInfo(name, date_time=timezone.localtime(instance.received_at).timetuple()[:6])
    entry.external_attr = 0o644 << 16
    # Said beforehand, as a file of 4 GB needs another kind of entry.
    entry.file_size = instance.size_bytes
    with storage().open(instance.storage_key) as file, packed.open(entry, "w") as target:
        shutil.copyfileobj(file, target, COPY_BYTES)


def write_directory(instances: Sequence[Instance], *, work: Path) -> dict[str, str]:
    """Write the DICOMDIR of copies without pixels; returns the place of each listed instance by SOP Instance UID.

    Instances whose kind has no directory record (PS3.3 F.4), or that lack what it must say, are exported all the same.
    """
    records = FileSet()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, instance in enumerate(instances):
            header = work / f"{number}.dcm"
            try:
                with storage().open(instance.storage_key) as file:
                    dataset = dcmread(file, stop_before_pixels=True)
                dataset.save_as(header, enforce_file_format=True)
                records.add(header)
            except Exception as error:  # noqa: BLE001
                logger.info("no_directory_record", instance=instance.pk, kind=type(error).__name__)
                header.unlink(missing_ok=True)
        if not len(records):
            return {}
        records.write(work / "out")
        out = work / "out"
        return {str(found.SOPInstanceUID): Path(found.path).relative_to(out).as_posix() for found in records}


def forget_export(job: Job) -> None:
    """Remove the zip of somebody who may no longer have it."""
    export_path(job.pk).unlink(missing_ok=True)


def sweep_exports(*, now: float) -> int:
    """Remove exports that nobody fetched in time."""
    count = 0
    folder = exports_folder()
    if not folder.is_dir():
        return 0
    for path in folder.iterdir():
        try:
            if now - path.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
                count += 1
        except FileNotFoundError:
            continue
    return count
