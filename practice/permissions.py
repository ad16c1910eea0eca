"""What a person may see because of own reads: the images and versions of past attempts, unless the case is withdrawn."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from access import hooks
from practice.models import Attempt
from teaching import pinned
from teaching.models import CaseVersion, VersionStudy
from teaching.permissions import LEARN, VIEW_ARCHIVE


def _own_versions(user: Any) -> QuerySet[Any]:
    rows: QuerySet[Any] = (
        Attempt.objects.filter(user=user, version__case__is_withdrawn=False)
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

    hooks.register_visibility(Study, studies, is_blind=True)
    hooks.register_visibility(Series, series, is_blind=True)
    hooks.register_visibility(Instance, instances, is_blind=True)
    hooks.register_visibility(CaseVersion, versions)
