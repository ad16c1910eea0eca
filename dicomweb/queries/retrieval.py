"""One study, series or instance by its UIDs, and what is in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from access.models import User
from access.queries import containers_with, is_plain
from archive.models import Archive, Instance, Series, Study
from core.errors import NotFound
from core.ready import ready
from dicomweb.queries.sight import ABSENT, VIEW, known_roles, only_seen, require_instance, require_sight

Row = TypeVar("Row", Study, Series)


def _seen(found: Row | None, *, absent: Row, user: Any, archive: Archive) -> Row:
    """The row, if it is there and the caller may see it. Raises `NotFound`, after the same questions either way: the time
    must not tell what is there."""
    require_sight(user=user, archive=archive, row=found or absent)
    if found is None:
        raise NotFound
    return found


def get_study(*, user: Any, archive: Archive, study: str) -> Study:
    """Load and authorise. Raises `NotFound` alike for what is absent and what is not the caller's."""
    found: Study | None = Study.objects.filter(archive=archive, study_instance_uid=study).first()
    return _seen(found, absent=Study(pk=ABSENT), user=user, archive=archive)


def get_series(*, user: Any, archive: Archive, study: str, series: str) -> Series:
    rows = Series.objects.filter(archive=archive, series_instance_uid=series, study__study_instance_uid=study)
    found: Series | None = rows.select_related("study").first()
    return _seen(found, absent=Series(pk=ABSENT), user=user, archive=archive)


def _instance(*, archive_id: int, study: str, series: str, instance: str) -> QuerySet[Instance]:
    rows = Instance.objects.filter(
        archive_id=archive_id,
        sop_instance_uid=instance,
        series__series_instance_uid=series,
        study__study_instance_uid=study,
    )
    return rows.select_related("series", "study").defer("series__attributes", "study__attributes")


@ready(scoped=True, archive_id=int, study=str, series=str, instance=str)
def _instance_at(*, archive_id: int, study: str, series: str, instance: str) -> QuerySet[Instance]:
    return _instance(archive_id=archive_id, study=study, series=series, instance=instance)


@ready(scoped=True, archive_id=int, study=str, series=str, instance=str, user_id=int, at=datetime)
def _instance_and_role(
    *, archive_id: int, study: str, series: str, instance: str, user_id: int, at: datetime
) -> QuerySet[Any]:
    """With it, whether a role of a plain person opens the archive: a viewer asks for frames by the thousand."""
    opened = containers_with(user=User(pk=user_id, is_active=True), permission=VIEW, container=Archive, at=at)
    rows = _instance(archive_id=archive_id, study=study, series=series, instance=instance)
    return rows.annotate(role_opens=Exists(opened.filter(pk=OuterRef("archive_id"))))


def get_instance(*, user: Any, archive: Archive, study: str, series: str, instance: str) -> Instance:
    address: dict[str, Any] = {"archive_id": archive.pk, "study": study, "series": series, "instance": instance}
    found: Any
    if is_plain(user):
        found = _instance_and_role.first(**address, user_id=user.pk, at=timezone.now())
        if found is not None:
            known_roles(archive)[user.pk] = found.role_opens
    else:
        found = _instance_at.first(**address)
    absent = Instance(pk=ABSENT, series=Series(pk=ABSENT))
    require_instance(user=user, archive=archive, instance=found or absent)
    if found is None:
        raise NotFound
    return found


def series_of_study(study: Study, *, user: Any, archive: Archive) -> QuerySet[Series]:
    rows = study.series.filter(instance_count__gt=0).select_related("study").order_by("series_number", "pk")
    return only_seen(rows, user=user, archive=archive)


def instances_of_series(series: Series, *, user: Any, archive: Archive) -> QuerySet[Instance]:
    rows = series.instances.select_related("series", "study").order_by("instance_number", "sop_instance_uid")
    return only_seen(rows, user=user, archive=archive)


def instances_of_study(study: Study, *, user: Any, archive: Archive) -> QuerySet[Instance]:
    rows = study.instances.select_related("series", "study").order_by(
        "series__series_number", "series_id", "instance_number", "sop_instance_uid"
    )
    return only_seen(rows, user=user, archive=archive)
