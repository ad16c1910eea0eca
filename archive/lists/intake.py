"""The lists of what came in: deliveries and quarantine."""

from __future__ import annotations

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy, ngettext_lazy

from archive import reading
from archive.intake.sources import describe, role_words
from archive.lists.studies import One
from archive.models import Delivery, IntakeSource, QuarantinedFile
from core.tables import Choice, Column, DateRange, Flag, Table


class DeliveryTable(Table):
    key = "deliveries"
    noun = ngettext_lazy("%(n)s delivery", "%(n)s deliveries", "n")
    columns = (
        Column(
            "opened",
            gettext_lazy("Began"),
            value="opened_at",
            sort="opened_at",
            kind="date",
            primary=True,
            template="archive/cells/delivery.html",
            csv=lambda row: row.opened_at.isoformat(timespec="seconds"),
        ),
        Column("source", gettext_lazy("By"), value="get_source_display", sort="source"),
        Column(
            "from",
            gettext_lazy("From"),
            template="archive/cells/sender.html",
            csv=lambda row: row.calling_ae_title or (row.actor.username if row.actor else ""),
        ),
        Column("address", gettext_lazy("Address"), value="address", shown=False),
        Column(
            "state",
            gettext_lazy("State"),
            template="archive/cells/delivery_state.html",
            sort="state",
            csv=lambda row: row.get_state_display(),
        ),
        Column("received", gettext_lazy("Received"), value="received", sort="received", kind="number"),
        Column(
            "stored", gettext_lazy("Stored"), value=lambda row: row.stored + row.replaced, sort="stored", kind="number"
        ),
        Column(
            "duplicate",
            gettext_lazy("Known"),
            value="duplicate",
            sort="duplicate",
            kind="number",
            hint=gettext_lazy("Files that were here already, byte for byte"),
        ),
        Column("skipped", gettext_lazy("Left out"), value="skipped", sort="skipped", kind="number", shown=False),
        Column(
            "refused",
            gettext_lazy("Refused"),
            template="archive/cells/refused.html",
            csv=lambda row: row.refused,
            sort="refused",
            kind="number",
        ),
        Column("took", gettext_lazy("Took"), value=lambda row: reading.duration(row.opened_at, row.indexed_at)),
    )
    filters = (
        Choice("source", gettext_lazy("By"), choices=Delivery.Source.choices),
        Choice("state", gettext_lazy("State"), choices=Delivery.State.choices),
        DateRange("opened", gettext_lazy("Began"), field="opened_at", is_moment=True),
        Flag("refused", gettext_lazy("With refusals"), condition=Q(refused__gt=0)),
    )
    search_fields = ("calling_ae_title", "actor__username", "actor__display_name")
    default_sort = "-opened"
    empty_template = "archive/delivery_list_empty.html"

    def row_url(self, row: Delivery) -> str:
        return reverse(
            "archive:delivery",
            kwargs={
                "organisation": self.request.organisation.slug,  # type: ignore[attr-defined]
                "archive": self.context["archive"].slug,
                "delivery": row.pk,
            },
        )

    def row_label(self, row: Delivery) -> str:
        return str(row.opened_at)


class QuarantineTable(Table):
    key = "quarantine"
    noun = ngettext_lazy("%(n)s file", "%(n)s files", "n")
    columns = (
        Column(
            "name",
            gettext_lazy("File"),
            sort="original_name",
            primary=True,
            template="archive/cells/quarantined.html",
            csv=lambda row: row.original_name,
        ),
        Column("reason", gettext_lazy("Reason"), value="reason", template="archive/cells/reason.html"),
        Column(
            "code", gettext_lazy("Code"), value="code", sort="code", template="archive/cells/code.html", shown=False
        ),
        Column("size", gettext_lazy("Size"), value="size_bytes", sort="size_bytes", kind="size"),
        Column("received", gettext_lazy("Received"), value="received_at", sort="received_at", kind="date"),
        Column(
            "from",
            gettext_lazy("From"),
            template="archive/cells/quarantined_sender.html",
            csv=lambda row: row.delivery.calling_ae_title,
        ),
        Column("uid", gettext_lazy("SOP Instance UID"), value="sop_instance_uid", kind="uid", shown=False),
        Column("digest", gettext_lazy("SHA-256"), value=lambda row: bytes(row.digest).hex(), kind="uid", shown=False),
        Column(
            "state",
            gettext_lazy("State"),
            template="archive/cells/quarantine_state.html",
            csv=lambda row: row.get_state_display(),
        ),
        Column(
            "actions",
            gettext_lazy("Actions"),
            template="archive/cells/quarantine_actions.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
    )
    filters = (
        Choice("code", gettext_lazy("Reason")),
        Choice("state", gettext_lazy("State"), choices=QuarantinedFile.State.choices),
        DateRange("received", gettext_lazy("Received"), field="received_at", is_moment=True),
        One("delivery", gettext_lazy("Delivery"), field="delivery_id", shown=gettext_lazy("one delivery")),
    )
    search_fields = ("original_name", "reason", "sop_instance_uid")
    default_sort = "-received"
    selectable = True
    bulk_template = "archive/quarantine_bulk.html"
    empty_template = "archive/quarantine_empty.html"

    def row_url(self, row: QuarantinedFile) -> str:
        return reverse(
            "archive:quarantined",
            kwargs={
                "organisation": self.request.organisation.slug,  # type: ignore[attr-defined]
                "archive": self.context["archive"].slug,
                "file": row.public_id,
            },
        )

    def row_label(self, row: QuarantinedFile) -> str:
        return row.original_name or row.public_id


class SourceTable(Table):
    """The intake policy of a de-identified archive."""

    key = "intake-sources"
    noun = ngettext_lazy("%(n)s source", "%(n)s sources", "n")
    columns = (
        Column("source", gettext_lazy("Source"), value=describe, primary=True),
        Column("kind", gettext_lazy("Kind"), value="get_kind_display", sort="kind"),
        Column(
            "for",
            gettext_lazy("Sends for"),
            value=lambda row: role_words(row.role) if row.kind == row.Kind.AE and row.role else "",
        ),
        Column("by", gettext_lazy("Added by"), value=lambda row: str(row.created_by or "")),
        Column("added", gettext_lazy("Added"), value="created_at", sort="created_at", kind="date"),
        Column(
            "actions",
            gettext_lazy("Actions"),
            template="archive/cells/source_actions.html",
            shrink=True,
            heading=False,
            exported=False,
        ),
    )
    filters = (Choice("kind", gettext_lazy("Kind"), choices=IntakeSource.Kind.choices),)
    search_fields = ("calling_ae_title", "network", "user__username", "user__display_name")
    default_sort = "kind"
    empty_template = "archive/source_list_empty.html"

    def row_label(self, row: IntakeSource) -> str:
        return describe(row)
