"""Albums: the read side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Count, F, FilteredRelation, Q, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from access.queries import may, visible_within
from access.sharing import following
from access.sharing.following import Outside
from archive import queries
from archive.albums.models import Album, AlbumEntry
from archive.models import Archive, Series, Study
from archive.permissions import CHANGE, SHARE, VIEW
from core.errors import Forbidden, NotFound

#: The kind under which albums are shared (`access.sharing.registry`); the floor that shows them registers it.
SHARED_AS = "album"


def albums(*, user: Any, archive: Archive) -> QuerySet[Album]:
    """The albums of an archive that a person may read: own ones, open ones; who answers for the archive, all."""
    rows = Album.objects.filter(archive=archive).select_related("owner", "organisation", "archive__organisation")
    rows = visible_within(user, rows, VIEW, is_open=may(user, VIEW, archive))
    if may(user, CHANGE, archive):
        return rows
    mine = Q(owner=user.pk) if user.pk is not None else Q(pk__in=[])
    return rows.filter(mine | Q(is_open=True))


def get_album(*, user: Any, archive: Archive, public_id: str) -> Album:
    """Load and authorise. A private album of somebody else is not there. Raises `NotFound`."""
    found = albums(user=user, archive=archive).filter(public_id=public_id).first()
    if found is None:
        raise NotFound(_("This album is not here: it was deleted, or is its maker's own again."))
    return found


def may_change(*, user: Any, album: Album) -> bool:
    """Its maker, as long as a role reads the archive, and who answers for the archive."""
    if may(user, CHANGE, album.archive):
        return True
    return album.owner_id == user.pk and may(user, VIEW, album.archive)


def require_change(*, user: Any, album: Album) -> None:
    """Raise `Forbidden` to who may read the album but not change it."""
    if not may_change(user=user, album=album):
        raise Forbidden(_("Only the album's maker and managers of the archive change it."))


def changeable(*, user: Any, archive: Archive) -> QuerySet[Album]:
    """The albums that a person may change, those changed last first."""
    rows = albums(user=user, archive=archive).order_by("-updated_at", "-pk")
    return rows if may(user, CHANGE, archive) else rows.filter(owner=user.pk)


def addable(*, user: Any, archive: Archive, most: int = 500) -> list[tuple[Album, Outside]]:
    """The albums that a person may add to, with who outside sees them: a shared one needs the right to share."""
    rows = list(changeable(user=user, archive=archive).annotate(study_count=Count("entries"))[:most])
    seen = outside(rows)
    may_share = may(user, SHARE, archive) if seen else True
    return [(row, seen.get(row.pk, Outside())) for row in rows if may_share or row.pk not in seen]


def albums_of(*, user: Any, study: Study) -> QuerySet[Album]:
    """The albums a person may read that hold a study."""
    rows = albums(user=user, archive=study.archive).filter(entries__study=study)
    return rows.order_by("name", "pk")


def counted(rows: QuerySet[Album]) -> QuerySet[Album]:
    return rows.annotate(
        study_count=Count("entries"),
        image_count=Sum("entries__study__instance_count", default=0),
        bytes=Sum("entries__study__size_bytes", default=0),
    )


def studies(*, user: Any, album: Album) -> QuerySet[Study]:
    """The studies of an album that a person may see, with their `position`, in the album's order."""
    return in_album(queries.studies(user=user, archive=album.archive), album_id=album.pk)


def in_album(rows: QuerySet[Study], *, album_id: int) -> QuerySet[Study]:
    placed = FilteredRelation("album_entries", condition=Q(album_entries__album=album_id))
    found = rows.annotate(placed=placed).filter(placed__isnull=False)
    return found.annotate(position=F("placed__position")).order_by("position", "pk")


def study_ids(album_id: int) -> QuerySet[Any]:
    """The primary keys of an album's studies, as a sub-query. The caller has authorised."""
    rows: QuerySet[Any] = AlbumEntry.objects.filter(album=album_id).order_by().values("study")
    return rows


def places(album: Album) -> dict[int, int]:
    """Study (primary key) → its place, counted from 1 without the gaps that removed studies left."""
    ordered = album.entries.order_by("position", "pk").values_list("study_id", flat=True)
    return {study_id: number for number, study_id in enumerate(ordered, start=1)}


def outside(rows: Iterable[Album]) -> dict[int, Outside]:
    """Who outside the organisation sees the albums now."""
    return following.outside(kind=SHARED_AS, object_ids=[row.pk for row in rows])


def outside_of(album: Album) -> Outside:
    return outside([album]).get(album.pk, Outside())


def outside_words(seen: Outside) -> str:
    """Who outside sees an album, as a sentence; "" when nobody does."""
    if seen.people and seen.links:
        said = ngettext(
            "%(n)s person outside, and whoever has the link, see what is in here.",
            "%(n)s people outside, and whoever has the link, see what is in here.",
            seen.people,
        )
        return said % {"n": seen.people}
    if seen.people:
        said = ngettext(
            "%(n)s person outside sees what is in here.", "%(n)s people outside see what is in here.", seen.people
        )
        return said % {"n": seen.people}
    if seen.links:
        said = ngettext(
            "Whoever has the link sees what is in here.",
            "Whoever has one of %(n)s links sees what is in here.",
            seen.links,
        )
        return said % {"n": seen.links}
    return ""


def covers(album_ids: Iterable[int]) -> dict[int, Series]:
    """One picture an album: of the first of its studies that has one."""
    rows = (
        Series.objects.filter(study__album_entries__album__in=list(album_ids))
        .exclude(thumbnail_key="")
        .order_by("study__album_entries__album_id", "study__album_entries__position", "-instance_count", "pk")
        .distinct("study__album_entries__album_id")
        .annotate(album_id=F("study__album_entries__album_id"))
        .select_related("organisation")
        .only("public_id", "version", "organisation__slug", "instance_count")
    )
    return {row.album_id: row for row in rows}
