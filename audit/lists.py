"""The list of events as officers search it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import Q, QuerySet
from django.http import QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext_lazy

from audit import actions, queries, services
from audit.models import Event
from core.tables import Choice, Column, DateRange, Table, Text
from core.tables.filters import Chip, Filter

TIME = gettext_lazy("Time")


@dataclass(frozen=True)
class Moments(Filter):
    """From a moment to a moment, as a bar of the histogram gives them: `since` and `until` in ISO 8601."""

    key: str = "moment"
    label: Any = TIME
    template: ClassVar[str] = "audit/filter_moments.html"

    @property
    def keys(self) -> tuple[str, ...]:
        return ("since", "until")

    def read(self, query: QueryDict) -> tuple[dict[str, datetime], list[str]]:
        state: dict[str, datetime] = {}
        problems = []
        for name in self.keys:
            words = query.get(name, "").strip()
            if not words:
                continue
            # "+" of the offset arrives as a space when somebody typed the address.
            moment = _parsed(words.replace(" ", "+"))
            if moment is None:
                problems.append(_("“%(value)s” is not a valid date and time; ignored.") % {"value": words[:40]})
            else:
                state[name] = moment
        return state, problems

    def narrow(self, queryset: QuerySet[Any], state: dict[str, datetime]) -> QuerySet[Any]:
        lookups = {"since": "occurred_at__gte", "until": "occurred_at__lt"}
        return queryset.filter(**{lookups[name]: moment for name, moment in state.items()})

    def chips(self, state: dict[str, datetime]) -> list[Chip]:
        ends = [timezone.localtime(state[n]).strftime("%Y-%m-%d %H:%M") if n in state else "…" for n in self.keys]
        return [Chip(str(self.label), " – ".join(ends), dict.fromkeys(self.keys))]


def _parsed(words: str) -> datetime | None:
    try:
        moment = parse_datetime(words)
    except ValueError:
        return None
    if moment is None or timezone.is_aware(moment):
        return moment
    return timezone.make_aware(moment)


def action_choices() -> list[tuple[str, Any]]:
    return [(action.code, action.code) for action in actions.all_actions()]


ROLE_CHANGES = ("role.", "membership.", "invitation.", "join.", "people.")
KINDS: tuple[tuple[str, Any], ...] = (
    (actions.INSTANCES_ACCESSED, gettext_lazy("Images viewed")),
    (actions.INSTANCES_TRANSFERRED, gettext_lazy("Images sent")),
    (actions.IMPORT, gettext_lazy("Images received")),
    (actions.EXPORT, gettext_lazy("Exports")),
    (actions.QUERY, gettext_lazy("Searches")),
    (actions.STUDY_DELETED, gettext_lazy("Deletions")),
    (actions.USER_AUTHENTICATION, gettext_lazy("Sign-ins")),
    ("roles", gettext_lazy("Roles and members")),
    ("refusals", gettext_lazy("Refusals")),
    (actions.SECURITY_ALERT, gettext_lazy("Security and settings")),
    (actions.APPLICATION_ACTIVITY, gettext_lazy("Other activity")),
    (actions.AUDIT_LOG_USED, gettext_lazy("Audit trail use")),
    (actions.NETWORK_ENTRY, gettext_lazy("Network")),
    (actions.BEGIN_TRANSFERRING, gettext_lazy("Transfers started")),
)


def of_kinds(kinds: list[str]) -> Q:
    """DICOM's event types, but for its security alerts: changes of roles and refusals are looked for by themselves."""
    changes_roles = Q(pk__in=[])
    for prefix in ROLE_CHANGES:
        changes_roles |= Q(action__startswith=prefix)
    refused = Q(action__endswith=".refused") & ~Q(event_type=actions.USER_AUTHENTICATION)
    special = {
        "roles": changes_roles & ~refused,
        "refusals": refused,
        actions.SECURITY_ALERT: Q(event_type=actions.SECURITY_ALERT) & ~changes_roles & ~refused,
    }
    found = Q(event_type__in=[kind for kind in kinds if kind not in special])
    for kind in kinds:
        found |= special.get(kind, Q(pk__in=[]))
    return found


