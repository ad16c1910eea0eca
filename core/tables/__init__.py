"""Lists that people search, sort, filter, page, share by address and take away as CSV.

A list is a class; a view makes one from an already authorised queryset and lets it answer::

    class StudyTable(Table):
        key = "studies"
        noun = ngettext_lazy("%(n)s study", "%(n)s studies", "n")
        columns = (
            Column("patient", _("Patient"), sort="patient__name", primary=True, template="archive/cells/patient.html"),
            Column("date", _("Date"), sort="study_date", value="study_date", kind="date"),
            Column("images", _("Images"), sort="instance_count", value="instance_count", kind="number"),
            Column("uid", _("Study UID"), value="uid", kind="uid", shown=False),
        )
        filters = (
            Choice("modality", _("Modality"), field="modality"),
            DateRange("date", _("Study date"), field="study_date"),
        )
        search_fields = ("patient__name", "description")
        default_sort = "-date"
        empty_template = "archive/study_list_empty.html"

        def row_url(self, row: Study) -> str:
            return reverse("archive:study", kwargs={...})


    def study_list(request, organisation, archive):
        table = StudyTable(request=request, queryset=queries.studies(...))
        return table.respond("archive/study_list.html", {"archive": archive})

and the page holds `<c-table :table="table" />`. The same address answers three ways: the page, the list alone (when
htmx asks for it) and CSV (`?format=csv`).

The address carries everything: `q` words, `sort` (`date` or `-date`), `page`, `per`, `cols`, `view` and one or more keys
for each filter. What does not make sense there is left out and said in one sentence above the list, never an error.

Queries for each answer: one count, one page, and one for each `Choice` filter that counts; never one for each row, as
long as the queryset selects or prefetches what its cells show.
"""

from __future__ import annotations

from core.tables.columns import Column
from core.tables.filters import Choice, DateRange, Filter, Flag, Text
from core.tables.table import Table

__all__ = ["Choice", "Column", "DateRange", "Filter", "Flag", "Table", "Text"]
