"""What break-glass opens in the archives: the studies of one patient, of clinical archives only.

De-identified archives (teaching, trials) have no emergency; opening them so would unblind readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Model, Q
from django.urls import NoReverseMatch, reverse

from access import hooks
from access.break_glass import queries as glasses
from access.break_glass import registry
from access.queries import visible_to
from archive import reading
from archive.models import Archive, Instance, Patient, Series, Study

VIEW = "archive.view_archive"
MOST_LINES = 200


def find(*, user: Any, patient_id: str, accession_number: str) -> registry.Found:
    """Patients behind an exact number. One person may stand in several archives, under the same ID and issuer."""
    rows = Patient.objects.filter(archive__purpose=Archive.Purpose.CLINICAL)
    if patient_id:
        rows = rows.filter(patient_id=patient_id)
    else:
        studies = Study.objects.filter(
            archive__purpose=Archive.Purpose.CLINICAL, accession_number=accession_number
        ).exclude(accession_number="")
        rows = rows.filter(pk__in=studies.values("patient"))
    found = list(rows[:50])
    if len({_identity(patient) for patient in found}) > 1:
        return registry.Found(is_ambiguous=True)
    of_patients = Study.objects.filter(patient__in=found)
    hidden = of_patients.exclude(pk__in=visible_to(user, of_patients, VIEW).values("pk"))
    subjects = tuple(sorted(set(hidden.values_list("patient_id", flat=True))))
    return registry.Found(subjects=subjects, is_open=bool(found) and not subjects)


def _identity(patient: Patient) -> tuple[str, ...]:
    if patient.patient_id:
        return (patient.patient_id, patient.issuer_of_patient_id)
    return (str(patient.pk),)


def subject_of(target: Any) -> int | None:
    if isinstance(target, Patient):
        return target.pk
    if isinstance(target, Study):
        return target.patient_id
    return target.study.patient_id if isinstance(target, (Series, Instance)) else None


def lines(*, user: Any, glass: Any) -> Sequence[registry.Line]:
    """The studies that the person may open now; asked through the same filter as every door."""
    subjects = glass.subjects.values("object_id")
    rows = visible_to(user, Study.objects.filter(patient__in=subjects), VIEW)
    rows = rows.select_related("patient", "archive", "organisation").order_by("-study_date", "-pk")
    return [
        registry.Line(
            title=study.description or study.accession_number or study.public_id,
            patient=reading.person_name(study.patient_name) or study.patient.patient_id,
            date=reading.shown_date(study.study_date),
            kind=" ".join(study.modalities),
            images=study.instance_count,
            place=study.archive.name,
            url=_viewer(study),
            received_at=study.last_received_at,
        )
        for study in rows[:MOST_LINES]
    ]


def _viewer(study: Study) -> str:
    # The viewer stands on a higher floor; without it there is nothing to open.
    try:
        return reverse("viewer:study", kwargs={"organisation": study.organisation.slug, "study": study.public_id})
    except NoReverseMatch:
        return ""


def studies(*, user: Any, permission: str) -> Q | None:
    return _patients("patient", user=user, permission=permission)


def below_study(*, user: Any, permission: str) -> Q | None:
    return _patients("study__patient", user=user, permission=permission)


def _patients(path: str, *, user: Any, permission: str) -> Q | None:
    if permission != VIEW or not user.is_authenticated:
        return None
    return Q(**{f"{path}__in": glasses.subjects_open_to(user)})


def register() -> None:
    registry.register(registry.Subjects(find=find, subject_of=subject_of, lines=lines))
    models: dict[type[Model], Any] = {Study: studies, Series: below_study, Instance: below_study}
    for model, provider in models.items():
        hooks.register_visibility(model, provider)
