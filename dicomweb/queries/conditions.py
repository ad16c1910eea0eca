"""The keys of a search as conditions on rows (PS3.18 8.3.4, PS3.4 C.2.2.2).

A condition may look below the rows that are asked for: a study is found by its series, a series by its instances. It looks
at what the caller sees and at nothing else, or wildcards would spell out what a hidden report says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from django.db.models import BooleanField, Count, Exists, F, Func, IntegerField, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce, Upper
from django.db.models.lookups import In

from archive.domain.text import fold
from archive.models import Instance, Series
from dicomweb.domain import blind, levels
from dicomweb.domain.levels import Level
from dicomweb.domain.query import AnyOf, Key, Matcher, Numbers, Query, Range, Wildcard, latest_time
from dicomweb.queries.index import COLUMNS, UPPER_INDEXED, level_of, unsupported
from dicomweb.queries.patterns import WRITTEN, indexed_words, json_path, like, regex, shortened
from dicomweb.queries.sight import Sight


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


def conditions(query: Query, *, level: Level, sight: Sight) -> Q:
    """All keys as one condition on rows of `level` that the caller sees. Keys of lower levels: the row holds something
    that the caller sees and that matches."""
    useless = {key.path for key in unsupported(query)}
    keys = [key for key in query.keys if key.path not in useless]
    at = {wanted: [key for key in keys if level_of(key.tag) == wanted] for wanted in Level}

    def all_of(wanted: Level, prefix: str) -> Q:
        return _all_of(at[wanted], level=wanted, prefix=prefix, sight=sight)

    result = all_of(Level.STUDY, _prefix(Level.STUDY, level))
    if level == Level.SERIES:
        result &= all_of(Level.SERIES, "")
    if level == Level.INSTANCE:
        result &= all_of(Level.SERIES, "series__")
        result &= all_of(Level.INSTANCE, "")
    elif at[Level.INSTANCE]:
        inner = _seen_instances(sight).filter(all_of(Level.INSTANCE, ""))
        if level == Level.STUDY:
            inner = inner.filter(all_of(Level.SERIES, "series__"))
        result &= Q(Exists(inner.filter(**{"study" if level == Level.STUDY else "series": OuterRef("pk")})))
    elif level == Level.STUDY and at[Level.SERIES]:
        matching = _seen_series(sight).filter(all_of(Level.SERIES, ""))
        result &= Q(Exists(matching.filter(study=OuterRef("pk"))))
    return result


def _seen_series(sight: Sight) -> QuerySet[Series]:
    # The outer rows are of the archive: who sees all of it is spared the condition.
    return Series.objects.all() if sight.is_whole else sight.series


def _seen_instances(sight: Sight) -> QuerySet[Instance]:
    return Instance.objects.all() if sight.is_whole else sight.instances


def _prefix(of: Level, at: Level) -> str:
    return "" if of == at else "study__"


def _all_of(keys: Iterable[Key], *, level: Level, prefix: str, sight: Sight) -> Q:
    keys = list(keys)
    result = Q()
    if not sight.is_whole and not all(blind.is_path_shown(key.path) for key in keys):
        # What is withheld from the caller takes part in no condition: as if the object did not hold it.
        study = f"{prefix}pk" if level == Level.STUDY else f"{prefix}study"
        result &= Q(**{f"{study}__in": sight.open_studies.values("pk")})
    if level == Level.STUDY:
        result &= _combined_date_time(keys, prefix=prefix)
    for key in keys:
        result &= _condition(key, level=level, prefix=prefix, sight=sight)
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
    result = Q(**{f"{prefix}study_date__regex": WRITTEN["DA"]})
    timed = Q(**{f"{prefix}study_time__regex": WRITTEN["TM"]})
    if days.low:
        later = Q(**{f"{prefix}study_date__gt": days.low})
        result &= later | timed & Q(**{f"{prefix}study_date": days.low}) & _from_time(f"{prefix}study_time", hours.low)
    if days.high:
        earlier = Q(**{f"{prefix}study_date__lt": days.high})
        latest = latest_time(hours.high)
        result &= earlier | timed & Q(**{f"{prefix}study_date": days.high, f"{prefix}study_time__lte": latest})
    return result


def _from_time(column: str, low: str) -> Q:
    """Times that are not over before `low`; a partial one is the span that it begins."""
    return Q(**{f"{column}__gte": low}) | Q(**{f"{column}__in": shortened(low, vr="TM")})


def _condition(key: Key, *, level: Level, prefix: str, sight: Sight) -> Q:
    if key.path == (levels.PATIENT_NAME,):
        return _name_condition(key.matcher, prefix=prefix)
    if key.path == (levels.MODALITIES_IN_STUDY,):
        return _modalities_condition(key.matcher, prefix=prefix, sight=sight)
    if key.path == (levels.SOP_CLASSES_IN_STUDY,) and isinstance(key.matcher, AnyOf):
        classes = _seen_instances(sight).filter(sop_class_uid__in=key.matcher.values)
        return Q(Exists(classes.filter(study=OuterRef(f"{prefix}pk" if prefix else "pk"))))
    column = COLUMNS[level].get(key.tag) if len(key.path) == 1 else None
    if column is not None and not sight.is_whole and column in _COUNTS[level]:
        return _count_condition(key.matcher, column=column, level=level, prefix=prefix, sight=sight)
    if column is not None:
        return _column_condition(key, column=prefix + column)
    return Q(JsonPathExists(F(f"{prefix}attributes"), Value(json_path(key))))


_COUNTS = {
    Level.STUDY: frozenset({"series_count", "instance_count"}),
    Level.SERIES: frozenset({"instance_count"}),
    Level.INSTANCE: frozenset(),
}


def _count_condition(matcher: Matcher, *, column: str, level: Level, prefix: str, sight: Sight) -> Q:
    """How many series or instances of the row the caller sees."""
    if not isinstance(matcher, Numbers):
        return Q()
    rows: QuerySet[Any] = sight.series if column == "series_count" else sight.instances
    parent = "study" if level == Level.STUDY else "series"
    within = rows.filter(**{parent: OuterRef(f"{prefix}pk")}).values(parent).annotate(n=Count("pk")).values("n")
    return Q(In(Coalesce(Subquery(within, output_field=IntegerField()), 0), [int(value) for value in matcher.values]))


def _column_condition(key: Key, *, column: str) -> Q:
    matcher = key.matcher
    if isinstance(matcher, (AnyOf, Numbers)):
        return Q(**{f"{column}__in": matcher.values})
    if isinstance(matcher, Range):
        # What is no date or time (“UNKNOWN”) lies in no range, however its letters sort.
        result = Q(**{f"{column}__regex": WRITTEN[key.vr]}) if key.vr in WRITTEN else Q(**{f"{column}__gt": ""})
        if matcher.low:
            result &= _from_time(column, matcher.low) if key.vr == "TM" else Q(**{f"{column}__gte": matcher.low})
        if matcher.high:
            high = latest_time(matcher.high) if key.vr == "TM" else matcher.high
            result &= Q(**{f"{column}__lte": high})
        return result
    result = Q()
    for pattern in matcher.patterns:
        one = Q(Like(F(column), Value(like(pattern))))
        if column.removeprefix("study__") in UPPER_INDEXED:
            # Both sides in the database's own capitals: Python's of “ß” are “SS”, PostgreSQL leaves it as it is.
            one &= Q(Like(Upper(F(column)), Upper(Value(like(pattern)))))
        result |= one
    return result


def _name_condition(matcher: Matcher, *, prefix: str) -> Q:
    """Person names match without regard to case, in any of their component groups (PS3.4 C.2.2.2.1).

    Accents do not count either in names of one group and at the beginning of others: the folded form knows no groups.
    The folded form does hold the words of all groups, though, so they narrow down both by its index first.
    """
    patterns = matcher.patterns if isinstance(matcher, Wildcard) else ()
    result = Q()
    for pattern in patterns:
        one = Q(Like(F(f"{prefix}search_name"), Value(like(fold(pattern)))))
        raw = like(pattern)
        in_groups = Q()
        for form in (raw, f"{raw}=%", f"%={raw}", f"%={raw}=%"):
            in_groups |= Q(ILike(F(f"{prefix}patient_name"), Value(form)))
        one |= Q(**{f"{prefix}patient_name__contains": "="}) & in_groups
        for word in indexed_words(pattern):
            one &= Q(**{f"{prefix}search_name__contains": word})
        result |= one
    return result


def _modalities_condition(matcher: Matcher, *, prefix: str, sight: Sight) -> Q:
    if not sight.is_whole:
        return _seen_modalities_condition(matcher, prefix=prefix, sight=sight)
    column = f"{prefix}modalities"
    result = Q()
    if isinstance(matcher, AnyOf):
        for value in matcher.values:
            result |= Q(**{f"{column}__contains": [value]})
    elif isinstance(matcher, Wildcard):
        for pattern in matcher.patterns:
            path = f"$[*] ? (@ like_regex {json.dumps(regex(pattern))})"
            result |= Q(JsonPathExists(F(column), Value(path)))
    return result


def _seen_modalities_condition(matcher: Matcher, *, prefix: str, sight: Sight) -> Q:
    wanted = Q()
    if isinstance(matcher, AnyOf):
        wanted = Q(modality__in=matcher.values)
    elif isinstance(matcher, Wildcard):
        for pattern in matcher.patterns:
            wanted |= Q(Like(F("modality"), Value(like(pattern))))
    if not wanted:
        return wanted
    return Q(Exists(sight.series.filter(wanted, study=OuterRef(f"{prefix}pk"))))
