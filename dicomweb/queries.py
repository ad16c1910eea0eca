"""The read side of DICOMweb. Every row passes `access.queries.visible_to` on its study; absent and forbidden look alike."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import structlog
from django.core.cache import cache
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Upper
from django.utils import timezone

from access import sight
from access.break_glass import queries as break_glass
from access.models import User
from access.queries import containers_with, is_plain, may, visible_to, visible_within
from archive.domain import header
from archive.domain.text import fold
from archive.models import Archive, Instance, Series, Study
from core.errors import NotFound
from core.ready import ready
from dicomweb.domain import levels
from dicomweb.domain.levels import Level
from dicomweb.domain.query import AnyOf, Key, Matcher, Numbers, Query, Range, Wildcard

VIEW = "archive.view_archive"
SIGHT_SECONDS = 10

logger = structlog.get_logger(__name__)

# What the index keeps of each level; a key beyond it cannot be matched.
INDEXED = {
    Level.STUDY: frozenset(f"{tag:08X}" for tag in (*header.STUDY_TAGS, *header.PATIENT_TAGS))
    | {
        levels.MODALITIES_IN_STUDY,
        levels.SOP_CLASSES_IN_STUDY,
        levels.NUMBER_OF_STUDY_RELATED_SERIES,
        levels.NUMBER_OF_STUDY_RELATED_INSTANCES,
    },
    Level.SERIES: frozenset(f"{tag:08X}" for tag in header.SERIES_TAGS) | {levels.NUMBER_OF_SERIES_RELATED_INSTANCES},
    Level.INSTANCE: frozenset(f"{tag:08X}" for tag in header.INSTANCE_TAGS),
}
COLUMNS = {
    Level.STUDY: {
        levels.STUDY_INSTANCE_UID: "study_instance_uid",
        levels.STUDY_DATE: "study_date",
        levels.STUDY_TIME: "study_time",
        levels.ACCESSION_NUMBER: "accession_number",
        "00200010": "study_id",
        "00081030": "description",
        levels.PATIENT_ID: "patient__patient_id",
        "00100021": "patient__issuer_of_patient_id",
        "00100030": "patient__birth_date",
        "00100040": "patient__sex",
        levels.NUMBER_OF_STUDY_RELATED_SERIES: "series_count",
        levels.NUMBER_OF_STUDY_RELATED_INSTANCES: "instance_count",
    },
    Level.SERIES: {
        levels.SERIES_INSTANCE_UID: "series_instance_uid",
        levels.SERIES_NUMBER: "series_number",
        levels.MODALITY: "modality",
        "0008103E": "description",
        "00180015": "body_part",
        "00200060": "laterality",
        "00200052": "frame_of_reference_uid",
        levels.NUMBER_OF_SERIES_RELATED_INSTANCES: "instance_count",
    },
    Level.INSTANCE: {
        levels.SOP_INSTANCE_UID: "sop_instance_uid",
        levels.SOP_CLASS_UID: "sop_class_uid",
        levels.INSTANCE_NUMBER: "instance_number",
        "00280010": "rows",
        "00280011": "columns",
    },
}
# Columns with a trigram index over upper case: a wildcard first narrows down by it.
UPPER_INDEXED = frozenset({"patient__patient_id", "description"})


class JsonPathExists(Func):
    """`jsonb_path_exists(document, path)`: the document holds something that the path selects."""

    function = "jsonb_path_exists"
    template = "%(function)s(%(expressions)s::jsonpath)"
    output_field = BooleanField()


class ILike(Func):
    """`text ILIKE pattern`: without regard to case."""

    template = "%(expressions)s"
    arg_joiner = " ILIKE "
    output_field = BooleanField()


class Like(Func):
    """`text LIKE pattern`: case-sensitive."""

    template = "%(expressions)s"
    arg_joiner = " LIKE "
    output_field = BooleanField()


def _roles(archive: Archive) -> dict[int, bool]:
    known: dict[int, bool] = archive.__dict__.setdefault("_dicomweb_roles", {})
    return known


def sees_all(*, user: Any, archive: Archive) -> bool:
    """Whether a role of the caller opens the whole archive. Asked once a request: the archive remembers."""
    known = _roles(archive)
    if user.pk not in known:
        known[user.pk] = may(user, VIEW, archive)
    return known[user.pk]


def _may_be_remembered(user: Any) -> bool:
    """What a guest sees is asked every time: it ends at once when the share is taken back."""
    return getattr(user, "guest", None) is None


def studies(*, user: Any, archive: Archive) -> QuerySet[Study]:
    return _seen(Study.objects.filter(archive=archive), user=user, archive=archive)


def require_some_sight(*, user: Any, archive: Archive) -> None:
    """An archive without a role, and without a single study to see, does not exist. Raises `NotFound`."""
    if not sees_all(user=user, archive=archive) and not studies(user=user, archive=archive).exists():
        raise NotFound


def _seen(rows: QuerySet[Any], *, user: Any, archive: Archive) -> QuerySet[Any]:
    """The series or instances that the caller may see: who sees a study for a case may not see the reports in it."""
    return visible_within(user, rows, VIEW, container=archive, is_open=sees_all(user=user, archive=archive))


def _require_sight(*, user: Any, archive: Archive, row: Study | Series) -> None:
    """Raises `NotFound` unless the caller may see the study or series.

    Seen by another reason than a role, it stays seen for some seconds: a reader of a case fetches its frames by the
    hundred. What is *not* seen is asked again every time.
    """
    if sees_all(user=user, archive=archive):
        return
    key = f"dicomweb:sight:{sight.caller_key(user)}:{row._meta.model_name}:{row.pk}"
    found: dict[str, Any] = {}
    try:
        if _may_be_remembered(user):
            found = cache.get_many([key, sight.stamp_key(user)])
        if sight.is_fresh(found=found, key=key, user=user):
            return
    except Exception as error:  # noqa: BLE001 -- whatever the cache client raises; it only saves work
        logger.warning("sight_cache_away", kind=type(error).__name__)
    if not visible_to(user, type(row).objects.filter(pk=row.pk), VIEW).exists():
        raise NotFound
    # Broken glass ends by the clock, too: nothing outlasts it.
    if not _may_be_remembered(user) or break_glass.is_running(user):
        return
    try:
        cache.set(key, sight.stamp(found, user=user), timeout=SIGHT_SECONDS)
    except Exception as error:  # noqa: BLE001 -- the same
        logger.warning("sight_cache_away", kind=type(error).__name__)


def get_study(*, user: Any, archive: Archive, study: str) -> Study:
    """Load and authorise. Raises `NotFound` alike for what is absent and what is not the caller's."""
    found: Study | None = Study.objects.filter(archive=archive, study_instance_uid=study).first()
    if found is None:
        raise NotFound
    _require_sight(user=user, archive=archive, row=found)
    return found


