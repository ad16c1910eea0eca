"""The list of shares."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy, ngettext_lazy

from access.sharing import queries, registry
from access.sharing.models import Share
from core.tables import Choice, Column, DateRange, Table

STATES = [
    ("open", gettext_lazy("Open")),
    ("used-up", gettext_lazy("Used up")),
    ("expired", gettext_lazy("Ended")),
    ("revoked", gettext_lazy("Taken back")),
]


def in_states(chosen: list[str]) -> Q:
    now = timezone.now()
    used_up = Q(max_visits__isnull=False, visit_count__gte=F("max_visits"))
    running = Q(revoked_at=None, expires_at__gt=now)
    conditions = {
        "open": running & ~used_up,
        "used-up": running & used_up,
        "expired": Q(revoked_at=None, expires_at__lte=now),
        "revoked": Q(revoked_at__isnull=False),
    }
    wanted = Q(pk__in=[])
    for state in chosen:
        wanted |= conditions[state]
    return wanted


def kind_choices() -> list[tuple[str, Any]]:
    return [(shareable.kind, shareable.label) for shareable in registry.kinds()]


class ShareTable(Table):
    key = "shares"
    noun = ngettext_lazy("%(n)s share", "%(n)s shares", "n")
    columns = (
        Column(
            "label",
            gettext_lazy("Shared"),
            value="label",
            sort="label",
            primary=True,
            template="access/sharing/cells/thing.html",
        ),
        Column("recipient", gettext_lazy("Recipient"), value="recipient_name", sort="recipient_name"),
        Column("audience", gettext_lazy("By"), value="get_audience_display", sort="audience"),
        Column("mode", gettext_lazy("Allows"), value="get_mode_display", sort="mode"),
        Column("purpose", gettext_lazy("Purpose"), value="purpose", sort="purpose", shown=False),
        Column("address", gettext_lazy("Address"), value="recipient_address", shown=False),
        Column("visits", gettext_lazy("Visits"), value="visit_count", sort="visit_count", kind="number"),
        Column("used", gettext_lazy("Last used"), value="last_used_at", sort="last_used_at", kind="date"),
        Column("ends", gettext_lazy("Ends"), value="expires_at", sort="expires_at", kind="date"),
        Column("by", gettext_lazy("Shared by"), value=lambda row: str(row.created_by), sort="created_by__display_name"),
        Column("made", gettext_lazy("Shared on"), value="created_at", sort="created_at", kind="date", shown=False),
        Column(
            "state",
            gettext_lazy("State"),
            template="access/sharing/cells/state.html",
            csv=lambda row: "paused" if row.paused else row.state,
        ),
    )
    filters = (
        Choice("state", gettext_lazy("State"), choices=STATES, lookup=in_states),
        Choice("kind", gettext_lazy("Kind"), field="kind", choices=kind_choices),
        Choice("audience", gettext_lazy("By"), field="audience", choices=Share.Audience.choices),
        DateRange("day", gettext_lazy("Shared on"), field="created_at", is_moment=True),
    )
    search_fields = ("label", "recipient_name", "recipient_address", "purpose", "created_by__display_name")
    search_label = gettext_lazy("Search shares")
    default_sort = "-made"
    empty_template = "access/sharing/list_empty.html"

    def prepare(self, rows: Any) -> None:
        paused = queries.paused_among(row for row in rows if row.state in ("open", "used-up"))
        for row in rows:
            row.paused = row.pk in paused

    def row_url(self, row: Share) -> str:
        return reverse(
            "access:share",
            kwargs={"organisation": self.context["organisation"].slug, "share": row.public_id},
        )

    def row_key(self, row: Share) -> str:
        return row.public_id
