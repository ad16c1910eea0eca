"""Patients and studies of a batch: found or made, named later, removed again when nothing of them was stored."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from archive.domain.header import Header
from archive.domain.text import fold
from archive.models import Patient, Series, Study
from archive.services.commit.verdicts import Batch, Crossed
from core.ready import ready


def patient_key(header: Header) -> tuple[str, str, str]:
    """Patient ID, its issuer, and the study for a patient without an ID: two nameless ones are never one."""
    if header.patient_id:
        return header.patient_id, header.issuer_of_patient_id, ""
    return "", header.issuer_of_patient_id, header.study_instance_uid


@ready(scoped=True, archive_id=int, uids=list)
def _known(*, archive_id: int, uids: list[str]) -> QuerySet[Study]:
    return Study.objects.filter(archive_id=archive_id, study_instance_uid__any_of=uids).only("study_instance_uid")


@ready(scoped=True, archive_id=int, uids=list)
def _locked(*, archive_id: int, uids: list[str]) -> QuerySet[Study]:
    return (
        Study.objects.filter(archive_id=archive_id, study_instance_uid__any_of=uids)
        .order_by("study_instance_uid")
        .select_for_update(of=("self",))
        .select_related("patient")
    )


def find_studies(batch: Batch, *, headers: list[Header]) -> dict[str, Study]:
    first: dict[str, Header] = {}
    for header in headers:
        first.setdefault(header.study_instance_uid, header)
    known = {row.study_instance_uid for row in _known.all(archive_id=batch.archive.pk, uids=list(first))}
    new = {uid: header for uid, header in first.items() if uid not in known}
    if new:
        patients = _patients(batch, new.values())
        Study.objects.bulk_create(
            [_new_study(batch, header=new[uid], patient=patients[patient_key(new[uid])]) for uid in sorted(new)],
            ignore_conflicts=True,
        )
    locked = _locked.all(archive_id=batch.archive.pk, uids=list(first))
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
    _rename(rows, first=first)
    return {(row.patient_id, row.issuer_of_patient_id, row.study_instance_uid): row for row in rows}


def _rename(rows: list[Patient], *, first: dict[tuple[str, str, str], Header]) -> None:
    """A patient is called what the newest study says; older studies keep what they say themselves."""
    for row in sorted(rows, key=lambda row: (row.patient_id, row.issuer_of_patient_id, row.study_instance_uid)):
        header = first[row.patient_id, row.issuer_of_patient_id, row.study_instance_uid]
        said = {"patient_name": header.patient_name, "birth_date": header.birth_date, "sex": header.sex}
        newer = {name: value for name, value in said.items() if value and value != getattr(row, name)}
        if "patient_name" in newer:
            newer["search_name"] = fold(header.patient_name)[:400]
        if newer:
            for name, value in newer.items():
                setattr(row, name, value)
            row.save(update_fields=[*newer, "updated_at"])


def _new_study(batch: Batch, *, header: Header, patient: Patient) -> Study:
    return Study(
        organisation_id=batch.archive.organisation_id,
        archive=batch.archive,
        patient=patient,
        study_instance_uid=header.study_instance_uid,
        patient_name=header.patient_name,
        search_name=fold(header.patient_name)[:400],
        birth_date=header.birth_date,
        sex=header.sex,
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
    # What the image says counts from here on, for answers and for what finds them.
    said = {tag: element for tag, element in header.study_attributes.items() if "Value" in element}
    study.attributes = {**study.attributes, **said}
    study.patient_name = header.patient_name or study.patient_name
    study.search_name = fold(study.patient_name)[:400]
    study.birth_date = header.birth_date or study.birth_date
    study.sex = header.sex or study.sex
    named = ["patient_name", "search_name", "birth_date", "sex"]
    study.save(update_fields=["patient", "attributes", *named, "updated_at"])
    if not nameless.studies.exists():
        nameless.delete()


def remove_unused(batch: Batch, *, studies: dict[str, Study], series: dict[str, Series]) -> None:
    """What was made for files that then were refused must not stay behind empty."""
    empty_series = [row.pk for row in series.values() if not row.instance_count]
    if empty_series:
        Series.objects.filter(pk__in=empty_series, instances=None).delete()
    empty_studies = [row for row in studies.values() if not row.instance_count]
    if empty_studies:
        Study.objects.filter(pk__in=[row.pk for row in empty_studies], instances=None).delete()
    # A patient of a study that another delivery had created first, under another patient.
    in_use = {study.patient_id for study in studies.values() if study.instance_count}
    unused = [pk for pk in batch.new_patients if pk not in in_use]
    if unused:
        Patient.objects.filter(pk__in=unused, studies=None).delete()


def conflict_of(*, study: Study, series: Series, header: Header) -> str:
    patient = study.patient
    if header.patient_id and header.patient_id != patient.patient_id:
        return "patient-mismatch"
    issuers = {header.issuer_of_patient_id, patient.issuer_of_patient_id} - {""}
    if header.patient_id and len(issuers) > 1:
        return "patient-mismatch"
    if series.study_id != study.pk:
        return "series-elsewhere"
    return ""
