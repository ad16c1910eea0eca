"""The read side of trials: every row has passed the permission filter."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from access.models import RoleGrant
from access.queries import containers_with, may, people_with_role, unexpired, visible_to
from archive.domain.screening import OTHER_SENDER
from archive.models import Archive, QuarantinedFile, Study
from archive.permissions import MANAGE as MANAGE_ARCHIVE
from archive.permissions import VIEW as VIEW_ARCHIVE
from trials.domain import lifecycle
from trials.models import Site, Subject, SubjectStudy, Trial
from trials.permissions import ENROL, MANAGE_SUBJECTS, VIEW, VIEW_SITE, VIEW_SUBJECTS


def trials(user: Any) -> QuerySet[Trial]:
    return visible_to(user, Trial.objects.select_related("archive", "organisation"), VIEW).order_by("protocol_id")


def sites(user: Any, *, trial: Trial) -> QuerySet[Site]:
    rows = Site.objects.filter(trial=trial).select_related("trial__organisation")
    return rows if may(user, VIEW_SUBJECTS, trial) else visible_to(user, rows, VIEW_SITE)


def subjects(user: Any, *, trial: Trial) -> QuerySet[Subject]:
    rows = Subject.objects.filter(trial=trial).select_related("site", "trial__organisation", "trial__archive")
    return rows if may(user, VIEW_SUBJECTS, trial) else visible_to(user, rows, VIEW_SUBJECTS)


def with_images(rows: QuerySet[Subject]) -> QuerySet[Subject]:
    """With the number of studies of each and the date of the last (DA)."""
    return rows.annotate(study_count=Count("subject_studies"), last_study=Max("subject_studies__study__study_date"))


def with_counts(rows: QuerySet[Site]) -> QuerySet[Site]:
    """With subjects, those enrolled, and studies of each site."""
    studies = (
        SubjectStudy.objects.filter(subject__site=OuterRef("pk"))
        .order_by()
        .values("subject__site")
        .annotate(n=Count("pk"))
        .values("n")
    )
    return rows.annotate(
        subject_count=Count("subjects"),
        enrolled_count=Count("subjects", filter=Q(subjects__state=lifecycle.ENROLLED)),
        study_count=Coalesce(Subquery(studies), 0),
    )


def staff_counts(sites: list[Site]) -> dict[int, int]:
    """How many people are staff of each site; one query."""
    grants = (
        RoleGrant.objects.filter(
            unexpired(),
            ended_at=None,
            user__is_active=True,
            container_role__container_kind=Site.container_kind(),
            container_role__container_id__in=[site.pk for site in sites],
        )
        .order_by()
        .annotate(site=F("container_role__container_id"))
        .values("site")
        .annotate(n=Count("user", distinct=True))
    )
    return {row["site"]: row["n"] for row in grants}


def face_counts(user: Any, rows: list[Trial]) -> dict[int, dict[str, int]]:
    """Sites and subjects of each trial, as far as the person sees them; two queries."""
    ids = [trial.pk for trial in rows]
    found: dict[int, dict[str, int]] = {pk: {} for pk in ids}
    for name, seen in (
        ("sites", visible_to(user, Site.objects.filter(trial__in=ids), VIEW_SITE)),
        ("subjects", visible_to(user, Subject.objects.filter(trial__in=ids), VIEW_SUBJECTS)),
    ):
        for row in seen.order_by().values("trial").annotate(n=Count("pk")):
            found[row["trial"]][name] = row["n"]
    return found


def seen_whole(user: Any, rows: list[Trial]) -> set[int]:
    """Those trials of which the person sees every site and subject; one query."""
    whole = containers_with(user=user, permission=VIEW_SUBJECTS, container=Trial)
    return set(whole.filter(pk__in=[trial.pk for trial in rows]).values_list("pk", flat=True))


def enrols_somewhere(user: Any, *, trial: Trial) -> bool:
    own = containers_with(user=user, permission=ENROL, container=Site).filter(trial=trial)
    return may(user, MANAGE_SUBJECTS, trial) or own.exists()


def find_study(user: Any, *, trial: Trial, key: str) -> Study | None:
    """A study of the trial's archive by its key or Study Instance UID, whoever's it is."""
    rows = visible_to(user, Study.objects.filter(archive=trial.archive_id, instance_count__gt=0), VIEW_ARCHIVE)
    named: Study | None = rows.filter(Q(public_id=key) | Q(study_instance_uid=key)).select_related("patient").first()
    return named


def images_of(user: Any, *, subject: Subject) -> QuerySet[SubjectStudy]:
    """The subject's studies in order of their dates."""
    rows: QuerySet[SubjectStudy] = (
        SubjectStudy.objects.filter(subject=subject)
        .select_related("study__patient", "study__archive", "study__organisation", "matched_by")
        .order_by("study__study_date", "study__study_time", "pk")
    )
    # Who sees the subjects of every site sees all images of the trial.
    if may(user, VIEW_SUBJECTS, subject.trial):
        return rows
    seen = visible_to(user, Study.objects.filter(archive=subject.trial.archive_id), VIEW_ARCHIVE)
    return rows.filter(study__in=seen.values("pk"))


