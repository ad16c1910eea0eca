"""One batch of inspected files into the index, in one transaction.

Lock order, the same for every delivery: patients by key, then studies by UID, then series by UID. The row locks on the
studies make the counts of study and series right whoever else delivers to the same study at that moment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from archive.domain.header import Header
from archive.domain.text import fold
from archive.limits import limit
from archive.models import Archive, Delivery, Instance, Patient, QuarantinedFile, Series, Study
from archive.services import removal
from archive.services.inspect import Inspected
from archive.storage import Pending, storage

STORED, DUPLICATE, REPLACED, REFUSED, SKIPPED = "stored", "duplicate", "replaced", "refused", "skipped"

# PS3.4 B.2.3 and PS3.18 10.5: A7xx out of resources, A9xx mismatch, Cxxx cannot understand.
DICOM_STATUS = {
    "out-of-space": 0xA700,
    "uid-missing": 0xA900,
    "uid-invalid": 0xA900,
    "sop-class-missing": 0xA900,
    "identity-mismatch": 0xA900,
    "command-mismatch": 0xA900,
    "study-mismatch": 0xA900,
    "other-content": 0xA901,
    "instance-elsewhere": 0xA902,
    "series-elsewhere": 0xA903,
    "patient-mismatch": 0xA904,
    "dicomdir": 0x0122,
}
CANNOT_UNDERSTAND = 0xC000

REASONS = {
    "identity-mismatch": "The SOP Instance UID it was sent under is not the one in its data set.",
    "other-content": "Another content is already stored under this SOP Instance UID; this archive keeps the first.",
    "instance-elsewhere": "This SOP Instance UID is already stored in another study or series.",
    "series-elsewhere": "This Series Instance UID already belongs to another study.",
    "patient-mismatch": "The study is already stored under another Patient ID.",
    "dicomdir": "A DICOMDIR is the table of contents of a disc; its images are taken, not it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one received file. `name` is the spool's, `original_name` the sender's."""

    name: str
    status: str
    original_name: str = ""
    code: str = ""
    reason: str = ""
    dicom_status: int = 0
    sop_class_uid: str = ""
    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""
    size_bytes: int = 0

    @property
    def is_success(self) -> bool:
        return self.status in (STORED, DUPLICATE, REPLACED, SKIPPED)


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


def commit_batch(*, delivery: Delivery, archive: Archive, files: list[Inspected]) -> Batch:
    """Index, link and count one batch. Call inside a transaction that holds the delivery's row.

    Bytes are in the storage, synced, before this returns; the caller commits, and only then removes from the spool.
    """
    batch = Batch(delivery=delivery, archive=archive, now=timezone.now())
    good: list[tuple[Inspected, Header]] = []
    for file in files:
        header = file.header
        if header is None:
            _refuse(batch, file=file, code=file.code, reason=file.reason)
        elif _is_misnamed(delivery=delivery, header=header):
            _refuse(batch, file=file, code="identity-mismatch")
        else:
            good.append((file, header))
    if good:
        _index(batch, good)
    QuarantinedFile.objects.bulk_create(batch.quarantined, ignore_conflicts=True)
    removal.note(organisation_id=archive.organisation_id, keys=batch.stale_keys)
    storage().sync(batch.adopted)
    _count(batch)
    return batch


def _is_misnamed(*, delivery: Delivery, header: Header) -> bool:
    # Over the network the name in the command is what the sender believes it sent; in files on disc, wrong meta
    # information is common and harmless, so there the data set alone counts.
    if delivery.source != Delivery.Source.DIMSE:
        return False
    return header.meta_sop_instance_uid not in ("", header.sop_instance_uid)


