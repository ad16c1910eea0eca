"""Series and instances of a batch."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from archive.domain.header import Header
from archive.inspection import Inspected
from archive.models import Archive, Delivery, Instance, Series, Study
from archive.services.commit.verdicts import Batch, Crossed, storage_key
from archive.storage import storage
from core.ready import ready


@ready(scoped=True, archive_id=int, uids=list)
def _known(*, archive_id: int, uids: list[str]) -> QuerySet[Series]:
    return Series.objects.filter(archive_id=archive_id, series_instance_uid__any_of=uids)


@ready(scoped=True, archive_id=int, uids=list)
def known_instances(*, archive_id: int, uids: list[str]) -> QuerySet[Instance]:
    rows = Instance.objects.filter(archive_id=archive_id, sop_instance_uid__any_of=uids)
    return rows.select_related("delivery").defer("attributes", "frame_table")


def find_series(batch: Batch, *, headers: list[Header], studies: dict[str, Study]) -> dict[str, Series]:
    first: dict[str, Header] = {}
    for header in headers:
        first.setdefault(header.series_instance_uid, header)
    asked = {"archive_id": batch.archive.pk, "uids": list(first)}
    known = {row.series_instance_uid: row for row in _known.all(**asked)}
    new = sorted(set(first) - set(known))
    if not new:
        return known
    Series.objects.bulk_create(
        [_new_series(batch, header=first[uid], study=studies[first[uid].study_instance_uid]) for uid in new],
        ignore_conflicts=True,
    )
    found = {row.series_instance_uid: row for row in _known.all(**asked)}
    if len(found) != len(first):
        raise Crossed
    return found


def _new_series(batch: Batch, *, header: Header, study: Study) -> Series:
    return Series(
        organisation_id=batch.archive.organisation_id,
        archive=batch.archive,
        study=study,
        series_instance_uid=header.series_instance_uid,
        series_number=header.series_number,
        modality=header.modality,
        description=header.series_description,
        body_part=header.body_part,
        laterality=header.laterality,
        frame_of_reference_uid=header.frame_of_reference_uid,
        attributes=header.series_attributes,
    )


def new_instance(batch: Batch, *, file: Inspected, header: Header, study: Study, series: Series) -> Instance:
    key = storage_key(delivery=batch.delivery, name=file.name)
    batch.adopted.add(storage().adopt(source=file.path, key=key))
    return Instance(
        organisation_id=batch.archive.organisation_id,
        archive=batch.archive,
        study=study,
        series=series,
        sop_instance_uid=header.sop_instance_uid,
        delivery=batch.delivery,
        received_at=batch.now,
        storage_key=key,
        **_content(file=file, header=header),
    )


def _content(*, file: Inspected, header: Header) -> dict[str, Any]:
    return {
        "sop_class_uid": header.sop_class_uid,
        "transfer_syntax_uid": header.transfer_syntax_uid,
        "instance_number": header.instance_number,
        "rows": header.rows,
        "columns": header.columns,
        "number_of_frames": header.number_of_frames,
        "photometric_interpretation": header.photometric_interpretation,
        "attributes": header.instance_attributes,
        "size_bytes": file.size_bytes,
        "digest": file.digest,
        "dataset_digest": file.dataset_digest,
        "frame_table": header.frame_table,
        "notes": list(header.notes),
    }


def may_replace(batch: Batch, *, existing: Instance) -> bool:
    if batch.archive.overwrite == Archive.Overwrite.ALWAYS:
        return True
    if batch.archive.overwrite == Archive.Overwrite.NEVER or existing.delivery is None:
        return False
    return _source(existing.delivery) == _source(batch.delivery)


def _source(delivery: Delivery) -> tuple[str, str, int | None]:
    return delivery.source, delivery.calling_ae_title, delivery.actor_id


def replace(batch: Batch, *, existing: Instance, file: Inspected, header: Header, is_fresh: bool) -> None:
    key = storage_key(delivery=batch.delivery, name=file.name)
    batch.adopted.add(storage().adopt(source=file.path, key=key))
    changed = {
        **_content(file=file, header=header),
        "storage_key": key,
        "delivery": batch.delivery,
        "received_at": batch.now,
    }
    for name, value in changed.items():
        setattr(existing, name, value)
    if not is_fresh:
        existing.save(update_fields=list(changed))
