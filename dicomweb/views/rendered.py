"""WADO-RS rendered images (PS3.18 10.4.1.1.3) and thumbnails (10.4.1.1.4)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, Literal

import structlog
from django.http import HttpRequest
from PIL import Image

from archive.models import Archive, Instance, Series
from archive.services.derive import is_current
from archive.storage import storage
from core.errors import NotFound
from dicomweb import frames, queries, reasons, seen
from dicomweb.domain import media, multipart, rendering
from dicomweb.domain.pixels import DecodeError
from dicomweb.domain.rendering import Rendering, Viewport
from dicomweb.door import accepted, base_address
from dicomweb.errors import NotAcceptable, Unrenderable
from dicomweb.payload import FileSlice, Lazy, Piece, answer, boundary_for, etag, unchanged

logger = structlog.get_logger(__name__)

FORM = 2
MAX_AGE = 600
THUMBNAIL_SIDE = 256
WEBP = "image/webp"
MediaType = Literal["image/jpeg", "image/png"]


def instance_rendered(
    request: HttpRequest, *, archive: Archive, study: str, series: str, instance: str, numbers: str = ""
) -> Any:
    """`…/instances/{i}/rendered` and `…/frames/{list}/rendered`."""
    found = queries.get_instance(user=request.user, archive=archive, study=study, series=series, instance=instance)
    wanted = frames.parse_numbers(numbers) if numbers else [1]
    if not found.number_of_frames:
        raise Unrenderable
    if max(wanted) > found.number_of_frames:
        raise NotFound
    asked, media_type, alone = _wishes(request)
    seen.series_seen(request, archive=archive, series=found.series, purpose="view")
    tag = etag(FORM, bytes(found.digest).hex(), wanted, asked, media_type)
    if (known := unchanged(request, tag=tag, max_age=MAX_AGE)) is not None:
        return known
    if len(wanted) == 1 and alone:
        return answer(
            request,
            pieces=[_picture(found, wanted[0], asked, media_type)],
            content_type=media_type,
            tag=tag,
            max_age=MAX_AGE,
        )
    return _many(request, archive=archive, pictures=[(found, n) for n in wanted], asked=asked, kind=media_type, tag=tag)


def series_rendered(request: HttpRequest, *, archive: Archive, study: str, series: str) -> Any:
    """Every image of a series, the first frame of each."""
    found = queries.get_series(user=request.user, archive=archive, study=study, series=series)
    asked, media_type, _alone = _wishes(request)
    seen.series_seen(request, archive=archive, series=found, purpose="view")
    rows = queries.instances_of_series(found, user=request.user, archive=archive)
    instances = list(rows.filter(number_of_frames__gt=0))
    tag = etag(FORM, *((one.pk, bytes(one.digest).hex()) for one in instances), asked, media_type)
    return _many(
        request, archive=archive, pictures=[(one, 1) for one in instances], asked=asked, kind=media_type, tag=tag
    )


def study_rendered(request: HttpRequest, *, archive: Archive, study: str) -> Any:
    found = queries.get_study(user=request.user, archive=archive, study=study)
    asked, media_type, _alone = _wishes(request)
    seen.study_fetched(request, archive=archive, study=found)
    instances = list(
        queries.instances_of_study(found, user=request.user, archive=archive).filter(number_of_frames__gt=0)
    )
    tag = etag(FORM, *((one.pk, bytes(one.digest).hex()) for one in instances), asked, media_type)
    return _many(
        request, archive=archive, pictures=[(one, 1) for one in instances], asked=asked, kind=media_type, tag=tag
    )


def _wishes(request: HttpRequest) -> tuple[Rendering, MediaType, bool]:
    """(parameters, media type, whether one image may travel without a multipart)."""
    asked = rendering.parse(
        window=request.GET.get("window", ""),
        viewport=request.GET.get("viewport", ""),
        quality=request.GET.get("quality", ""),
    )
    ranges = accepted(request)
    alone = media.choose_image(ranges)
    if alone is not None:
        return asked, alone, True
    for wish in media.by_preference(ranges):
        if wish.is_multipart:
            inner = media.choose_image((media.MediaType(wish.part_type or "*/*"),))
            if inner is not None:
                return asked, inner, False
    raise NotAcceptable


def _picture(instance: Instance, number: int, asked: Rendering, kind: MediaType) -> bytes:
    side = max(asked.viewport.width, asked.viewport.height) if asked.viewport is not None else 0
    try:
        with frames.share(instance, number, more=frames.drawing_bytes(instance, side=side)):
            header = frames.read_header(instance, everything=True)
            frame = frames.decode(instance, number, header)
            return rendering.render(header=header, frame=frame, number=number, rendering=asked, media_type=kind)
    except DecodeError as error:
        logger.info("instance_not_rendered", instance=instance.pk, why=str(error))
        raise Unrenderable(reasons.sentence(error)) from error


def _many(
    request: HttpRequest,
    *,
    archive: Archive,
    pictures: list[tuple[Instance, int]],
    asked: Rendering,
    kind: MediaType,
    tag: str,
) -> Any:
    """Images in a multipart, each made when its turn comes; what cannot be shown is left out."""
    if not pictures:
        raise Unrenderable
    boundary = boundary_for(tag)
    base = base_address(request, archive)
    pictures, first = _from_first_shown(pictures, asked, kind)

    def parts() -> Iterator[bytes]:
        is_first = True
        for instance, number in pictures:
            try:
                picture = first if is_first else _picture(instance, number, asked, kind)
            except Unrenderable:
                continue
            location = (
                f"{base}/studies/{instance.study.study_instance_uid}/series/{instance.series.series_instance_uid}"
                f"/instances/{instance.sop_instance_uid}/frames/{number}/rendered"
            )
            yield multipart.part_head(boundary=boundary, content_type=kind, location=location, is_first=is_first)
            yield picture
            is_first = False
        yield multipart.tail(boundary=boundary)

    return answer(
        request,
        pieces=[Lazy(parts)],
        content_type=f'multipart/related; type="{kind}"; boundary={boundary}',
        tag=tag,
        max_age=MAX_AGE,
    )


def _from_first_shown(
    pictures: list[tuple[Instance, int]], asked: Rendering, kind: MediaType
) -> tuple[list[tuple[Instance, int]], bytes]:
    """From the first image that can be shown on, with its picture. Raises `Unrenderable` when there is none."""
    for position, (instance, number) in enumerate(pictures):
        try:
            return pictures[position:], _picture(instance, number, asked, kind)
        except Unrenderable:
            if position == len(pictures) - 1:
                raise
    raise Unrenderable


def study_thumbnail(request: HttpRequest, *, archive: Archive, study: str) -> Any:
    """The picture of the first series of the study that the caller sees and that has one."""
    found = queries.get_study(user=request.user, archive=archive, study=study)
    candidates = list(queries.series_of_study(found, user=request.user, archive=archive))
    best = next((one for one in candidates if _stored_key(one)), None)
    if best is None:
        best = next((one for one in candidates if one.instances.filter(number_of_frames__gt=0).exists()), None)
    if best is None:
        raise NotFound
    return _series_thumbnail(request, archive=archive, series=best)


def series_thumbnail(request: HttpRequest, *, archive: Archive, study: str, series: str) -> Any:
    found = queries.get_series(user=request.user, archive=archive, study=study, series=series)
    return _series_thumbnail(request, archive=archive, series=found)


def instance_thumbnail(
    request: HttpRequest, *, archive: Archive, study: str, series: str, instance: str, numbers: str = ""
) -> Any:
    found = queries.get_instance(user=request.user, archive=archive, study=study, series=series, instance=instance)
    wanted = frames.parse_numbers(numbers)[0] if numbers else found.number_of_frames // 2 + 1
    if not found.number_of_frames:
        raise NotFound
    if wanted > found.number_of_frames:
        raise NotFound
    seen.series_seen(request, archive=archive, series=found.series, purpose="view")
    return _render_small(request, instance=found, number=wanted)


def _stored_key(series: Series) -> str:
    return series.thumbnail_key if is_current(series=series, key=series.thumbnail_key) else ""


def _series_thumbnail(request: HttpRequest, *, archive: Archive, series: Series) -> Any:
    # Lists show these by the dozen, and nobody looked at a series because its stamp stood in a list: no trail. They stay
    # small whatever is asked for; who wants more asks for an image, and that is recorded.
    key = _stored_key(series)
    # The stored one shows the middle of all images; who sees some of them gets the middle of those.
    is_whole = queries.sight_of(user=request.user, archive=archive).part_of(series) is None
    if key and is_whole and storage().exists(key):
        return _stored_thumbnail(request, key=key)
    shown = queries.instances_of_series(series, user=request.user, archive=archive).filter(number_of_frames__gt=0)
    count = shown.count()
    if not count:
        raise NotFound
    middle = shown[count // 2]
    return _render_small(request, instance=middle, number=middle.number_of_frames // 2 + 1, largest=THUMBNAIL_SIDE)


def _stored_thumbnail(request: HttpRequest, *, key: str) -> Any:
    viewport = rendering.parse(viewport=request.GET.get("viewport", "")).viewport
    kind = _thumbnail_type(request, prefers_stored=viewport is None)
    tag = etag(FORM, key, kind, viewport)
    if kind == WEBP:
        pieces: list[Piece] = [FileSlice(key, 0, storage().size(key))]
        return answer(request, pieces=pieces, content_type=WEBP, tag=tag, max_age=MAX_AGE)
    with storage().open(key) as file, Image.open(file) as picture:
        small = picture.convert("L" if picture.mode == "L" else "RGB")
    if viewport is not None:
        small.thumbnail((viewport.width, viewport.height), Image.Resampling.LANCZOS)
    output = io.BytesIO()
    small.save(output, "PNG" if kind == media.PNG else "JPEG")
    return answer(request, pieces=[output.getvalue()], content_type=kind, tag=tag, max_age=MAX_AGE)


def _thumbnail_type(request: HttpRequest, *, prefers_stored: bool) -> str:
    """Pictures are kept as WebP: given to who names it, and to who takes any image; else JPEG or PNG."""
    ranges = accepted(request)
    for wish in media.by_preference(ranges):
        if wish.name == WEBP and prefers_stored:
            return WEBP
    chosen = media.choose_image(ranges)
    if chosen is None:
        raise NotAcceptable
    return chosen


def _render_small(
    request: HttpRequest, *, instance: Instance, number: int, largest: int = rendering.MAXIMUM_SIDE
) -> Any:
    asked = rendering.parse(viewport=request.GET.get("viewport", f"{THUMBNAIL_SIDE},{THUMBNAIL_SIDE}"))
    kind = media.choose_image(accepted(request))
    if kind is None:
        raise NotAcceptable
    tag = etag(FORM, bytes(instance.digest).hex(), number, asked, kind)
    if (known := unchanged(request, tag=tag, max_age=MAX_AGE)) is not None:
        return known
    viewport = asked.viewport or Viewport(THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    if max(viewport.width, viewport.height) > largest:
        viewport = Viewport(min(viewport.width, largest), min(viewport.height, largest))
    picture = _picture(instance, number, Rendering(viewport=viewport, quality=80), kind)
    return answer(request, pieces=[picture], content_type=kind, tag=tag, max_age=MAX_AGE)