def get_series(*, user: Any, archive: Archive, study: str, series: str) -> Series:
    rows = Series.objects.filter(archive=archive, series_instance_uid=series, study__study_instance_uid=study)
    found: Series | None = rows.select_related("study").first()
    if found is None:
        raise NotFound
    _require_sight(user=user, archive=archive, row=found)
    return found


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
            _roles(archive)[user.pk] = found.role_opens
    else:
        found = _instance_at.first(**address)
    if found is None:
        raise NotFound
    _require_sight(user=user, archive=archive, row=found.series)
    return found


def series_of_study(study: Study, *, user: Any, archive: Archive) -> QuerySet[Series]:
    rows = study.series.filter(instance_count__gt=0).select_related("study").order_by("series_number", "pk")
    return _seen(rows, user=user, archive=archive)


def instances_of_series(series: Series) -> QuerySet[Instance]:
    return series.instances.select_related("series", "study").order_by("instance_number", "sop_instance_uid")


def instances_of_study(study: Study, *, user: Any, archive: Archive) -> QuerySet[Instance]:
    rows = study.instances.select_related("series", "study").order_by(
        "series__series_number", "series_id", "instance_number", "sop_instance_uid"
    )
    return _seen(rows, user=user, archive=archive)


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one answer; `remaining` further ones would follow."""

    rows: list[Any]
    remaining: int


def unsupported(query: Query) -> list[Key]:
    """Keys of attributes that the index does not keep: they cannot narrow the answer down."""
    return [key for key in query.keys if key.tag not in INDEXED[levels.level_of(key.tag)] and not _is_indexed(key.tag)]


def _is_indexed(tag: str) -> bool:
    return any(tag in tags for tags in INDEXED.values())


def level_of(tag: str) -> Level:
    """The level under which the index keeps an attribute."""
    for level, tags in INDEXED.items():
        if tag in tags:
            return level
    return levels.level_of(tag)


def search_studies(*, user: Any, archive: Archive, query: Query, most: int) -> Page:
    rows = studies(user=user, archive=archive).filter(_conditions(query, level=Level.STUDY))
    return _page(rows.order_by("-study_date", "-pk"), query=query, most=most)


def search_series(*, user: Any, archive: Archive, query: Query, most: int, study: Study | None = None) -> Page:
    rows = Series.objects.filter(archive=archive)
    if study is not None:
        rows = rows.filter(study=study).order_by("series_number", "pk")
    else:
        rows = rows.filter(study__in=studies(user=user, archive=archive)).order_by("-study_id", "series_number", "pk")
    rows = _seen(rows, user=user, archive=archive)
    rows = rows.select_related("study").filter(_conditions(query, level=Level.SERIES))
    return _page(rows, query=query, most=most)


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
    rows = _seen(rows, user=user, archive=archive)
    rows = rows.order_by("-study_id", "series_id", "instance_number", "sop_instance_uid")
    rows = rows.select_related("study", "series").defer("frame_table").filter(_conditions(query, level=Level.INSTANCE))
    return _page(rows, query=query, most=most)


def _page(rows: QuerySet[Any], *, query: Query, most: int) -> Page:
    wanted = most if query.limit is None else min(query.limit, most)
    found = list(rows[query.offset : query.offset + wanted + 1]) if wanted else []
    cut_by_us = len(found) > wanted and (query.limit is None or query.limit > most)
    remaining = rows.count() - query.offset - wanted if cut_by_us else 0
    return Page(rows=found[:wanted], remaining=remaining)


def _conditions(query: Query, *, level: Level) -> Q:
    """All keys as one condition on rows of `level`. Keys of lower levels: the row holds something that matches."""
    useless = {key.path for key in unsupported(query)}
    keys = [key for key in query.keys if key.path not in useless]
    at = {wanted: [key for key in keys if level_of(key.tag) == wanted] for wanted in Level}
    result = _all_of(at[Level.STUDY], level=Level.STUDY, prefix=_prefix(Level.STUDY, level))
    result &= _all_of(at[Level.SERIES], level=Level.SERIES, prefix="") if level == Level.SERIES else Q()
    if level == Level.INSTANCE:
        result &= _all_of(at[Level.SERIES], level=Level.SERIES, prefix="series__")
        result &= _all_of(at[Level.INSTANCE], level=Level.INSTANCE, prefix="")
    elif at[Level.INSTANCE]:
        inner = Instance.objects.filter(_all_of(at[Level.INSTANCE], level=Level.INSTANCE, prefix=""))
        if level == Level.STUDY:
            inner = inner.filter(_all_of(at[Level.SERIES], level=Level.SERIES, prefix="series__"))
        result &= Q(Exists(inner.filter(**{"study" if level == Level.STUDY else "series": OuterRef("pk")})))
    elif level == Level.STUDY and at[Level.SERIES]:
        matching = Series.objects.filter(_all_of(at[Level.SERIES], level=Level.SERIES, prefix=""))
        result &= Q(Exists(matching.filter(study=OuterRef("pk"))))
    return result


def _prefix(of: Level, at: Level) -> str:
    return "" if of == at else "study__"


def _all_of(keys: Iterable[Key], *, level: Level, prefix: str) -> Q:
    keys = list(keys)
    result = Q()
    if level == Level.STUDY:
        result &= _combined_date_time(keys, prefix=prefix)
    for key in keys:
        result &= _condition(key, level=level, prefix=prefix)
    return result


def _combined_date_time(keys: list[Key], *, prefix: str) -> Q:
    """Ranges of Study Date and Study Time together are one range of moments (PS3.18 8.3.4.1, PS3.4 C.2.2.2.5.4)."""
    found = {key.tag: key for key in keys if len(key.path) == 1 and isinstance(key.matcher, Range)}
    date, time = found.get(levels.STUDY_DATE), found.get(levels.STUDY_TIME)
    if date is None or time is None or time.matcher.low == time.matcher.high:  # type: ignore[union-attr]
        return Q()
    keys.remove(date)
    keys.remove(time)
    days, hours = cast("Range", date.matcher), cast("Range", time.matcher)
    result = Q(**{f"{prefix}study_date__gt": ""})
    if days.low:
        later = Q(**{f"{prefix}study_date__gt": days.low})
        result &= later | Q(**{f"{prefix}study_date": days.low, f"{prefix}study_time__gte": hours.low})
    if days.high:
        earlier = Q(**{f"{prefix}study_date__lt": days.high})
        result &= earlier | Q(
            **{f"{prefix}study_date": days.high, f"{prefix}study_time__lte": _latest_time(hours.high)}
        )
    return result


def _condition(key: Key, *, level: Level, prefix: str) -> Q:
    if key.path == (levels.PATIENT_NAME,):
        return _name_condition(key.matcher, prefix=f"{prefix}patient__")
    if key.path == (levels.MODALITIES_IN_STUDY,):
        return _modalities_condition(key.matcher, column=f"{prefix}modalities")
    if key.path == (levels.SOP_CLASSES_IN_STUDY,) and isinstance(key.matcher, AnyOf):
        classes = Instance.objects.filter(sop_class_uid__in=key.matcher.values)
        return Q(Exists(classes.filter(study=OuterRef(f"{prefix}pk" if prefix else "pk"))))
    column = COLUMNS[level].get(key.tag) if len(key.path) == 1 else None
    if column is not None:
        return _column_condition(key, column=prefix + column)
    return Q(JsonPathExists(F(f"{prefix}attributes"), Value(json_path(key))))


def _column_condition(key: Key, *, column: str) -> Q:
    matcher = key.matcher
    if isinstance(matcher, (AnyOf, Numbers)):
        return Q(**{f"{column}__in": matcher.values})
    if isinstance(matcher, Range):
        result = Q(**{f"{column}__gt": ""})
        if matcher.low:
            result &= Q(**{f"{column}__gte": matcher.low})
        if matcher.high:
            high = _latest_time(matcher.high) if key.vr == "TM" else matcher.high
            result &= Q(**{f"{column}__lte": high})
        return result
    result = Q()
    for pattern in matcher.patterns:
        one = Q(Like(F(column), Value(like(pattern))))
        if column.removeprefix("study__") in UPPER_INDEXED:
            one &= Q(Like(Upper(F(column)), Value(like(pattern.upper()))))
        result |= one
    return result


def _name_condition(matcher: Matcher, *, prefix: str) -> Q:
    """Person names match without regard to case, in any of their component groups (PS3.4 C.2.2.2.1).

    Accents do not count either in names of one group and at the beginning of others: the folded form knows no groups.
    """
    patterns = matcher.patterns if isinstance(matcher, Wildcard) else ()
    result = Q()
    for pattern in patterns:
        result |= Q(Like(F(f"{prefix}search_name"), Value(like(fold(pattern)))))
        raw = like(pattern)
        in_groups = Q()
        for form in (raw, f"{raw}=%", f"%={raw}", f"%={raw}=%"):
            in_groups |= Q(ILike(F(f"{prefix}patient_name"), Value(form)))
        result |= Q(**{f"{prefix}patient_name__contains": "="}) & in_groups
    return result


def _modalities_condition(matcher: Matcher, *, column: str) -> Q:
    result = Q()
    if isinstance(matcher, AnyOf):
        for value in matcher.values:
            result |= Q(**{f"{column}__contains": [value]})
    elif isinstance(matcher, Wildcard):
        for pattern in matcher.patterns:
            path = f"$[*] ? (@ like_regex {json.dumps(_regex(pattern))})"
            result |= Q(JsonPathExists(F(column), Value(path)))
    return result


def like(pattern: str) -> str:
    """DICOM wildcards as a LIKE pattern; what LIKE would take for wildcards is escaped."""
    escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
    return escaped.replace("*", "%").replace("?", "_")


def _latest_time(high: str) -> str:
    """The last moment that begins with a partial time: 10 → 105959.999999 (PS3.4 C.2.2.2.5)."""
    return high + "235959.999999"[len(high) :]


def json_path(key: Key) -> str:
    """A key as a condition on the JSON model of a level, through sequences (any item) to any value."""
    steps = "".join(f'."{tag}".Value[*]' for tag in key.path)
    # Component groups of a name are the values of an object.
    steps += ".*" if key.vr == "PN" else ""
    matcher = key.matcher
    if isinstance(matcher, AnyOf):
        test = " || ".join(f"@ == {json.dumps(value, ensure_ascii=False)}" for value in matcher.values)
    elif isinstance(matcher, Numbers):
        test = " || ".join(f"@ == {value!r}" for value in matcher.values)
    elif isinstance(matcher, Range):
        bounds = ['@ > ""']
        if matcher.low:
            bounds.append(f"@ >= {json.dumps(matcher.low)}")
        if matcher.high:
            high = matcher.high if key.vr == "DA" else matcher.high + "~"
            bounds.append(f"@ <= {json.dumps(high)}")
        test = " && ".join(bounds)
    else:
        flag = ' flag "i"' if key.vr == "PN" else ""
        test = " || ".join(
            f"@ like_regex {json.dumps(_regex(pattern), ensure_ascii=False)}{flag}" for pattern in matcher.patterns
        )
    return f"${steps} ? ({test})"


def _regex(pattern: str) -> str:
    parts = {"*": ".*", "?": "."}
    return (
        "^"
        + "".join(parts.get(character) or re.sub(r"([\\.^$+()\[\]{}|-])", r"\\\1", character) for character in pattern)
        + "$"
    )
