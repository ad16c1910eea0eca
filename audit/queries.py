"""The trail as people read it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from string import Formatter
from typing import Any

from django.apps import apps
from django.db import connection
from django.db.models import Count, Max, Min, Q, QuerySet
from django.db.models.functions import Coalesce, TruncDay, TruncHour, TruncMinute
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _

from access.models import Organisation, User
from access.queries import require
from audit import actions, describe, ownership, sealing, searches
from audit.errors import HeadsForged, HeadsLost, HeadsUnusable, KeyChanged, KeyMissing
from audit.models import ChainLink, Event
from audit.permissions import VIEW_AUDIT
from audit.searches import folded
from core.models import Job
from core.tenancy import all_tenants

#: The kind of the jobs that check a chain.
CHECK = "audit.verify"
#: A seal comes every five seconds; an event that has waited for longer than this is told of.
SEALED_WITHIN = timedelta(minutes=1)
#: How many words a search looks for; those behind them are left out.
MOST_WORDS = 20
#: How many of the newest events the watch over sealing looks at: it is asked every few seconds.
WATCHED_EVENTS = 20_000


def events(*, user: User, organisation: Organisation) -> QuerySet[Event]:
    """Every event of the organisation, newest first. Raises `Forbidden` or `NotFound`."""
    require(user, VIEW_AUDIT, organisation)
    rows: QuerySet[Event] = Event.objects.filter(organisation=organisation).select_related(
        "actor", "link", "organisation"
    )
    return rows


def sentence(event: Event) -> str:
    """The event as people say it, e.g. *trainee@demo opened study 4k2m…*; values are escaped."""
    wanted, values = _words(event)
    for name in ("actor", "target"):
        values[name] = format_html("<strong>{}</strong>", values[name])
    return format_html(wanted, **values)


def plain_sentence(event: Event) -> str:
    """The same without mark-up, for exports and screen readers."""
    wanted, values = _words(event)
    return wanted.format(**values)


def search_text(event: Event) -> str:
    """What a row shows of an event and its codes, folded for searches. Its number and times have columns of their own."""
    words = [
        plain_sentence(event),
        event.actor_label,
        event.target_label,
        event.target_id,
        event.explained_by,
        event.place,
        event.get_outcome_display(),
        event.action,
        event.address or "",
        event.door,
        event.request_id,
        *event.studies,
        *_values(event.detail),
    ]
    return folded(" ".join(dict.fromkeys(str(word) for word in words if word)))


def is_searchable(event: Event) -> bool:
    """Whether the search text has every word that the event keeps as it was written.

    The sentence is left out, which is in the language of whoever acted and may be said otherwise since; numbers and the
    address too, which the database writes in its own way.
    """
    words = [
        event.actor_label,
        event.target_label,
        event.target_id,
        event.explained_by,
        event.place,
        event.action,
        event.door,
        event.request_id,
        *event.studies,
        *(word for word in _values(event.detail) if not _is_number(word)),
    ]
    return all(folded(word) in event.search for word in words if word)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _values(detail: Any) -> Iterator[str]:
    if isinstance(detail, dict):
        for value in detail.values():
            yield from _values(value)
    elif isinstance(detail, list | tuple):
        for value in detail:
            yield from _values(value)
    elif isinstance(detail, str | int | float) and not isinstance(detail, bool):
        yield str(detail)


def _words(event: Event) -> tuple[str, dict[str, Any]]:
    action = actions.find(event.action)
    wanted = str(action.sentence) if action is not None else "{actor} · " + event.action + " · {target}"
    values: dict[str, Any] = {field: "…" for _text, field, _spec, _conversion in Formatter().parse(wanted) if field}
    values.update({key: value for key, value in event.detail.items() if isinstance(value, str | int | float)})
    nobody = _("Somebody not signed in") if event.address else _("The installation")
    values["actor"] = event.actor_label or nobody
    values["target"] = event.target_label or event.target_id or _("it")
    values["place"] = place_words(event)
    return wanted, values


def place_words(event: Event) -> str:
    """Where it happened; worked out anew for an event from before its place was kept."""
    if event.place:
        return event.place
    container = describe.container_of(None, detail=event.detail)
    return describe.name_of(container, organisation=event.organisation)


def target_words(event: Event) -> str:
    """What kind of thing the target is, and its name or its public id: never the name of a table."""
    if not event.target_kind:
        return event.target_label
    try:
        kind = str(apps.get_model(event.target_kind)._meta.verbose_name)
    except LookupError:
        kind = event.target_kind.partition(".")[2]
    return f"{kind} {event.target_label or event.target_id}"


def study_words(event: Event) -> str:
    return " ".join(event.studies)


def detail_words(event: Event) -> str:
    """All that an event keeps besides, as JSON."""
    return json.dumps(event.detail, ensure_ascii=False, sort_keys=True) if event.detail else ""


def about_study(study: str) -> Q:
    """Events about a study by its public id: its series, images and runs included. Older events say it in their detail."""
    older = Q(recorded_at=None) & (Q(target_id=study) | Q(detail__study=study) | Q(detail__studies__contains=[study]))
    return Q(studies__contains=[study]) | older


def matching(rows: QuerySet[Event], words: str, *, organisation: Organisation) -> QuerySet[Event]:
    """Those whose row shows every word, or which have it as their number."""
    for condition in searches.conditions(words.replace("\x00", "").split()[:MOST_WORDS], organisation=organisation):
        rows = rows.filter(condition)
    return rows


def gaps_in_the_rights() -> list[str]:
    """What the application's role could do to the trail beyond adding to it; a sentence each."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        return [one.sentence for one in ownership.faults(cursor, role=cursor.fetchone()[0])]