class About(Text):
    """A study by its public id, with everything that was done to its series, images and runs; or any other target."""

    def narrow(self, queryset: QuerySet[Any], state: str) -> QuerySet[Any]:
        named = Q(target_id__icontains=state) | Q(target_label__icontains=state)
        return queryset.filter(named | queries.about_study(state))


class Study(Text):
    def narrow(self, queryset: QuerySet[Any], state: str) -> QuerySet[Any]:
        return queryset.filter(queries.about_study(state))


class EventTable(Table):
    key = "events"
    noun = ngettext_lazy("%(n)s event", "%(n)s events", "n")
    exports_all_columns = True
    columns = (
        Column("number", gettext_lazy("No."), value=lambda event: str(event.pk), shrink=True),
        Column("when", gettext_lazy("When"), value="occurred_at", sort=("occurred_at",), kind="date", shrink=True),
        Column(
            "what",
            gettext_lazy("What happened"),
            template="audit/cells/sentence.html",
            primary=True,
            csv=queries.plain_sentence,
        ),
        Column("place", gettext_lazy("Where"), template="audit/cells/where.html", csv=queries.place_words),
        Column("study", gettext_lazy("Study"), value=queries.study_words, shown=False),
        Column(
            "outcome",
            gettext_lazy("Outcome"),
            sort="outcome",
            template="audit/cells/outcome.html",
            csv=lambda event: event.get_outcome_display(),
            shrink=True,
        ),
        Column("why", gettext_lazy("Role or reason"), value="explained_by"),
        Column("person", gettext_lazy("Person"), value="actor_label", sort="actor_label", shown=False),
        Column(
            "from",
            gettext_lazy("From"),
            template="audit/cells/place.html",
            csv=lambda event: event.address or "",
        ),
        Column("door", gettext_lazy("Door"), value="door", shown=False),
        Column("action", gettext_lazy("Action"), value="action", sort="action", shown=False),
        Column("target", gettext_lazy("Target"), value=queries.target_words, shown=False),
        Column("target_id", gettext_lazy("Target ID"), value="target_id", shown=False),
        Column("detail", gettext_lazy("Detail"), value=queries.detail_words, shown=False),
        Column("program", gettext_lazy("Program"), value="agent", shown=False),
        Column("request", gettext_lazy("Request"), value="request_id", shown=False),
        Column(
            "proof",
            gettext_lazy("Proof"),
            template="audit/cells/proof.html",
            csv=lambda event: bytes(event.link.digest).hex() if hasattr(event, "link") else "",
            shrink=True,
        ),
    )
    filters = (
        Moments(),
        DateRange("day", gettext_lazy("Day"), field="occurred_at", is_moment=True),
        Choice("kind", gettext_lazy("Kind"), choices=KINDS, lookup=of_kinds),
        Choice("actor", gettext_lazy("Person"), field="actor_label"),
        Choice("outcome", gettext_lazy("Outcome"), choices=Event.Outcome.choices),
        Choice("place", gettext_lazy("Where")),
        Choice("action", gettext_lazy("Action"), choices=action_choices, counted=False),
        Choice("door", gettext_lazy("Door")),
        Study("study", gettext_lazy("Study")),
        About("target", gettext_lazy("Target")),
    )
    default_sort = "-when"
    empty_template = "audit/event_list_empty.html"

    def search(self, queryset: QuerySet[Any], words: str) -> QuerySet[Any]:
        organisation = self.request.organisation  # type: ignore[attr-defined]
        return queries.matching(queryset, words, organisation=organisation)

    def row_url(self, row: Event) -> str:
        organisation = self.request.organisation  # type: ignore[attr-defined]
        return reverse(
            "audit:event-detail",
            kwargs={"organisation": organisation.slug, "pk": row.pk},
        )

    def row_drawer(self, row: Event) -> str:
        return f"{self.row_url(row)}?part=drawer"

    def row_label(self, row: Event) -> str:
        return queries.plain_sentence(row)

    def exported(self, *, rows: int) -> None:
        organisation = self.request.organisation  # type: ignore[attr-defined]
        services.record(
            action="audit.exported",
            organisation=organisation,
            target=organisation,
            detail={"count": rows},
            request=self.request,
        )