def _index(batch: Batch, good: list[tuple[Inspected, Header]]) -> None:
    studies = _studies(batch, [header for _file, header in good])
    series = _series(batch, [header for _file, header in good], studies)
    uids = {header.sop_instance_uid for _file, header in good}
    known = {
        instance.sop_instance_uid: instance
        for instance in Instance.objects.filter(archive=batch.archive, sop_instance_uid__in=uids)
        .select_related("delivery")
        .defer("attributes", "frame_table")
    }
    fresh: dict[str, Instance] = {}
    changes = _Changes()
    for file, header in good:
        study, one_series = studies[header.study_instance_uid], series[header.series_instance_uid]
        conflict = _conflict(study=study, series=one_series, header=header)
        if conflict:
            _refuse(batch, file=file, code=conflict)
            continue
        existing = fresh.get(header.sop_instance_uid) or known.get(header.sop_instance_uid)
        if existing is None:
            instance = _new_instance(batch, file=file, header=header, study=study, series=one_series)
            fresh[header.sop_instance_uid] = instance
            changes.added(instance=instance, header=header)
            _accept(batch, file=file, status=STORED)
        elif existing.study_id != study.pk or existing.series_id != one_series.pk:
            _refuse(batch, file=file, code="instance-elsewhere")
        elif bytes(existing.dataset_digest) == file.dataset_digest:
            _forget_link(batch, file=file)
            _accept(batch, file=file, status=DUPLICATE)
        elif _may_replace(batch, existing=existing):
            changes.replaced(old_size=existing.size_bytes, new_size=file.size_bytes, header=header, study=study)
            batch.stale_keys.append(existing.storage_key)
            _replace(batch, existing=existing, file=file, header=header, is_fresh=header.sop_instance_uid in fresh)
            _accept(batch, file=file, status=REPLACED)
        else:
            _refuse(batch, file=file, code="other-content")
    Instance.objects.bulk_create(fresh.values(), batch_size=500)
    _write_changes(batch, changes=changes, studies=studies, series=series)
    _remove_unused(batch, studies=studies, series=series)


# Patients and studies -------------------------------------------------------------------------------------------------


def patient_key(header: Header) -> tuple[str, str, str]:
    """Patient ID, its issuer, and the study for a patient without an ID: two nameless ones are never one."""
    if header.patient_id:
        return header.patient_id, header.issuer_of_patient_id, ""
    return "", header.issuer_of_patient_id, header.study_instance_uid


def _studies(batch: Batch, headers: list[Header]) -> dict[str, Study]:
    first: dict[str, Header] = {}
    for header in headers:
        first.setdefault(header.study_instance_uid, header)
    known = set(
        Study.objects.filter(archive=batch.archive, study_instance_uid__in=first).values_list(
            "study_instance_uid", flat=True
        )
    )
    new = {uid: header for uid, header in first.items() if uid not in known}
    patients = _patients(batch, new.values())
    Study.objects.bulk_create(
        [_new_study(batch, header=new[uid], patient=patients[patient_key(new[uid])]) for uid in sorted(new)],
        ignore_conflicts=True,
    )
    locked = (
        Study.objects.filter(archive=batch.archive, study_instance_uid__in=first)
        .order_by("study_instance_uid")
        .select_for_update(of=("self",))
        .select_related("patient")
    )
    studies = {study.study_instance_uid: study for study in locked}
    if len(studies) != len(first):
        raise Crossed
    for uid, header in first.items():
        _identify(batch, study=studies[uid], header=header)
    return studies


def _patients(batch: Batch, headers: Iterable[Header]) -> dict[tuple[str, str, str], Patient]:
    first: dict[tuple[str, str, str], Header] = {}
    for header in headers:
        first.setdefault(patient_key(header), header)
    if not first:
        return {}
    Patient.objects.bulk_create(
        [
            Patient(
                organisation_id=batch.archive.organisation_id,
                archive=batch.archive,
                patient_id=key[0],
                issuer_of_patient_id=key[1],
                study_instance_uid=key[2],
                patient_name=first[key].patient_name,
                search_name=fold(first[key].patient_name)[:400],
                birth_date=first[key].birth_date,
                sex=first[key].sex,
            )
            for key in sorted(first)
        ],
        ignore_conflicts=True,
    )
    condition = Q()
    for key in first:
        condition |= Q(patient_id=key[0], issuer_of_patient_id=key[1], study_instance_uid=key[2])
    rows = list(Patient.objects.filter(condition, archive=batch.archive))
    if len(rows) != len(first):
        raise Crossed
    batch.new_patients += [row.pk for row in rows if row.created_at >= batch.now]
    return {(row.patient_id, row.issuer_of_patient_id, row.study_instance_uid): row for row in rows}


