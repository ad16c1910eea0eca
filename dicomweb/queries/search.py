"""Searches of QIDO-RS: the rows of a level that match, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, CharField, F, QuerySet, Value, When

from archive.models import Archive, Instance, Series, Study
from dicomweb.domain.levels import Level
from dicomweb.domain.query import Query
from dicomweb.queries.conditions import conditions
from dicomweb.queries.sight import Sight, only_seen, sight_of, studies


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one answer; `remaining` further ones would follow."""

    rows: list[Any]
    remaining: int


def search_studies(*, user: Any, archive: Archive, query: Query, most: int) -> Page:
    sight = sight_of(user=user, archive=archive)
    rows = studies(user=user, archive=archive).filter(conditions(query, level=Level.STUDY, sight=sight))
    return _page(_newest_first(rows, sight=sight), query=query, most=most, sight=sight)


def _newest_first(rows: QuerySet[Study], *, sight: Sight) -> QuerySet[Study]:
    """By date where the caller may know the date: the order of a list tells it, too."""
    if sight.is_whole:
        return rows.order_by("-study_date", "-pk")
    opened = When(pk__in=sight.open_studies.values("pk"), then=F("study_date"))
    return rows.order_by(Case(opened, default=Value(""), output_field=CharField()).desc(), "-pk")


def search_series(*, user: Any, archive: Archive, query: Query, most: int, study: Study | None = None) -> Page:
    rows = Series.objects.filter(archive=archive)
    if study is not None:
        rows = rows.filter(study=study).order_by("series_number", "pk")
    else:
        rows = rows.filter(study__in=studies(user=user, archive=archive)).order_by("-study_id", "series_number", "pk")
    sight = sight_of(user=user, archive=archive)
    rows = only_seen(rows, user=user, archive=archive)
    rows = rows.select_related("study").filter(conditions(query, level=Level.SERIES, sight=sight))
    return _page(rows, query=query, most=most, sight=sight)


def search_instances(
    *, user: Any, archive: Archive, query: Query, most: int, study: Study | None = None, series: Series | None = None
) -> Page:
    rows = Instance.objects.filter(archive=archive)
    if series is not None:
        rows = rows.filter(series=series)
    elif study is not None:
        rows = rows.filter(study=study)
    else:
        rows = rows.filter(study__in=studies(user=user, archive=archive))
    rows = only_seen(rows, user=user, archive=archive)
    rows = rows.order_by("-study_id", "series_id", "instance_number", "sop_instance_uid")
    sight = sight_of(user=user, archive=archive)
    rows = rows.select_related("study", "series").defer("frame_table")
    rows = rows.filter(conditions(query, level=Level.INSTANCE, sight=sight))
    return _page(rows, query=query, most=most, sight=sight)


def _page(rows: QuerySet[Any], *, query: Query, most: int, sight: Sight) -> Page:
    wanted = most if query.limit is None else min(query.limit, most)
    found = list(rows[query.offset : query.offset + wanted + 1]) if wanted else []
    cut_by_us = len(found) > wanted and (query.limit is None or query.limit > most)
    remaining = rows.count() - query.offset - wanted if cut_by_us else 0
    sight.clear(found[:wanted])
    return Page(rows=found[:wanted], remaining=remaining)
