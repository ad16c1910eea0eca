"""WADO-RS retrieval of whole instances (PS3.18 10.4.1.1.1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import structlog
from django.http import HttpRequest

from archive.models import Archive, Instance
from core.errors import NotFound
from dicomweb import queries, reasons, seen, transcode
from dicomweb.domain import media, multipart
from dicomweb.domain.media import DICOM, Choice
from dicomweb.domain.pixels import DecodeError
from dicomweb.door import accepted, base_address
from dicomweb.errors import NotAcceptable
from dicomweb.payload import FileSlice, Lazy, Piece, answer, boundary_for, etag

logger = structlog.get_logger(__name__)

FORM = 2


def study(request: HttpRequest, *, archive: Archive, study: str) -> Any:
    found = queries.get_study(user=request.user, archive=archive, study=study)
    queries.require_openness(user=request.user, archive=archive, study=found)
    choices = _choices(request, may_be_alone=False)
    seen.study_fetched(request, archive=archive, study=found)
    return _send(
        request,
        archive=archive,
        rows=list(queries.instances_of_study(found, user=request.user, archive=archive)),
        choices=choices,
    )


def series(request: HttpRequest, *, archive: Archive, study: str, series: str) -> Any:
    found = queries.get_series(user=request.user, archive=archive, study=study, series=series)
    queries.require_openness(user=request.user, archive=archive, study=found.study)
    choices = _choices(request, may_be_alone=False)
    seen.series_seen(request, archive=archive, series=found, purpose="fetch")
    rows = list(queries.instances_of_series(found, user=request.user, archive=archive))
    return _send(request, archive=archive, rows=rows, choices=choices)


def instance(request: HttpRequest, *, archive: Archive, study: str, series: str, instance: str) -> Any:
    found = queries.get_instance(user=request.user, archive=archive, study=study, series=series, instance=instance)
    queries.require_openness(user=request.user, archive=archive, study=found.study)
    choices = _choices(request, may_be_alone=True)
    seen.series_seen(request, archive=archive, series=found.series, purpose="fetch")
    return _send(request, archive=archive, rows=[found], choices=choices)


def _choices(request: HttpRequest, *, may_be_alone: bool) -> list[Choice]:
    choices = media.choose_instances(accepted(request), may_be_alone=may_be_alone)
    if not choices:
        raise NotAcceptable
    return choices


def _send(request: HttpRequest, *, archive: Archive, rows: Sequence[Instance], choices: list[Choice]) -> Any:
    if not rows:
        raise NotFound
    choice, syntaxes = _decide(rows, choices)
    tag = etag(FORM, choice, *((one.pk, bytes(one.digest).hex()) for one in rows))
    if not choice.multipart:
        return answer(
            request,
            pieces=_body(rows[0], syntaxes[0]),
            content_type=f"{DICOM}; transfer-syntax={syntaxes[0]}",
            tag=tag,
        )
    boundary = boundary_for(tag)
    base = base_address(request, archive)
    pieces: list[Piece] = []
    for position, (one, syntax) in enumerate(zip(rows, syntaxes, strict=True)):
        location = (
            f"{base}/studies/{one.study.study_instance_uid}/series/{one.series.series_instance_uid}"
            f"/instances/{one.sop_instance_uid}"
        )
        pieces += _part(
            one, syntax, boundary=boundary, location=location, is_first=position == 0, is_only=len(rows) == 1
        )
    pieces.append(multipart.tail(boundary=boundary))
    return answer(
        request,
        pieces=pieces,
        content_type=f'multipart/related; type="{DICOM}"; boundary={boundary}',
        tag=tag,
    )


def _decide(rows: Sequence[Instance], choices: list[Choice]) -> tuple[Choice, list[str]]:
    """The best choice that all instances can meet, else the best that some can. Raises `NotAcceptable`.

    In the second case the others go as they are stored, each part saying so: of a study with a video in it the images
    come decoded as asked, and nothing is left out silently.
    """
    partial: tuple[Choice, list[str]] | None = None
    for choice in choices:
        found = [transcode.syntax_for(one, choice) for one in rows]
        if all(found):
            return choice, [syntax for syntax in found if syntax]
        if any(found) and partial is None:
            partial = choice, [syntax or one.transfer_syntax_uid for one, syntax in zip(rows, found, strict=True)]
    if partial is None:
        raise NotAcceptable
    return partial


def _head(*, boundary: str, syntax: str, location: str, is_first: bool) -> bytes:
    return multipart.part_head(
        boundary=boundary, content_type=f"{DICOM}; transfer-syntax={syntax}", location=location, is_first=is_first
    )


def _part(one: Instance, syntax: str, *, boundary: str, location: str, is_first: bool, is_only: bool) -> list[Piece]:
    if syntax == one.transfer_syntax_uid:
        head = _head(boundary=boundary, syntax=syntax, location=location, is_first=is_first)
        return [head, FileSlice(one.storage_key, 0, one.size_bytes)]
    if is_only:
        return [_head(boundary=boundary, syntax=syntax, location=location, is_first=is_first), *_body(one, syntax)]

    def make() -> Iterator[bytes]:
        """Decoded when its turn comes; an instance that turns out not to decode goes as it is stored."""
        stream = transcode.explicit_little_endian(one)
        try:
            first = next(stream)
        except DecodeError as error:
            logger.warning("instance_not_transcoded", instance=one.pk, why=str(error))
            yield _head(boundary=boundary, syntax=one.transfer_syntax_uid, location=location, is_first=is_first)
            yield from _stored(one)
            return
        yield _head(boundary=boundary, syntax=syntax, location=location, is_first=is_first)
        yield first
        yield from stream

    return [Lazy(make)]


def _body(one: Instance, syntax: str) -> list[Piece]:
    """One instance alone. Raises `NotAcceptable` when it does not decode: the answer has not begun yet."""
    if syntax == one.transfer_syntax_uid:
        return [FileSlice(one.storage_key, 0, one.size_bytes)]
    stream = transcode.explicit_little_endian(one)
    try:
        first = next(stream)
    except DecodeError as error:
        logger.warning("instance_not_transcoded", instance=one.pk, why=str(error))
        raise NotAcceptable(reasons.sentence(error), code="not-decodable") from error
    return [first, Lazy(lambda: stream)]


def _stored(one: Instance) -> Iterator[bytes]:
    from dicomweb.payload import stream

    yield from stream([FileSlice(one.storage_key, 0, one.size_bytes)])
