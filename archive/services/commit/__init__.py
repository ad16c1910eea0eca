"""One batch of inspected files into the index, in one transaction.

Lock order, the same for every delivery: patients by key, then studies by UID, then series by UID. The row locks on the
studies make the counts of study and series right whoever else delivers to the same study at that moment.
"""

from __future__ import annotations

from django.utils import timezone

from archive import hooks
from archive.domain.header import Header
from archive.inspection import Inspected
from archive.models import Archive, Delivery, Instance, QuarantinedFile
from archive.services import removal
from archive.services.commit.contents import find_series, known_instances, may_replace, new_instance, replace
from archive.services.commit.counts import Changes, count, write_changes
from archive.services.commit.outcome import (
    CANNOT_UNDERSTAND,
    DICOM_STATUS,
    DUPLICATE,
    REFUSED,
    REPLACED,
    SKIPPED,
    STORED,
    Outcome,
)
from archive.services.commit.patients import conflict_of, find_studies, remove_unused
from archive.services.commit.verdicts import Batch, Crossed, accept, forget_link, refuse, storage_key
from archive.storage import storage

__all__ = [
    "CANNOT_UNDERSTAND",
    "DICOM_STATUS",
    "DUPLICATE",
    "REFUSED",
    "REPLACED",
    "SKIPPED",
    "STORED",
    "Batch",
    "Crossed",
    "Outcome",
    "commit_batch",
    "storage_key",
]


def commit_batch(*, delivery: Delivery, archive: Archive, files: list[Inspected]) -> Batch:
    """Index, link and count one batch. Call inside a transaction that holds the delivery's row.

    Bytes are in the storage, synced, before this returns; the caller commits, and only then removes from the spool.
    """
    batch = Batch(delivery=delivery, archive=archive, now=timezone.now())
    good: list[tuple[Inspected, Header]] = []
    for file in files:
        header = file.header
        if header is None or file.code:
            refuse(batch, file=file, code=file.code, reason=file.reason)
        elif _is_misnamed(delivery=delivery, header=header):
            refuse(batch, file=file, code="identity-mismatch")
        else:
            good.append((file, header))
    if good:
        _index(batch, good)
    QuarantinedFile.objects.bulk_create(batch.quarantined, ignore_conflicts=True)
    removal.note(organisation_id=archive.organisation_id, keys=batch.stale_keys)
    storage().sync(batch.adopted)
    count(batch)
    return batch


def _is_misnamed(*, delivery: Delivery, header: Header) -> bool:
    # Over the network the name in the command is what the sender believes it sent; in files on disc, wrong meta
    # information is common and harmless, so there the data set alone counts.
    # What a person released from quarantine comes from a file as well.
    if delivery.source != Delivery.Source.DIMSE or delivery.release_of_id is not None:
        return False
    return header.meta_sop_instance_uid not in ("", header.sop_instance_uid)


def _index(batch: Batch, good: list[tuple[Inspected, Header]]) -> None:
    headers = [header for _file, header in good]
    studies = find_studies(batch, headers=headers)
    series = find_series(batch, headers=headers, studies=studies)
    uids = {header.sop_instance_uid for _file, header in good}
    known = {
        instance.sop_instance_uid: instance
        for instance in known_instances.all(archive_id=batch.archive.pk, uids=list(uids))
    }
    # Under the locks of the studies: whoever says at the same moment whose one is comes before or after.
    held = hooks.guarded(delivery=batch.delivery, studies=studies.values())
    fresh: dict[str, Instance] = {}
    changes = Changes()
    for file, header in good:
        study, one_series = studies[header.study_instance_uid], series[header.series_instance_uid]
        conflict = conflict_of(study=study, series=one_series, header=header)
        if conflict:
            refuse(batch, file=file, code=conflict)
            continue
        existing = fresh.get(header.sop_instance_uid) or known.get(header.sop_instance_uid)
        is_known = existing is not None and bytes(existing.dataset_digest) == file.dataset_digest
        if study.pk in held and not is_known:
            refuse(batch, file=file, code=held[study.pk].code, reason=held[study.pk].reason)
        elif existing is None:
            instance = new_instance(batch, file=file, header=header, study=study, series=one_series)
            fresh[header.sop_instance_uid] = instance
            changes.added(instance=instance, header=header)
            accept(batch, file=file, status=STORED)
        elif existing.study_id != study.pk or existing.series_id != one_series.pk:
            refuse(batch, file=file, code="instance-elsewhere")
        elif bytes(existing.dataset_digest) == file.dataset_digest:
            forget_link(batch, file=file)
            accept(batch, file=file, status=DUPLICATE)
        elif may_replace(batch, existing=existing):
            changes.replaced(old_size=existing.size_bytes, new_size=file.size_bytes, header=header, study=study)
            batch.stale_keys.append(existing.storage_key)
            replace(batch, existing=existing, file=file, header=header, is_fresh=header.sop_instance_uid in fresh)
            accept(batch, file=file, status=REPLACED)
        else:
            refuse(batch, file=file, code="other-content")
    Instance.objects.bulk_create(fresh.values(), batch_size=500)
    write_changes(batch, changes=changes, studies=studies, series=series)
    remove_unused(batch, studies=studies, series=series)
