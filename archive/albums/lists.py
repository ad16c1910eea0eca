"""The list of albums, and the studies of one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy, ngettext_lazy

from access.sharing.following import Outside
from archive.albums import queries
from archive.albums.models import Album
from archive.lists.studies import StudyTable, thumbnail_url
from archive.models import Archive
from audit import services as audit
from core.tables import Choice, Column, Table

MINE, OPEN, OTHERS = "mine", "open", "others"


def album_url(album: Album, name: str = "album") -> str:
    return reverse(
        f"archive:{name}",
        kwargs={
            "organisation": album.archive.organisation.slug,
            "archive": album.archive.slug,
            "album": album.public_id,
        },
    )


def album_viewer_url(album: Album, *, study: str = "") -> str:
    """The viewer is on a floor above: its address is known by name only, and may be missing."""
    try:
        found = reverse(
            "viewer:album", kwargs={"organisation": album.archive.organisation.slug, "album": album.public_id}
        )
    except NoReverseMatch:
        return ""
    return f"{found}?study={study}" if study else found


class AlbumTable(Table):
    key = "albums"
    noun = ngettext_lazy("%(n)s album", "%(n)s albums", "n")
    columns = (
        Column(
            "picture",
            gettext_lazy("Picture"),
            template="archive/cells/picture.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
        Column(
            "name",
            gettext_lazy("Album"),
            sort="name",
            primary=True,
            template="archive/cells/album.html",
            csv=lambda row: row.name,
        ),
        Column("description", gettext_lazy("Description"), value="description", shown=False),
        Column("studies", gettext_lazy("Studies"), value="study_count", sort="study_count", kind="number"),
        Column("images", gettext_lazy("Images"), value="image_count", sort="image_count", kind="number"),
        Column("size", gettext_lazy("Size"), value="bytes", sort="bytes", kind="size", shown=False),
        Column("owner", gettext_lazy("Made by"), value=lambda row: str(row.owner), sort="owner__display_name"),
        Column(
            "open",
            gettext_lazy("Seen by"),
            sort="is_open",
            template="archive/cells/album_seen_by.html",
            csv=lambda row: "open" if row.is_open else "private",
        ),
        Column("changed", gettext_lazy("Changed"), value="updated_at", sort="updated_at", kind="date"),
        Column("made", gettext_lazy("Made"), value="created_at", sort="created_at", kind="date", shown=False),
    )
    search_fields = ("name", "description", "owner__display_name", "owner__username")
    search_label = gettext_lazy("Name, description or maker")
    default_sort = "-changed"
    empty_template = "archive/album_list_empty.html"

    def __init__(self, **given: Any) -> None:
        person = given["request"].user.pk

        def whose(chosen: list[str]) -> Q:
            ways = {MINE: Q(owner=person), OTHERS: ~Q(owner=person)}
            wanted = Q(pk__in=[])
            for one in chosen:
                wanted |= ways[one]
            return wanted

        self.filters = (  # type: ignore[misc]
            Choice(
                "whose",
                gettext_lazy("Made by"),
                choices=[(MINE, gettext_lazy("Me")), (OTHERS, gettext_lazy("Others"))],
                lookup=whose,
            ),
        )
        super().__init__(**given)

    def row_url(self, row: Album) -> str:
        return album_url(row)

    def prepare(self, rows: Sequence[Any]) -> None:
        pictures = queries.covers([row.pk for row in rows])
        seen = queries.outside(rows)
        for row in rows:
            row.thumbnail_url = thumbnail_url(pictures[row.pk]) if row.pk in pictures else ""
            row.outside = seen.get(row.pk, Outside())
            row.album_url = album_url(row)


class AlbumStudyTable(StudyTable):
    """The studies of one album: the same cells as the study list, and their place."""

    key = "album"
    columns = (  # type: ignore[assignment]
        Column(
            "position",
            gettext_lazy("Order"),
            sort="position",
            template="archive/cells/album_position.html",
            shrink=True,
            exported=False,
        ),
        *(column for column in StudyTable.columns if column.key != "priors"),
    )
    filters = tuple(  # type: ignore[assignment]
        one for one in StudyTable.filters if one.key != "patient"
    )
    default_sort = "position"
    bulk_template = "archive/album_bulk.html"
    tools_template = "archive/album_tools.html"
    empty_template = "archive/album_empty.html"

    @property
    def album(self) -> Album:
        found: Album = self.context["album"]
        return found

    @property
    def archive(self) -> Archive:
        return self.album.archive

    @property
    def path(self) -> str:
        # Also when the list is drawn anew in answer to a change of its order.
        return album_url(self.album)

    @property
    def move_url(self) -> str:
        return album_url(self.album, "album-move")

    @property
    def is_in_order(self) -> bool:
        """Whether the rows stand as in the album, whole: only then one moves up or down among its neighbours."""
        in_order = self.sort_column is not None and self.sort_column.key == "position" and not self.descending
        return in_order and not self.is_narrowed

    @property
    def is_sorted_otherwise(self) -> bool:
        """Whether the order on screen is one that the album could be given."""
        return self.sort_column is not None and (self.sort_column.key != "position" or self.descending)

    def sorted_keys(self) -> list[str]:
        """Every study of the album in the order that the address asks for, whatever it narrows to."""
        rows = self._all
        if self.sort_column is not None:
            tie = "-pk" if self.descending else "pk"
            rows = rows.order_by(*self.sort_column.ordering(descending=self.descending, model=rows.model), tie)
        return list(rows.values_list("public_id", flat=True))

    def row_url(self, row: Any) -> str:
        return album_viewer_url(self.album, study=row.public_id) or str(row.detail_url)

    def prepare(self, rows: Sequence[Any]) -> None:
        super().prepare(rows)
        places = queries.places(self.album)
        for row in rows:
            row.place = places.get(row.pk, 0)
            row.is_first, row.is_last = row.place == 1, row.place == len(places)
            row.label = self.row_label(row)
            # The patient's cell leads where a row leads: into the viewer with the album beside it.
            row.viewer_url = album_viewer_url(self.album, study=row.public_id)

    def exported(self, *, rows: int) -> None:
        audit.record(
            action="study.list_exported",
            organisation=self.archive.organisation,
            target=self.archive,
            detail={"archive": self.archive.slug, "count": rows, "album": self.album.public_id},
            request=self.request,
        )
