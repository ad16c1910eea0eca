"""Whose eyes may see the images and versions of cases, besides the roles on their own containers."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet

from access import hooks
from access.queries import containers_with
from teaching import pinned
from teaching.models import Case, CaseStudy, CaseVersion, Course, CourseCase, Library, VersionStudy

VIEW_ARCHIVE: Final = "archive.view_archive"
LEARN: Final = "teaching.learn"
VIEW_LIBRARY: Final = "teaching.view_library"


def learnable(user: Any, *, at: datetime | None = None) -> Q:
    """On `Case`: published cases that a role lets the person read as unknowns."""
    libraries = containers_with(user=user, permission=LEARN, container=Library, at=at)
    courses = containers_with(user=user, permission=LEARN, container=Course, at=at)
    in_course = CourseCase.objects.filter(course__in=courses.values("pk")).values("case")
    return Q(state=Case.State.PUBLISHED) & (Q(library__in=libraries.values("pk")) | Q(pk__in=in_course))


def learnable_versions(user: Any, *, at: datetime | None = None) -> QuerySet[CaseVersion]:
    """The current version of each case the person may read as an unknown."""
    cases: QuerySet[Case] = Case.objects.filter(learnable(user, at=at))
    found: QuerySet[CaseVersion] = CaseVersion.objects.filter(pk__in=cases.values("current_version"))
    return found


def _authored_studies(user: Any) -> QuerySet[Any]:
    libraries = containers_with(user=user, permission=VIEW_LIBRARY, container=Library)
    rows: QuerySet[Any] = CaseStudy.objects.filter(case__library__in=libraries.values("pk")).values("study")
    return rows


def _archives_of_writers(user: Any) -> QuerySet[Any]:
    """Archives of the libraries one writes in: any of their (de-identified) studies can become a case."""
    libraries = containers_with(user=user, permission="teaching.edit_cases", container=Library)
    rows: QuerySet[Any] = libraries.values("archive")
    return rows


def _version_studies_of_authors(user: Any) -> QuerySet[Any]:
    libraries = containers_with(user=user, permission=VIEW_LIBRARY, container=Library)
    rows: QuerySet[Any] = VersionStudy.objects.filter(version__case__library__in=libraries.values("pk")).values("study")
    return rows


def _learnable_keys(user: Any) -> QuerySet[Any]:
    return learnable_versions(user).order_by().values("pk")


def studies(*, user: Any, permission: str) -> Q | None:
    if permission != VIEW_ARCHIVE:
        return None
    return (
        Q(archive__in=_archives_of_writers(user))
        | Q(pk__in=_authored_studies(user))
        | Q(pk__in=_version_studies_of_authors(user))
    )


def within_studies(*, user: Any, permission: str) -> Q | None:
    """The same for series and instances."""
    if permission != VIEW_ARCHIVE:
        return None
    return (
        Q(archive__in=_archives_of_writers(user))
        | Q(study__in=_authored_studies(user))
        | Q(study__in=_version_studies_of_authors(user))
    )


def unknown_studies(*, user: Any, permission: str) -> Q | None:
    """What learners may read: the images that a version pinned, and nothing that came with them."""
    if permission != VIEW_ARCHIVE:
        return None
    return Q(pk__in=VersionStudy.objects.filter(version__in=_learnable_keys(user)).order_by().values("study"))


def unknown_series(*, user: Any, permission: str) -> Q | None:
    return pinned.series_of(_learnable_keys(user)) if permission == VIEW_ARCHIVE else None


def unknown_instances(*, user: Any, permission: str) -> Q | None:
    return pinned.images_of(_learnable_keys(user)) if permission == VIEW_ARCHIVE else None


def versions(*, user: Any, permission: str) -> Q | None:
    if permission != LEARN:
        return None
    return Q(pk__in=learnable_versions(user).values("pk"))


def register() -> None:
    from archive.models import Instance, Series, Study

    by = (Library, Course)
    hooks.register_visibility(Study, studies, by=by)
    hooks.register_visibility(Series, within_studies, by=by)
    hooks.register_visibility(Instance, within_studies, by=by)
    hooks.register_visibility(Study, unknown_studies, by=by, is_blind=True)
    hooks.register_visibility(Series, unknown_series, by=by, is_blind=True)
    hooks.register_visibility(Instance, unknown_instances, by=by, is_blind=True)
    hooks.register_visibility(CaseVersion, versions, by=by)
