"""Whose images are whose: by what the images say, or by a coordinator's hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Final

import structlog
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from access.queries import require
from archive.models import Instance, Study
from archive.queries import open_instance
from core.errors import Invalid
from trials.domain.matching import Said, folded, subject_named
from trials.errors import AcrossSites, AlreadyMatched
from trials.models import Subject, SubjectStudy, Trial
from trials.permissions import MANAGE_SUBJECTS
from trials.services import common, waiting

logger = structlog.get_logger(__name__)

TAGS: Final = {
    "protocol_id": "ClinicalTrialProtocolID",
    "site_id": "ClinicalTrialSiteID",
    "subject_id": "ClinicalTrialSubjectID",
    "time_point_id": "ClinicalTrialTimePointID",
    "patient_id": "PatientID",
}
LONGEST: Final = 64
#: Studies that are matched while the person waits; a worker asks the others.
AT_ONCE_MOST: Final = 100


def said_by(study: Study) -> Said:
    """What the first image of a study says of trial, site and subject."""
    return said_by_each([study])[study.pk]


def said_by_each(studies: Collection[Study]) -> dict[int, Said]:
    """The same for several studies, by key; one query, and one header read from the storage for each."""
    keys = [study.pk for study in studies]
    first = Instance.objects.filter(study__in=keys).order_by("study", "series_id", "instance_number", "pk")
    instances = {row.study_id: row for row in first.distinct("study").defer("attributes", "frame_table")}
    return {study.pk: _said(study, instance=instances.get(study.pk)) for study in studies}


def _said(study: Study, *, instance: Instance | None) -> Said:
    if instance is None:
        return Said(patient_id=study.patient.patient_id)
    try:
        with open_instance(instance) as file:
            found = dcmread(file, specific_tags=list(TAGS.values()), stop_before_pixels=True)
    except (OSError, ValueError, InvalidDicomError) as error:
        logger.warning("trial_header_unreadable", kind=type(error).__name__, instance=instance.pk)
        return Said(patient_id=study.patient.patient_id)
    return Said(**{name: _text(found, keyword) for name, keyword in TAGS.items()})


def _text(dataset: Dataset, keyword: str) -> str:
    value = dataset.get(keyword)
    # Several values where the standard has one say nothing.
    text = str(value).strip() if isinstance(value, str) else ""
    return text if len(text) <= LONGEST and text.isprintable() and "\\" not in text else ""


def study_settled(*, study: Study) -> None:
    """A study of a trial's archive is complete: match it when it says whose it is. Safe to repeat."""
    trial = Trial.objects.filter(archive_id=study.archive_id, closed_at=None).first()
    if trial is None or SubjectStudy.objects.filter(study=study).exists():
        return
    said = said_by(study)
    named = subject_named(said, protocol_id=trial.protocol_id)
    subject = waiting.subjects_named([named], trial=trial).get(named)
    if subject is not None:
        _match_if_believed(study=study, subject=subject, said=said)


def match_waiting(*, subject: Subject) -> None:
    """Match the archive's studies that wait for this subject: at once those of its Patient ID, soon those that name it
    in the group of the trial, which only their headers tell. In the caller's transaction."""
    rows = _waiting(trial=subject.trial)
    _match_those(rows.filter(patient__patient_id__iexact=subject.subject_id)[:AT_ONCE_MOST], subject=subject)
    if rows.exists():
        from trials import tasks

        tasks.match_by_headers.enqueue(organisation_id=subject.organisation_id, subject_id=subject.pk)


def match_by_headers(*, subject_id: int) -> int:
    """Ask every waiting study of the trial whether it is this subject's; returns how many are. Safe to repeat."""
    subject = Subject.objects.select_related("site", "trial__organisation").filter(pk=subject_id).first()
    if subject is None or subject.trial.is_closed:
        return 0
    return _match_those(_waiting(trial=subject.trial), subject=subject)


def _waiting(*, trial: Trial) -> QuerySet[Study]:
    rows: QuerySet[Study] = Study.objects.filter(
        archive_id=trial.archive_id, subject_study=None, settled_at__isnull=False
    )
    # The order in which the archive locks studies.
    return rows.select_related("patient").order_by("study_instance_uid")


def _match_those(studies: Iterable[Study], *, subject: Subject) -> int:
    wanted = folded(subject.subject_id)
    matched = 0
    for study in studies:
        said = said_by(study)
        if subject_named(said, protocol_id=subject.trial.protocol_id) != wanted:
            continue
        matched += _match_if_believed(study=study, subject=subject, said=said)
    return matched


