"""What is made from a series once it is complete: its thumbnail and its metadata document."""

from __future__ import annotations

from typing import Any

import structlog
from django.db import transaction
from django.db.models import F

from archive import decoding
from archive.domain import frames, metadata
from archive.domain.thumbnails import NoPicture, render_thumbnail
from archive.errors import DecodersBusy
from archive.models import Instance, Series
from archive.storage import storage

logger = structlog.get_logger(__name__)

MAX_ATTEMPTS = 2
METADATA = "elements.json.gz"
# Made before elements behind the pixels and every character set were read: never taken for current.
OUTDATED_METADATA = "-metadata.json.gz"


def derived_key(*, series: Series, name: str) -> str:
    """Keys carry the series' version: a document of an older version is never taken for a current one."""
    return f"derived/{series.archive_id}/{series.public_id[:2]}/{series.public_id}/{series.version}-{name}"


def is_current(*, series: Series, key: str) -> bool:
    name = key.rpartition("/")[2]
    return name.startswith(f"{series.version}-") and not name.endswith(OUTDATED_METADATA)


def derive_series(*, series: Series) -> None:
    """Make the thumbnail and the metadata document of the series' present version. Safe to repeat.

    Results of a version that is no longer the present one are dropped: the next settling makes them again.
    """
    begun = Series.objects.filter(pk=series.pk, version=series.version).update(derive_attempts=F("derive_attempts") + 1)
    if not begun:
        return
    # A decoder that took its worker down leaves the count high: then the series goes without a picture.
    is_safe = Series.objects.filter(pk=series.pk, derive_attempts__lte=MAX_ATTEMPTS).exists()
    instances = list(series.instances.order_by("instance_number", "sop_instance_uid").defer("attributes"))
    try:
        thumbnail = _thumbnail(series=series, instances=instances) if is_safe else ""
    except decoding.Busy as error:
        # No fault of the images: the attempt does not count.
        Series.objects.filter(pk=series.pk, version=series.version).update(derive_attempts=F("derive_attempts") - 1)
        raise DecodersBusy from error
    document = derived_key(series=series, name=METADATA)
    storage().write(key=document, content=build_metadata(series=series, instances=instances))
    changes = {"metadata_key": document, "thumbnail_key": thumbnail}
    old = [series.metadata_key, series.thumbnail_key]
    with transaction.atomic():
        kept = Series.objects.filter(pk=series.pk, version=series.version).update(**changes, derive_attempts=0)
    stale = old if kept else list(changes.values())
    for key in stale:
        if key and (not kept or key not in changes.values()):
            storage().delete(key)
    if kept:
        series.metadata_key, series.thumbnail_key = document, thumbnail


def build_metadata(*, series: Series, instances: list[Instance] | None = None) -> bytes:
    """The gzip-packed DICOM JSON array of a series, read from its files."""
    if instances is None:
        instances = list(series.instances.order_by("instance_number", "sop_instance_uid").defer("attributes"))
    return metadata.pack(
        instance_metadata(instance, study_uid=series.study.study_instance_uid, series_uid=series.series_instance_uid)
        for instance in instances
    )


def instance_metadata(instance: Instance, *, study_uid: str, series_uid: str) -> dict[str, Any]:
    """The DICOM JSON model of one stored instance. Raises `FileNotFoundError`."""
    with storage().open(instance.storage_key) as file:
        return metadata.instance_json(
            file,
            study_uid=study_uid,
            series_uid=series_uid,
            sop_uid=instance.sop_instance_uid,
            transfer_syntax_uid=instance.transfer_syntax_uid,
            number_of_frames=instance.number_of_frames,
            pixels_end=pixels_end(instance),
        )


def pixels_end(instance: Instance) -> int:
    """Where the last frame of compressed pixels ends in the file; 0 when that is unknown, or not loaded."""
    if "frame_table" in instance.get_deferred_fields():
        return 0
    table = bytes(instance.frame_table)
    return sum(frames.extent(table, frames.count(table))) if table else 0


def _thumbnail(*, series: Series, instances: list[Instance]) -> str:
    """The key of the picture of the middle image, or of the nearest one that can be shown; empty without any."""
    shown = [instance for instance in instances if instance.number_of_frames and not instance.is_damaged]
    middle = len(shown) // 2
    for instance in (*shown[middle : middle + 2], *shown[:1]):
        frame = instance.number_of_frames // 2 + 1
        try:
            with storage().open(instance.storage_key) as file:
                picture = render_thumbnail(file, frame=frame)
        except NoPicture as reason:
            kind = type(reason.__cause__ or reason).__name__
            logger.info("thumbnail_not_made", series=series.public_id, instance=instance.pk, kind=kind)
            continue
        key = derived_key(series=series, name="thumbnail.webp")
        storage().write(key=key, content=picture)
        return key
    return ""
