"""The list of de-identification runs."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from core.tables import Choice, Column, DateRange, Flag, Table
from deid.models import DeidentificationRun


class RunTable(Table):
    key = "deidentification"
    noun = ngettext_lazy("%(n)s run", "%(n)s runs", "n")
    columns = (
        Column(
            "pseudonym",
            _("Pseudonym"),
            value="pseudonym.patient_id",
            sort="pseudonym__patient_id",
            primary=True,
        ),
        Column("state", _("State"), sort="state", value="get_state_display", template="deid/cells/state.html"),
        Column("target", _("Copied into"), value="target_archive.name", sort="target_archive__name"),
        Column("source", _("From"), value="source_archive.name", sort="source_archive__name"),
        Column("stored", _("Stored"), value="stored", sort="stored", kind="number", shrink=True),
        Column("held", _("Held back"), value="held", sort="held", kind="number", shrink=True),
        Column("by", _("Asked for by"), value="requested_by", sort="requested_by__username"),
        Column("when", _("Asked for"), value="created_at", sort="created_at", kind="date", shrink=True),
    )
    filters = (
        Choice("state", _("State"), field="state", choices=DeidentificationRun.State.choices),
        Choice("target", _("Copied into"), field="target_archive__name"),
        Flag("held-back", _("With images held back"), Q(held__gt=0)),
        DateRange("day", _("Day"), field="created_at", is_moment=True),
    )
    search_fields = ("pseudonym__patient_id", "public_id", "target_study_instance_uid")
    search_label = _("Search runs")
    default_sort = "-when"
    empty_template = "deid/run_list_empty.html"

    def row_url(self, row: Any) -> str:
        organisation = self.request.organisation  # type: ignore[attr-defined]
        return reverse("deid:run", kwargs={"organisation": organisation.slug, "run": row.public_id})
