"""The list that officers and administrators work through."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext_lazy

from access.break_glass.models import BreakGlass
from core.tables import Choice, Column, DateRange, Table


def running_or_not(chosen: list[str]) -> Q:
    running = Q(ended_at=None, expires_at__gt=timezone.now())
    wanted = Q(pk__in=[])
    for value in chosen:
        wanted |= running if value == "running" else ~running
    return wanted


class BreakGlassTable(Table):
    key = "break-glass"
    noun = ngettext_lazy("%(n)s time", "%(n)s times", "n")
    columns = (
        Column(
            "person",
            gettext_lazy("Person"),
            value=lambda row: str(row.user),
            sort=("user__display_name", "user__username"),
            primary=True,
            template="access/break_glass/cells/person.html",
        ),
        Column("started", gettext_lazy("Began"), value="started_at", sort="started_at", kind="date"),
        Column("ended", gettext_lazy("Ended"), value="closed_at", sort="expires_at", kind="date"),
        Column("reason", gettext_lazy("Reason"), value="get_reason_display", sort="reason"),
        Column("statement", gettext_lazy("In their words"), value="statement"),
        Column("address", gettext_lazy("From"), value="address", sort="address", shown=False),
        Column(
            "review",
            gettext_lazy("Review"),
            value="get_review_state_display",
            sort="review_state",
            template="access/break_glass/cells/review.html",
        ),
    )
    filters = (
        Choice("review", gettext_lazy("Review"), field="review_state", choices=BreakGlass.ReviewState.choices),
        Choice(
            "running",
            gettext_lazy("Now"),
            choices=[("running", gettext_lazy("Running")), ("over", gettext_lazy("Over"))],
            lookup=running_or_not,
        ),
        Choice("reason", gettext_lazy("Reason"), field="reason", choices=BreakGlass.Reason.choices),
        DateRange("day", gettext_lazy("Day"), field="started_at", is_moment=True),
    )
    search_fields = ("user__display_name", "user__username", "statement", "public_id")
    search_label = gettext_lazy("Search by person or words")
    default_sort = "-started"
    empty_template = "access/break_glass/list_empty.html"

    def row_url(self, row: Any) -> str:
        return reverse(
            "access:break-glass-one",
            kwargs={"organisation": self.context["organisation"].slug, "glass": row.public_id},
        )

    def row_key(self, row: Any) -> str:
        return str(row.public_id)
