"""The archive's read side. Everything a person may see passes `access.queries.visible_to` here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, BinaryIO, NamedTuple

from django.db.models import QuerySet, Subquery
from django.urls import reverse

from access.queries import get_visible, may, seen_within, visible_to
from archive.domain import frames
from archive.errors import NotAnImage
from archive.models import Archive, Delivery, Instance, QuarantinedFile, Series, Study
from archive.services import derive
from archive.storage import storage

VIEW = "archive.view_archive"
ENCAPSULATED_FREE = frozenset(
    {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"}
)


def archives(*, user: Any, permission: str = VIEW) -> QuerySet[Archive]:
    return visible_to(user, Archive.objects.order_by("name"), permission)


def get_archive(*, user: Any, slug: str, permission: str = VIEW) -> Archive:
    """Load and authorise. Raises `NotFound` or `Forbidden`."""
    return get_visible(user, Archive.objects.select_related("organisation"), permission, slug=slug)


def deliveries(*, user: Any, archive: Archive) -> QuerySet[Delivery]:
    """What came in. Who may send without seeing the archive (`access.hooks.Confinement`) sees what they sent."""
    rows: QuerySet[Delivery] = Delivery.objects.filter(archive=archive)
    return rows if may(user, VIEW, archive) else rows.filter(actor=user)


def quarantined(*, user: Any, archive: Archive) -> QuerySet[QuarantinedFile]:
    """What was refused, as `deliveries`."""
    rows: QuerySet[QuarantinedFile] = QuarantinedFile.objects.filter(archive=archive)
    return rows if may(user, VIEW, archive) else rows.filter(delivery__actor=user)


def delivery_url(delivery: Delivery) -> str:
    return reverse(
        "archive:delivery",
        kwargs={
            "organisation": delivery.organisation.slug,
            "archive": delivery.archive.slug,
            "delivery": delivery.pk,
        },
    )


def export_url(*, organisation: Any, job_id: Any) -> str:
    return reverse("archive:export", kwargs={"organisation": organisation.slug, "job": job_id})


def open_instance(instance: Instance) -> BinaryIO:
    """The stored file, seekable. The caller has authorised."""
    return storage().open(instance.storage_key)


def is_encapsulated(instance: Instance) -> bool:
    return instance.transfer_syntax_uid not in ENCAPSULATED_FREE


def frame_place(instance: Instance, number: int) -> tuple[int, int]:
    """(offset, length) in the stored file of frame `number` (from 1), with item tags where there are any.

    Raises as `frame_extents`.
    """
    if number < 1 or number > instance.number_of_frames:
        raise NotAnImage
    table = bytes(instance.frame_table)
    if not table:
        raise LookupError("the frames of this instance have no stored offsets")
    return frames.extent(table, number)


def frame_extents(instance: Instance, number: int) -> list[tuple[int, int]]:
    """(offset, length) in the stored file of the pieces of frame `number` (from 1), without item tags.

    Raises `NotAnImage` when there is no such frame and `LookupError` when its place is only known by decoding
    (`Instance.frame_table` is empty: deflated, bit-packed, contradicting offset tables).
    """
    offset, length = frame_place(instance, number)
    if not is_encapsulated(instance):
        return [(offset, length)]
    with open_instance(instance) as file:
        return frames.read_fragments(file, offset=offset, length=length)


def read_frame(instance: Instance, number: int) -> bytes:
    """Frame `number` (from 1) as stored: native bytes, or the coded frame without item tags.

    Raises as `frame_extents`.
    """
    offset, length = frame_place(instance, number)
    with open_instance(instance) as file:
        file.seek(offset)
        data = file.read(length)
    return frames.strip_items(data) if is_encapsulated(instance) else data


def pixels_end(instance: Instance) -> int:
    """Where the last frame of compressed pixels ends in the file, so that its fragments need not be walked; 0: unknown."""
    return derive.pixels_end(instance)


def series_metadata(series: Series) -> bytes:
    """The gzip-packed DICOM JSON array of a series (see `archive.domain.metadata`), made now if it is not current."""
    if derive.is_current(series=series, key=series.metadata_key):
        try:
            with storage().open(series.metadata_key) as file:
                return file.read()
        except FileNotFoundError:
            pass  # a newer version has just replaced it
    return derive.build_metadata(series=series)


def studies(*, user: Any, archive: Archive) -> QuerySet[Study]:
    return studies_seen(user=user, archive=archive).rows


class Seen(NamedTuple):
    rows: QuerySet[Study]
    is_whole: bool
    """Whether these are all studies of the archive, for whatever reason it is open."""


def studies_seen(*, user: Any, archive: Archive) -> Seen:
    every = Study.objects.filter(archive=archive).select_related("patient")
    found = seen_within(user, every, VIEW, is_open=may(user, VIEW, archive), container=archive)
    return Seen(rows=found.rows, is_whole=found.is_whole)


def newest_change(*, archive: Archive) -> tuple[datetime | None, datetime | None]:
    """When the newest image came to the archive and when a study settled last."""
    rows = Study.objects.filter(archive=archive)
    # The first row in the order of an index each: two maxima in one query may read every row.
    received = rows.order_by("-last_received_at", "-pk").values("last_received_at")[:1]
    settled = rows.exclude(settled_at=None).order_by("-settled_at").values("settled_at")[:1]
    both = Archive.objects.filter(pk=archive.pk).values_list(Subquery(received), Subquery(settled))
    return both.get()


def series_of(*, user: Any, study: Study) -> QuerySet[Series]:
    return visible_to(user, study.series.order_by("series_number", "series_instance_uid"), VIEW)


def sees_whole(*, user: Any, series: Series) -> bool:
    """Whether a person sees every image of a series: what is derived from all of them is for nobody else."""
    if may(user, VIEW, series.archive):
        return True
    return visible_to(user, series.instances.order_by(), VIEW).count() == series.instances.count()


def instances_of(*, user: Any, series: Series) -> QuerySet[Instance]:
    return visible_to(user, series.instances.order_by("instance_number", "sop_instance_uid"), VIEW)
