"""One batch on its way: what is accepted, what is refused and kept aside."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from archive.inspection import Inspected
from archive.limits import limit
from archive.models import Archive, Delivery, Instance, QuarantinedFile
from archive.services.commit.outcome import (
    CANNOT_UNDERSTAND,
    DICOM_STATUS,
    NEVER_KEPT,
    REASONS,
    REFUSED,
    SKIPPED,
    Outcome,
)
from archive.storage import Pending, storage


@dataclass(slots=True)
class Batch:
    """What a batch did so far."""

    delivery: Delivery
    archive: Archive
    now: datetime
    outcomes: list[Outcome] = field(default_factory=list)
    adopted: set[Pending] = field(default_factory=set)
    stale_keys: list[str] = field(default_factory=list)
    quarantined: list[QuarantinedFile] = field(default_factory=list)
    new_patients: list[int] = field(default_factory=list)


class Crossed(Exception):
    """Another delivery took a row away between two steps: the batch has to be tried again."""


def storage_key(*, delivery: Delivery, name: str, kind: str = "instances") -> str:
    """The key of a spooled file: always the same one, so that a repeated try writes the same file.

    The name begins with microseconds: one folder holds what came within 100 seconds.
    """
    return f"{kind}/{delivery.archive_id}/{delivery.pk.hex[:2]}/{delivery.pk.hex}/{name[:8]}/{name}.dcm"


def accept(batch: Batch, *, file: Inspected, status: str) -> None:
    batch.outcomes.append(_outcome(file=file, status=status))


def forget_link(batch: Batch, *, file: Inspected) -> None:
    """A try that died may have linked the file; now it is not stored under that key.

    Unless it is: a file that came to the spool a second time under its old name stands in the index already.
    """
    key = storage_key(delivery=batch.delivery, name=file.name)
    if not storage().exists(key):
        return
    header = file.header
    if (
        header is not None
        and Instance.objects.filter(
            archive=batch.archive, sop_instance_uid=header.sop_instance_uid, storage_key=key
        ).exists()
    ):
        return
    batch.stale_keys.append(key)


def refuse(batch: Batch, *, file: Inspected, code: str, reason: str = "") -> None:
    forget_link(batch, file=file)
    reason = reason or REASONS[code]
    status = DICOM_STATUS.get(code, CANNOT_UNDERSTAND)
    if code in NEVER_KEPT:
        batch.outcomes.append(_outcome(file=file, status=SKIPPED, code=code, reason=reason, dicom_status=status))
        return
    batch.outcomes.append(_outcome(file=file, status=REFUSED, code=code, reason=reason, dicom_status=status))
    if batch.delivery.refused + len(batch.quarantined) >= limit("quarantine_files_per_delivery"):
        return
    key = storage_key(delivery=batch.delivery, name=file.name, kind="quarantine")
    batch.adopted.add(storage().adopt(source=file.path, key=key))
    batch.quarantined.append(
        QuarantinedFile(
            organisation_id=batch.archive.organisation_id,
            archive=batch.archive,
            delivery=batch.delivery,
            original_name=_clean_name(file.original_name),
            storage_key=key,
            size_bytes=file.size_bytes,
            digest=file.digest,
            code=code,
            reason=reason[:500],
            study_instance_uid=(file.header.study_instance_uid if file.header else "")[:64],
            sop_instance_uid=file.sop_instance_uid,
            received_at=batch.now,
        )
    )


def _clean_name(name: str) -> str:
    from archive.domain.text import clean

    return clean(name)[:500]


def _outcome(*, file: Inspected, status: str, code: str = "", reason: str = "", dicom_status: int = 0) -> Outcome:
    header = file.header
    return Outcome(
        name=file.name,
        original_name=file.original_name,
        status=status,
        code=code,
        reason=reason,
        dicom_status=dicom_status,
        sop_class_uid=file.sop_class_uid,
        study_instance_uid=header.study_instance_uid if header else "",
        series_instance_uid=header.series_instance_uid if header else "",
        sop_instance_uid=file.sop_instance_uid,
        size_bytes=file.size_bytes,
        notes=header.notes if header else (),
    )