def _new_study(batch: Batch, *, header: Header, patient: Patient) -> Study:
    return Study(
        organisation_id=batch.archive.organisation_id,
        archive=batch.archive,
        patient=patient,
        study_instance_uid=header.study_instance_uid,
        study_date=header.study_date,
        study_time=header.study_time,
        study_date_parsed=header.study_date_parsed,
        accession_number=header.accession_number,
        study_id=header.study_id,
        description=header.study_description,
        referring_physician_name=header.referring_physician_name,
        attributes=header.study_attributes,
        last_received_at=batch.now,
    )


def _identify(batch: Batch, *, study: Study, header: Header) -> None:
    """A study that came without a Patient ID takes the one that a later image of it brings."""
    if study.patient.patient_id or not header.patient_id:
        return
    nameless = study.patient
    study.patient = _patients(batch, [header])[patient_key(header)]
    study.attributes = {**study.attributes, **header.study_attributes}
    study.save(update_fields=["patient", "attributes", "updated_at"])
    if not nameless.studies.exists():
        nameless.delete()


def _remove_unused(batch: Batch, *, studies: dict[str, Study], series: dict[str, Series]) -> None:
    """What was made for files that then were refused must not stay behind empty."""
    empty_series = [row.pk for row in series.values() if not row.instance_count]
    if empty_series:
        Series.objects.filter(pk__in=empty_series, instances=None).delete()
    empty_studies = [row for row in studies.values() if not row.instance_count]
    if empty_studies:
        Study.objects.filter(pk__in=[row.pk for row in empty_studies], instances=None).delete()
    # A patient of a study that another delivery had created first, under another patient.
    Patient.objects.filter(pk__in=batch.new_patients, studies=None).delete()


def _conflict(*, study: Study, series: Series, header: Header) -> str:
    patient = study.patient
    if header.patient_id and header.patient_id != patient.patient_id:
        return "patient-mismatch"
    issuers = {header.issuer_of_patient_id, patient.issuer_of_patient_id} - {""}
    if header.patient_id and len(issuers) > 1:
        return "patient-mismatch"
    if series.study_id != study.pk:
        return "series-elsewhere"
    return ""


# Series and instances -------------------------------------------------------------------------------------------------


def _series(batch: Batch, headers: list[Header], studies: dict[str, Study]) -> dict[str, Series]:
    first: dict[str, Header] = {}
    for header in headers:
        first.setdefault(header.series_instance_uid, header)
    rows = Series.objects.filter(archive=batch.archive, series_instance_uid__in=first)
    known = {row.series_instance_uid: row for row in rows}
    new = sorted(set(first) - set(known))
    if not new:
        return known
    Series.objects.bulk_create(
        [_new_series(batch, header=first[uid], study=studies[first[uid].study_instance_uid]) for uid in new],
        ignore_conflicts=True,
    )
    found = {row.series_instance_uid: row for row in rows.all()}
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


def _new_instance(batch: Batch, *, file: Inspected, header: Header, study: Study, series: Series) -> Instance:
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
    }


def _may_replace(batch: Batch, *, existing: Instance) -> bool:
    if batch.archive.overwrite == Archive.Overwrite.ALWAYS:
        return True
    if batch.archive.overwrite == Archive.Overwrite.NEVER or existing.delivery is None:
        return False
    return _source(existing.delivery) == _source(batch.delivery)


def _source(delivery: Delivery) -> tuple[str, str, int | None]:
    return delivery.source, delivery.calling_ae_title, delivery.actor_id


def _replace(batch: Batch, *, existing: Instance, file: Inspected, header: Header, is_fresh: bool) -> None:
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


def _accept(batch: Batch, *, file: Inspected, status: str) -> None:
    batch.outcomes.append(_outcome(file=file, status=status))


def _forget_link(batch: Batch, *, file: Inspected) -> None:
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


# Refusals -------------------------------------------------------------------------------------------------------------


def _refuse(batch: Batch, *, file: Inspected, code: str, reason: str = "") -> None:
    _forget_link(batch, file=file)
    reason = reason or REASONS[code]
    status = DICOM_STATUS.get(code, CANNOT_UNDERSTAND)
    if code == "dicomdir":
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
            sop_instance_uid=file.header.sop_instance_uid if file.header is not None else "",
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
        sop_class_uid=header.sop_class_uid if header else "",
        study_instance_uid=header.study_instance_uid if header else "",
        series_instance_uid=header.series_instance_uid if header else "",
        sop_instance_uid=header.sop_instance_uid if header else "",
        size_bytes=file.size_bytes,
    )


