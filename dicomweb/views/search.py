"""QIDO-RS (PS3.18 10.6): search for studies, series and instances."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest, HttpResponse

from archive.models import Archive, Instance, Series, Study
from dicomweb import queries, seen
from dicomweb.domain import levels, media
from dicomweb.domain.levels import DEFAULT_FIELDS, Level
from dicomweb.domain.query import Query, QueryError, name_of, parse
from dicomweb.door import accepted, base_address
from dicomweb.errors import NotAcceptable
from dicomweb.xml import as_multipart

# More rows than this come in several requests; the answer says how many are left.
MOST = {Level.STUDY: 2000, Level.SERIES: 5000, Level.INSTANCE: 10_000}
MAXIMUM_PARAMETERS = 200
SERVICE = "PACSWeb"

Model = dict[str, Any]


def studies(request: HttpRequest, *, archive: Archive) -> HttpResponse:
    query = _query(request)
    choice = _choice(request)
    queries.require_some_sight(user=request.user, archive=archive)
    page = queries.search_studies(user=request.user, archive=archive, query=query, most=MOST[Level.STUDY])
    base = base_address(request, archive)
    models = [_study_model(row, base=base, query=query) for row in page.rows]
    return _answer(request, archive=archive, query=query, models=models, remaining=page.remaining, choice=choice)


def series(request: HttpRequest, *, archive: Archive, study: str = "") -> HttpResponse:
    query = _query(request)
    choice = _choice(request)
    parent = _study(request, archive=archive, study=study)
    page = queries.search_series(user=request.user, archive=archive, query=query, most=MOST[Level.SERIES], study=parent)
    base = base_address(request, archive)
    models = [_series_model(row, base=base, query=query, with_study=parent is None) for row in page.rows]
    return _answer(request, archive=archive, query=query, models=models, remaining=page.remaining, choice=choice)


def instances(request: HttpRequest, *, archive: Archive, study: str = "", series: str = "") -> HttpResponse:
    query = _query(request)
    choice = _choice(request)
    parent_series = (
        queries.get_series(user=request.user, archive=archive, study=study, series=series) if series else None
    )
    parent_study = _study(request, archive=archive, study=study) if parent_series is None else None
    page = queries.search_instances(
        user=request.user,
        archive=archive,
        query=query,
        most=MOST[Level.INSTANCE],
        study=parent_study,
        series=parent_series,
    )
    base = base_address(request, archive)
    models = [
        _instance_model(
            row,
            base=base,
            query=query,
            with_study=parent_study is None and parent_series is None,
            with_series=parent_series is None,
        )
        for row in page.rows
    ]
    return _answer(request, archive=archive, query=query, models=models, remaining=page.remaining, choice=choice)


def _study(request: HttpRequest, *, archive: Archive, study: str) -> Study | None:
    if study:
        return queries.get_study(user=request.user, archive=archive, study=study)
    queries.require_some_sight(user=request.user, archive=archive)
    return None


def _query(request: HttpRequest) -> Query:
    try:
        parameters = parse_qsl(
            request.META.get("QUERY_STRING", ""),
            keep_blank_values=True,
            max_num_fields=MAXIMUM_PARAMETERS,
            errors="strict",
        )
    except UnicodeDecodeError as error:
        raise QueryError("The query is not UTF-8.") from error
    except ValueError as error:
        raise QueryError(f"A query has at most {MAXIMUM_PARAMETERS} parameters.") from error
    return parse(parameters)


def _choice(request: HttpRequest) -> media.Choice:
    choice = media.choose_text(accepted(request), offered=(media.DICOM_JSON, media.JSON, media.DICOM_XML))
    if choice is None:
        raise NotAcceptable
    return choice


def _answer(
    request: HttpRequest, *, archive: Archive, query: Query, models: list[Model], remaining: int, choice: media.Choice
) -> Any:
    seen.searched(request, archive=archive, keys=[name_of(key.tag) for key in query.keys], found=len(models))
    warnings = _warnings(query, remaining=remaining)
    headers = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, Cookie"}
    if warnings:
        headers["Warning"] = ", ".join(f'299 {SERVICE} "{text}"' for text in warnings)
    if choice.media_type == media.DICOM_XML:
        return as_multipart(request, models=models, headers=headers)
    body = json.dumps(models, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    return HttpResponse(body, content_type=choice.media_type, headers=headers)


def _warnings(query: Query, *, remaining: int) -> list[str]:
    found = []
    if query.fuzzy:
        found.append("The fuzzymatching parameter is not supported. Only literal matching has been performed.")
    ignored = [name_of(key.tag) for key in queries.unsupported(query)]
    if ignored:
        found.append(f"These keys are not indexed and were not used: {', '.join(ignored)}.")
    if remaining > 0:
        found.append(f"There are {remaining} additional results that can be requested.")
    return found


def _fields(model: Model, *, level: Level, query: Query) -> Model:
    """What of the stored attributes of one level the answer holds (PS3.18 10.6.3.3)."""
    if query.include_all:
        return dict(model)
    wanted = DEFAULT_FIELDS[level] | query.asked_for
    return {tag: element for tag, element in model.items() if tag in wanted}


def _put(model: Model, tag: str, vr: str, *values: Any) -> None:
    kept = [value for value in values if value not in (None, "")]
    model[tag] = {"vr": vr, "Value": kept} if kept else {"vr": vr}


def _frame(model: Model, *, url: str) -> Model:
    _put(model, levels.SPECIFIC_CHARACTER_SET, "CS", "ISO_IR 192")
    _put(model, levels.INSTANCE_AVAILABILITY, "CS", "ONLINE")
    _put(model, levels.RETRIEVE_URL, "UR", url)
    return dict(sorted(model.items()))


def _study_attributes(row: Study, *, query: Query) -> Model:
    model = _fields(row.attributes, level=Level.STUDY, query=query)
    _put(model, levels.STUDY_INSTANCE_UID, "UI", row.study_instance_uid)
    for tag, vr in _ALWAYS[Level.STUDY]:
        model.setdefault(tag, {"vr": vr})
    _put(model, levels.MODALITIES_IN_STUDY, "CS", *row.modalities)
    _put(model, levels.NUMBER_OF_STUDY_RELATED_SERIES, "IS", row.series_count)
    _put(model, levels.NUMBER_OF_STUDY_RELATED_INSTANCES, "IS", row.instance_count)
    return model


# Keys of type 1 and 2 that an answer holds even when the object does not (empty then).
_ALWAYS: dict[Level, tuple[tuple[str, str], ...]] = {
    Level.STUDY: (
        (levels.STUDY_DATE, "DA"),
        (levels.STUDY_TIME, "TM"),
        (levels.ACCESSION_NUMBER, "SH"),
        ("00080090", "PN"),
        (levels.PATIENT_NAME, "PN"),
        (levels.PATIENT_ID, "LO"),
        ("00100030", "DA"),
        ("00100040", "CS"),
        ("00200010", "SH"),
    ),
    Level.SERIES: ((levels.MODALITY, "CS"), (levels.SERIES_NUMBER, "IS")),
    Level.INSTANCE: ((levels.INSTANCE_NUMBER, "IS"),),
}


def _study_model(row: Study, *, base: str, query: Query) -> Model:
    return _frame(_study_attributes(row, query=query), url=f"{base}/studies/{row.study_instance_uid}")


def _series_attributes(row: Series, *, query: Query) -> Model:
    model = _fields(row.attributes, level=Level.SERIES, query=query)
    for tag, vr in _ALWAYS[Level.SERIES]:
        model.setdefault(tag, {"vr": vr})
    _put(model, levels.SERIES_INSTANCE_UID, "UI", row.series_instance_uid)
    _put(model, levels.NUMBER_OF_SERIES_RELATED_INSTANCES, "IS", row.instance_count)
    return model


def _series_model(row: Series, *, base: str, query: Query, with_study: bool) -> Model:
    model = _series_attributes(row, query=query)
    if with_study:
        model = _study_attributes(row.study, query=query) | model
    else:
        model |= _asked_of(row.study.attributes, query=query)
    _put(model, levels.STUDY_INSTANCE_UID, "UI", row.study.study_instance_uid)
    url = f"{base}/studies/{row.study.study_instance_uid}/series/{row.series_instance_uid}"
    return _frame(model, url=url)


def _asked_of(attributes: Model, *, query: Query) -> Model:
    """Attributes of a higher level that the client named."""
    return {tag: element for tag, element in attributes.items() if tag in query.asked_for}


def _instance_model(row: Instance, *, base: str, query: Query, with_study: bool, with_series: bool) -> Model:
    model = _fields(row.attributes, level=Level.INSTANCE, query=query)
    for tag, vr in _ALWAYS[Level.INSTANCE]:
        model.setdefault(tag, {"vr": vr})
    _put(model, levels.SOP_CLASS_UID, "UI", row.sop_class_uid)
    _put(model, levels.SOP_INSTANCE_UID, "UI", row.sop_instance_uid)
    _put(model, "00083002", "UI", row.transfer_syntax_uid)
    higher = _asked_of(row.study.attributes, query=query) | _asked_of(row.series.attributes, query=query)
    if with_series:
        higher |= _series_attributes(row.series, query=query)
    if with_study:
        higher |= _study_attributes(row.study, query=query)
    model = higher | model
    _put(model, levels.STUDY_INSTANCE_UID, "UI", row.study.study_instance_uid)
    _put(model, levels.SERIES_INSTANCE_UID, "UI", row.series.series_instance_uid)
    url = (
        f"{base}/studies/{row.study.study_instance_uid}/series/{row.series.series_instance_uid}"
        f"/instances/{row.sop_instance_uid}"
    )
    return _frame(model, url=url)
