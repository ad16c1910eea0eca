"""WADO-RS frames (PS3.18 10.4.1.1.6) and bulk data (10.4.1.1.5)."""

from __future__ import annotations

import struct
from typing import Any

from django.http import HttpRequest

from archive import queries as archive_queries
from archive.domain import elements, json_values, text
from archive.domain.part10 import Unreadable
from archive.models import Archive, Instance
from core.errors import NotFound
from dicomweb import frames, queries, seen
from dicomweb.domain import blind, media, multipart, pixels
from dicomweb.door import accepted, base_address
from dicomweb.errors import NotAcceptable
from dicomweb.payload import READ_BYTES, FileSlice, Lazy, Piece, answer, boundary_for, etag, unchanged
from dicomweb.proven import Proven

# Frames never change under their address (another content gets another ETag), so a browser may keep them for a while.
MAX_AGE = 600
FORM = 2
PIXEL_TAGS = ("7FE00010", "7FE00008", "7FE00009")
MAXIMUM_BULK_FILE_BYTES = 4 << 30


def frame_list(
    request: HttpRequest, *, archive: Archive, study: str, series: str, instance: str, numbers: str = ""
) -> Any:
    """`…/frames/{list}`: the frames in the order asked for; `…/frames` (our bulk data address of pixels): all."""
    found = queries.get_instance(user=request.user, archive=archive, study=study, series=series, instance=instance)
    wanted = frames.parse_numbers(numbers) if numbers else frames.all_numbers(found)
    return send_frames(request, archive=archive, instance=found, numbers=wanted)


def send_frames(request: HttpRequest, *, archive: Archive, instance: Instance, numbers: list[int]) -> Any:
    if not numbers or max(numbers) > instance.number_of_frames:
        raise NotFound
    choices = media.choose_frames(accepted(request), may_be_alone=len(numbers) == 1)
    if not choices:
        raise NotAcceptable
    form = frames.choose_form(instance, choices)
    seen.series_seen(request, archive=archive, series=instance.series, purpose="view")
    tag = etag(FORM, bytes(instance.digest).hex(), numbers, form)
    if (known := unchanged(request, tag=tag, max_age=MAX_AGE)) is not None:
        return known
    if not form.multipart:
        body = frames.pieces(instance, numbers[0], form)
        return answer(request, pieces=body, content_type=form.content_type, tag=tag, max_age=MAX_AGE)
    boundary = boundary_for(tag)
    location = f"{base_address(request, archive)}/{_path(instance)}/frames"
    body = []
    proven = _proven(instance, numbers, form)
    for position, number in enumerate(numbers):
        body.append(
            multipart.part_head(
                boundary=boundary,
                content_type=form.content_type,
                location=f"{location}/{number}",
                is_first=position == 0,
            )
        )
        body += _frame_pieces(instance, number, form, proven=proven)
    body.append(multipart.tail(boundary=boundary))
    content_type = (
        f'multipart/related; type="{form.media_type}"; transfer-syntax={form.transfer_syntax}; boundary={boundary}'
    )
    return answer(request, pieces=body, content_type=content_type, tag=tag, max_age=MAX_AGE)


def _proven(instance: Instance, numbers: list[int], form: frames.Form) -> Proven | None:
    """Frames that must be decoded, all of them tried before the answer begins. Raises `NotAcceptable`."""
    if not form.decoded or len(numbers) == 1:
        return None
    return Proven(numbers, lambda number: frames.decoded_bytes(instance, number))


def _frame_pieces(instance: Instance, number: int, form: frames.Form, *, proven: Proven | None) -> list[Piece]:
    """One frame now; several that were decoded to see whether they can be, as they were kept or once more."""
    if proven is None:
        return frames.pieces(instance, number, form)
    return [Lazy(lambda: [proven.get(number)])]


def _path(instance: Instance) -> str:
    return (
        f"studies/{instance.study.study_instance_uid}/series/{instance.series.series_instance_uid}"
        f"/instances/{instance.sop_instance_uid}"
    )


def bulk_data(request: HttpRequest, *, archive: Archive, study: str, series: str, instance: str, path: str) -> Any:
    """One binary value of an instance by its path in the data set; that of the pixels is all frames."""
    found = queries.get_instance(user=request.user, archive=archive, study=study, series=series, instance=instance)
    if path.strip("/").upper() in PIXEL_TAGS:
        return send_frames(request, archive=archive, instance=found, numbers=frames.all_numbers(found))
    if not blind.is_bulk_data_shown(path):
        queries.require_openness(user=request.user, archive=archive, study=found.study)
    choice = media.choose_bulk_data(accepted(request))
    if choice is None:
        raise NotAcceptable
    seen.series_seen(request, archive=archive, series=found.series, purpose="view")
    value = _value(found, path.upper())
    tag = etag(FORM, bytes(found.digest).hex(), path.upper(), choice.multipart)
    if not choice.multipart:
        return answer(request, pieces=[value], content_type=media.OCTET_STREAM, tag=tag)
    boundary = boundary_for(tag)
    location = f"{base_address(request, archive)}/{_path(found)}/bulkdata/{path.upper()}"
    pieces: list[Piece] = [
        multipart.part_head(boundary=boundary, content_type=media.OCTET_STREAM, location=location, is_first=True),
        value,
        multipart.tail(boundary=boundary),
    ]
    content_type = f'multipart/related; type="{media.OCTET_STREAM}"; boundary={boundary}'
    return answer(request, pieces=pieces, content_type=content_type, tag=tag)


def _value(instance: Instance, path: str) -> Piece:
    """The value as little-endian bytes, text as UTF-8; a large one straight from the file. Raises `NotFound`."""
    with archive_queries.open_instance(instance) as file:
        try:
            _meta, found = elements.read_elements(file, pixels_end=archive_queries.pixels_end(instance))
            element, context = elements.find(found, path)
            vr = elements.vr_of(element, context)
            if element.items is not None:
                raise NotFound
            is_plain = not element.is_big_endian and instance.transfer_syntax_uid != pixels.DEFLATED
            if is_plain and element.length > READ_BYTES and vr not in json_values.TEXT_VRS:
                return FileSlice(instance.storage_key, element.offset, element.length)
            value = elements.little_endian(element, vr)
        # A path that leads nowhere, or through something that is damaged: there is nothing to give.
        except (KeyError, Unreadable, struct.error) as error:
            raise NotFound from error
    return text.decode(value, context.encodings).encode() if vr in json_values.TEXT_VRS else value