# Counts ---------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Level:
    count: int = 0
    size: int = 0
    header: Header | None = None


@dataclass(slots=True)
class _Changes:
    """What changed by study and by series UID."""

    studies: dict[str, _Level] = field(default_factory=dict)
    series: dict[str, _Level] = field(default_factory=dict)

    def added(self, *, instance: Instance, header: Header) -> None:
        self._note(header=header, count=1, size=instance.size_bytes)

    def replaced(self, *, old_size: int, new_size: int, header: Header, study: Study) -> None:
        self._note(header=header, count=0, size=new_size - old_size)

    def _note(self, *, header: Header, count: int, size: int) -> None:
        for table, uid in (
            (self.studies, header.study_instance_uid),
            (self.series, header.series_instance_uid),
        ):
            level = table.setdefault(uid, _Level())
            level.count += count
            level.size += size
            level.header = level.header or header


STUDY_FILL = {
    "study_date": "study_date",
    "study_time": "study_time",
    "study_date_parsed": "study_date_parsed",
    "accession_number": "accession_number",
    "study_id": "study_id",
    "description": "study_description",
    "referring_physician_name": "referring_physician_name",
}
STUDY_COUNTED = (
    "attributes",
    "modalities",
    "body_parts",
    "instance_count",
    "size_bytes",
    "series_count",
    "last_received_at",
    "settled_at",
    "announced_at",
)
SERIES_COUNTED = ("attributes", "instance_count", "size_bytes", "version", "derive_attempts")
SERIES_FILL = {
    "series_number": "series_number",
    "modality": "modality",
    "description": "series_description",
    "body_part": "body_part",
    "laterality": "laterality",
    "frame_of_reference_uid": "frame_of_reference_uid",
}


def _write_changes(batch: Batch, *, changes: _Changes, studies: dict[str, Study], series: dict[str, Series]) -> None:
    for uid, level in sorted(changes.series.items()):
        row = series[uid]
        _fill(row, level=level, columns=SERIES_FILL, attributes="series_attributes")
        row.instance_count += level.count
        row.size_bytes += level.size
        row.version += 1
        row.derive_attempts = 0
        row.save(update_fields=[*SERIES_FILL, *SERIES_COUNTED, "updated_at"])
    for uid, level in sorted(changes.studies.items()):
        study = studies[uid]
        members = [row for row in series.values() if row.study_id == study.pk]
        _fill(study, level=level, columns=STUDY_FILL, attributes="study_attributes")
        study.modalities = sorted({*study.modalities, *(row.modality for row in members)} - {""})
        study.body_parts = sorted({*study.body_parts, *(row.body_part for row in members)} - {""})
        study.instance_count += level.count
        study.size_bytes += level.size
        study.series_count = study.series.filter(instance_count__gt=0).count()
        study.last_received_at = batch.now
        study.settled_at = study.announced_at = None
        study.save(update_fields=[*STUDY_FILL, *STUDY_COUNTED, "updated_at"])


def _fill(row: Any, *, level: _Level, columns: dict[str, str], attributes: str) -> None:
    """Take over what the row did not know yet; what it knows stays."""
    header = level.header
    if header is None:
        return
    for column, source in columns.items():
        if getattr(row, column) in ("", None) and getattr(header, source) not in ("", None):
            setattr(row, column, getattr(header, source))
    known = row.attributes
    row.attributes = {**getattr(header, attributes), **{tag: value for tag, value in known.items() if "Value" in value}}


def _count(batch: Batch) -> None:
    tally = {STORED: 0, DUPLICATE: 0, REPLACED: 0, REFUSED: 0, SKIPPED: 0}
    for outcome in batch.outcomes:
        tally[outcome.status] += 1
    Delivery.objects.filter(pk=batch.delivery.pk).update(
        received=F("received") + len(batch.outcomes),
        committed_names=[outcome.name for outcome in batch.outcomes],
        **{status: F(status) + number for status, number in tally.items() if number},
    )
