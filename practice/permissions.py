"""What a person may see because of own reads: the images and versions of past attempts, for as long as they are a learner
of the case's library or of a course with it, and unless the case is withdrawn."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from access import hooks
from access.queries import containers_with
from practice.models import Attempt
from teaching import pinned
from teaching.models import CaseVersion, Course, CourseCase, Library, VersionStudy
from teaching.permissions import LEARN, VIEW_ARCHIVE


def within_reach(user: Any, *, at: datetime | None = None) -> Q:
    """On `Attempt`: reads of cases that a role still opens to the person, whichever version is current by now.

    Without it a read that was begun would outlive the right to begin it: images, commit, and then the truth.
    """
    libraries = containers_with(user=user, permission=LEARN, container=Library, at=at).values("pk")
    courses = containers_with(user=user, permission=LEARN, container=Course, at=at).values("pk")
    in_course = CourseCase.objects.filter(course__in=courses).values("case")
    return Q(version__case__library__in=libraries) | Q(version__case__in=in_course) | Q(assignment__course__in=courses)


def _own_versions(user: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = (
        Attempt.objects.filter(within_reach(user), user=user, version__case__is_withdrawn=False)
        .exclude(state=Attempt.State.ABANDONED)
        .values("version")
    )
    return rows


def _own_studies(user: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = VersionStudy.objects.filter(version__in=_own_versions(user)).values("study")
    return rows


def studies(*, user: Any, permission: str) -> Q | None:
    if permission != VIEW_ARCHIVE or not user.is_authenticated:
        return None
    return Q(pk__in=_own_studies(user))


def series(*, user: Any, permission: str) -> Q | None:
    if permission != VIEW_ARCHIVE or not user.is_authenticated:
        return None
    return pinned.series_of(_own_versions(user))


def instances(*, user: Any, permission: str) -> Q | None:
    if permission != VIEW_ARCHIVE or not user.is_authenticated:
        return None
    return pinned.images_of(_own_versions(user))


def versions(*, user: Any, permission: str) -> Q | None:
    if permission != LEARN or not user.is_authenticated:
        return None
    return Q(pk__in=_own_versions(user))


def register() -> None:
    from archive.models import Instance, Series, Study

    by = (Library, Course)
    hooks.register_visibility(Study, studies, by=by, is_blind=True)
    hooks.register_visibility(Series, series, by=by, is_blind=True)
    hooks.register_visibility(Instance, instances, by=by, is_blind=True)
    hooks.register_visibility(CaseVersion, versions, by=by)