def by_key(rows: QuerySet[SubjectStudy], key: str) -> QuerySet[SubjectStudy]:
    """Of these, that of one study by its key or Study Instance UID."""
    return rows.filter(Q(study__public_id=key) | Q(study__study_instance_uid=key))


def waiting(user: Any, *, trial: Trial) -> QuerySet[Study]:
    """Studies of the trial's archive that belong to no subject yet, for those who see all subjects."""
    if not may(user, VIEW_SUBJECTS, trial):
        return Study.objects.none()
    rows: QuerySet[Study] = Study.objects.filter(archive=trial.archive_id, subject_study=None, instance_count__gt=0)
    return rows.select_related("patient", "archive", "organisation")


def waiting_counts(user: Any, *, permission: str) -> list[tuple[Trial, int]]:
    """Open trials on which the person holds `permission` and whose archive has studies without a subject; one query."""
    rows: QuerySet[Any] = containers_with(user=user, permission=permission, container=Trial).filter(closed_at=None)
    lone = Q(archive__studies__subject_study=None, archive__studies__instance_count__gt=0)
    counted = rows.annotate(lone=Count("archive__studies", filter=lone)).filter(lone__gt=0).order_by("protocol_id")
    return [(trial, trial.lone) for trial in counted]


def archives_for_trials(user: Any) -> QuerySet[Archive]:
    """Trial archives that the person manages and that no trial has yet."""
    rows = Archive.objects.filter(purpose=Archive.Purpose.TRIAL, trial=None).order_by("name")
    return visible_to(user, rows, MANAGE_ARCHIVE)


def find_subjects(rows: QuerySet[Subject], words: str) -> QuerySet[Subject]:
    """By the beginning or any part of the Subject ID."""
    return rows.filter(subject_id__icontains=words.strip()[:64]).order_by("subject_id")


def held(user: Any, *, trial: Trial) -> QuerySet[QuarantinedFile]:
    """Files sent to the trial's archive that were not let in, for those who see the subjects of all sites."""
    if not may(user, VIEW_SUBJECTS, trial):
        return QuarantinedFile.objects.none()
    rows: QuerySet[QuarantinedFile] = QuarantinedFile.objects.filter(archive=trial.archive_id)
    return rows.select_related("delivery__actor", "delivery__release_of__delivery")


def held_open(user: Any, *, trial: Trial) -> QuerySet[QuarantinedFile]:
    """Of these, what nobody has decided on."""
    return held(user, trial=trial).filter(state=QuarantinedFile.State.KEPT)


def held_for(user: Any, *, subject: Subject) -> QuerySet[QuarantinedFile]:
    """Files held because another site sent them for studies of this subject."""
    own = SubjectStudy.objects.filter(subject=subject).values("study__study_instance_uid")
    return held_open(user, trial=subject.trial).filter(code=OTHER_SENDER, study_instance_uid__in=own)


def stewards(archive: Archive) -> list[tuple[Any, str]]:
    """The coordinators of the archive's trial, with the page that shows what is held."""
    trial = Trial.objects.select_related("organisation").filter(archive=archive).first()
    if trial is None:
        return []
    page = reverse("trials:held", kwargs={"organisation": trial.organisation.slug, "trial": trial.slug})
    return [(person, page) for person in people_with_role(container=trial, role="coordinator")]
