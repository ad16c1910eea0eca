"""The list of archives."""

from __future__ import annotations

from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext_lazy

from archive.models import Archive
from core.tables import Column, Table


class ArchiveTable(Table):
    key = "archives"
    noun = ngettext_lazy("%(n)s archive", "%(n)s archives", "n")
    columns = (
        Column(
            "name",
            gettext_lazy("Archive"),
            sort="name",
            primary=True,
            template="archive/cells/archive.html",
            csv=lambda row: row.name,
        ),
        Column("purpose", gettext_lazy("Purpose"), value="get_purpose_display", sort="purpose"),
        Column(
            "ae", gettext_lazy("AE title"), value="ae_title", sort="ae_title", template="archive/cells/ae_title.html"
        ),
        Column("studies", gettext_lazy("Studies"), value="study_count", sort="study_count", kind="number"),
        Column("images", gettext_lazy("Images"), value="image_count", sort="image_count", kind="number"),
        Column("size", gettext_lazy("Size"), value="bytes", sort="bytes", kind="size"),
        Column("last", gettext_lazy("Last images"), value="last_images", sort="last_images", kind="date"),
        Column(
            "quarantine",
            gettext_lazy("In quarantine"),
            template="archive/cells/quarantine_count.html",
            csv=lambda row: row.kept_count,
            kind="number",
        ),
    )
    search_fields = ("name", "slug", "ae_title")
    default_sort = "name"
    empty_template = "archive/archive_list_empty.html"

    def row_url(self, row: Archive) -> str:
        return reverse(
            "archive:study-list",
            kwargs={"organisation": self.request.organisation.slug, "archive": row.slug},  # type: ignore[attr-defined]
        )