def checks(*, user: User, organisation: Organisation) -> QuerySet[Job]:
    """Every check of the organisation's chain, newest first. Raises `Forbidden` or `NotFound`."""
    require(user, VIEW_AUDIT, organisation)
    rows: QuerySet[Job] = Job.objects.filter(organisation=organisation, kind=CHECK).select_related("owner")
    return rows


@dataclass(frozen=True, slots=True)
class Bucket:
    start: datetime
    end: datetime
    count: int
    refused: int


def histogram(rows: QuerySet[Event]) -> list[Bucket]:
    """Events over time, empty buckets included: minutes, hours or days, whichever gives a readable number of bars."""
    span = rows.order_by().aggregate(last=Max("occurred_at"), count=Count("pk"))
    if not span["count"]:
        return []
    first = rows.order_by("occurred_at").values_list("occurred_at", flat=True)[0]
    length = span["last"] - first
    truncate: Any
    if length <= timedelta(hours=2):
        truncate, step = TruncMinute, timedelta(minutes=1)
    elif length <= timedelta(days=5):
        truncate, step = TruncHour, timedelta(hours=1)
    else:
        truncate, step = TruncDay, timedelta(days=1)
    counted = {
        row["bucket"]: row
        for row in rows.order_by()
        .annotate(bucket=truncate("occurred_at"))
        .values("bucket")
        .annotate(
            count=Count("pk"),
            refused=Count("pk", filter=~Q(outcome=Event.Outcome.SUCCESS)),
        )
    }
    start, end = min(counted), max(counted)
    buckets, moment = [], start
    while moment <= end:
        row = counted.get(moment, {"count": 0, "refused": 0})
        buckets.append(
            Bucket(
                start=moment,
                end=moment + step,
                count=row["count"],
                refused=row["refused"],
            )
        )
        moment += step
    return buckets


@dataclass(frozen=True, slots=True)
class SealState:
    """How much of the trail is chained: `sealed` events, `waiting` ones, and when the last seal was made."""

    sealed: int
    waiting: int
    sealed_at: datetime | None
    stopped: str = ""
    """Why nothing is sealed at the moment, as a sentence; empty when all is well."""
    late_since: datetime | None = None
    """When the oldest event that waits was recorded, if that is longer ago than a seal takes."""


def seal_state(*, organisation: Organisation) -> SealState:
    last = ChainLink.objects.filter(organisation=organisation).order_by("-sequence").first()
    unsealed = Event.objects.filter(organisation=organisation, link=None).aggregate(
        count=Count("pk"), oldest=Min(Coalesce("recorded_at", "occurred_at"))
    )
    waiting, oldest = unsealed["count"], unsealed["oldest"]
    return SealState(
        sealed=last.sequence if last is not None else 0,
        waiting=waiting,
        sealed_at=last.sealed_at if last is not None else None,
        stopped=_why_stopped(sealing.stopped()),
        late_since=oldest if oldest is not None and timezone.now() - oldest > SEALED_WITHIN else None,
    )


def waiting_seconds() -> float:
    """How long the oldest of the installation's newest events has waited for its seal; 0 when none waits."""
    with all_tenants(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - min(coalesce(e.recorded_at, e.occurred_at))) "
            "FROM audit_event e WHERE e.id > (SELECT max(id) FROM audit_event) - %s "
            "AND NOT EXISTS (SELECT FROM audit_chainlink l WHERE l.event_id = e.id)",
            [WATCHED_EVENTS],
        )
        row = cursor.fetchone()
    return max(0.0, float(row[0])) if row is not None and row[0] is not None else 0.0


def _why_stopped(code: str | None) -> str:
    if not code:
        return ""
    reasons = {
        HeadsForged.code: _("the last line of the file of signed heads is not signed with the audit key"),
        HeadsLost.code: _("the file of signed heads is missing or incomplete"),
        HeadsUnusable.code: _("the file of signed heads cannot be written"),
        KeyChanged.code: _("the audit key is not the one used for the signed heads"),
        KeyMissing.code: _("the audit key is missing"),
    }
    return reasons.get(code, code)