@transaction.atomic
def _match_if_believed(*, study: Study, subject: Subject, said: Said) -> bool:
    current = _locked(study)
    return (
        current is not None
        and _is_believed(study=current, subject=subject, said=said)
        and _match(study=study, subject=subject, time_point=said.time_point_id)
    )


def _locked(study: Study) -> Study | None:
    """The row as it is now. Images that arrive at this moment are in before the match, or meet the guard after it."""
    row: Study | None = Study.objects.select_for_update(of=("self",)).filter(pk=study.pk).first()
    return row


def _is_believed(*, study: Study, subject: Subject, said: Said) -> bool:
    """Not when the images name another site, the subject has left, or another site's staff sent them: these wait for a
    coordinator."""
    senders = waiting.senders_of([study], trial=subject.trial)[study.pk]
    return not waiting.reason_code(study=study, said=said, senders=senders, trial=subject.trial, subject=subject)


def _match(
    *, study: Study, subject: Subject, time_point: str, reason: str = "", actor: Any = None, request: Any = None
) -> bool:
    """False when somebody was first."""
    row = SubjectStudy(
        organisation_id=study.organisation_id,
        subject=subject,
        study=study,
        time_point=time_point,
        matched_by=actor,
        matched_at=timezone.now(),
        reason=reason,
    )
    common.validate(row)
    try:
        with transaction.atomic():
            row.save()
            common.tell(
                action="study.matched_across_sites" if reason else "study.matched",
                trial=subject.trial,
                target=study,
                actor=actor,
                request=request,
                detail={"subject": subject.public_id, **({"reason": reason} if reason else {})},
            )
    except IntegrityError:
        return False
    return True


@transaction.atomic
def match_study(
    *, actor: Any, study: Study, subject: Subject, time_point: str = "", reason: str = "", request: Any = None
) -> SubjectStudy:
    """Say whose images these are. Those that another site's staff sent need a `reason`, which stays with the match.

    Raises `Forbidden`, `Closed`, `Invalid`, `AlreadyMatched`, and `AcrossSites` for want of that reason.
    """
    trial = subject.trial
    require(actor, MANAGE_SUBJECTS, trial)
    common.require_open(trial=trial)
    if study.archive_id != trial.archive_id:
        raise Invalid(_("The study is not in the archive of this trial."))
    _locked(study)
    senders = waiting.senders_of([study], trial=trial)[study.pk]
    said = ""
    if senders.is_across(subject.site_id):
        if not reason.replace("\x00", "").strip():
            raise AcrossSites(
                _(
                    "Staff of %(sender)s sent these images; the subject is of site %(site)s. Enter the reason for assigning them."
                )
                % {"sender": senders.site_words, "site": f"{subject.site.number} {subject.site.name}"}
            )
        said = common.reason_of(reason)
    if not _match(
        study=study, subject=subject, time_point=time_point.strip(), reason=said, actor=actor, request=request
    ):
        raise AlreadyMatched
    found: SubjectStudy = SubjectStudy.objects.get(study=study)
    return found


@transaction.atomic
def change_time_point(*, actor: Any, row: SubjectStudy, time_point: str, request: Any = None) -> None:
    """Raises `Forbidden`, `Closed`, `Invalid`, `AlreadyMatched`."""
    trial = row.subject.trial
    require(actor, MANAGE_SUBJECTS, trial)
    common.require_open(trial=trial)
    if row.time_point == time_point.strip():
        return
    row.time_point = time_point.strip()
    common.validate(row)
    if SubjectStudy.objects.filter(pk=row.pk).update(time_point=row.time_point) != 1:
        raise AlreadyMatched
    common.tell(
        action="subject.changed",
        trial=trial,
        target=row.subject,
        actor=actor,
        request=request,
        detail={"fields": ["time_point"]},
    )


@transaction.atomic
def unmatch_study(*, actor: Any, row: SubjectStudy, request: Any = None) -> None:
    """Take a study off its subject; it waits for matching again. Raises `Forbidden`, `Closed`, `AlreadyMatched`."""
    trial = row.subject.trial
    require(actor, MANAGE_SUBJECTS, trial)
    common.require_open(trial=trial)
    study, subject = row.study, row.subject
    if SubjectStudy.objects.filter(pk=row.pk).delete()[0] != 1:
        raise AlreadyMatched
    common.sight_changed(subject.site)
    common.tell(
        action="study.unmatched",
        trial=trial,
        target=study,
        actor=actor,
        request=request,
        detail={"subject": subject.public_id},
    )
