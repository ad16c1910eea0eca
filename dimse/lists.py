"""The list of refused callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy, ngettext_lazy

from core.tables import Choice, Column, DateRange, Table
from dimse.models import RefusedCaller

_COLUMNS = (
    Column(
        "calling",
        gettext_lazy("Calling AE title"),
        value="calling_ae_title",
        sort="calling_ae_title",
        primary=True,
        template="dimse/cells/calling.html",
    ),
    Column("address", gettext_lazy("Address"), value="address", sort="address", kind="uid"),
    Column("called", gettext_lazy("Called AE title"), value="called_ae_title", sort="called_ae_title", kind="uid"),
    Column(
        "reason", gettext_lazy("Reason"), value="get_reason_display", sort="reason", template="dimse/cells/reason.html"
    ),
    Column("count", gettext_lazy("Times"), value="count", sort="count", kind="number"),
    Column("first", gettext_lazy("First"), value="first_at", sort="first_at", kind="date", shown=False),
    Column("last", gettext_lazy("Last"), value="last_at", sort="last_at", kind="date"),
)


class CallerTable(Table):
    """Callers that one archive refused."""

    key = "refused-callers"
    noun = ngettext_lazy("%(n)s refused caller", "%(n)s refused callers", "n")
    columns: ClassVar[Sequence[Column]] = (
        *(replace(column, shown=False) if column.key == "called" else column for column in _COLUMNS),
        Column(
            "actions",
            gettext_lazy("Actions"),
            template="dimse/cells/actions.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
    )
    filters = (
        Choice("reason", gettext_lazy("Reason"), choices=RefusedCaller.Reason.choices),
        DateRange("last", gettext_lazy("Last"), field="last_at", is_moment=True),
    )
    search_fields = ("calling_ae_title", "called_ae_title")
    search_label = gettext_lazy("AE title")
    default_sort = "-last"
    empty_template = "dimse/callers_empty.html"

    def row_label(self, row: Any) -> str:
        return str(row.calling_ae_title)


class LostCallerTable(CallerTable):
    """Callers of AE titles that no archive has, and connections that failed before they named one."""

    key = "lost-callers"
    columns: ClassVar[Sequence[Column]] = _COLUMNS
    empty_template = "dimse/lost_callers_empty.html"
