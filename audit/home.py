"""What waits for a compliance officer on the home page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from access import rights
from audit import queries
from audit.models import Event
from audit.permissions import VIEW_AUDIT
from core.home import Entry, Figure, Section

DAYS = 7
SHOWN = 6


def is_officer(request: Any) -> bool:
    return rights.holds(request, VIEW_AUDIT)


def figures(request: Any) -> list[Figure]:
    """How much is sealed, what happened today, what was refused this week."""
    if not is_officer(request):
        return []
    desk = reverse("audit:event-list", kwargs={"organisation": request.organisation.slug})
    state = queries.seal_state(organisation=request.organisation)
    now = timezone.localtime()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    events = Event.objects.filter(organisation=request.organisation)
    refused = events.filter(occurred_at__gte=now - timedelta(days=DAYS)).exclude(outcome=Event.Outcome.SUCCESS).count()
    return [
        Figure(label=_("Events sealed"), value=state.sealed, url=desk, note=_sealed(state)),
        Figure(
            label=_("Events today"),
            value=events.filter(occurred_at__gte=today).count(),
            url=f"{desk}?day_from={today.date().isoformat()}",
        ),
        Figure(
            label=_("Refused or failed in the last 7 days"),
            value=refused,
            url=f"{desk}?outcome=refused&outcome=failed&day_from={(now - timedelta(days=DAYS)).date().isoformat()}",
            tone="query" if refused else "",
        ),
    ]


def _sealed(state: queries.SealState) -> str:
    if state.sealed_at is None:
        return ""
    if state.waiting:
        return _("%(count)s waiting to be sealed") % {"count": state.waiting}
    return _("all sealed, most recently at %(time)s") % {
        "time": timezone.localtime(state.sealed_at).strftime("%H:%M:%S")
    }


def refusals(request: Any) -> Section | None:
    """The latest refusals and failures: the first thing an officer looks at."""
    if not is_officer(request):
        return None
    slug = request.organisation.slug
    rows = Event.objects.filter(organisation=request.organisation).exclude(outcome=Event.Outcome.SUCCESS)
    return Section(
        title=_("Refused and failed"),
        entries=[
            Entry(
                title=queries.plain_sentence(event),
                url=reverse("audit:event-detail", kwargs={"organisation": slug, "pk": event.pk}),
                note=timezone.localtime(event.occurred_at).strftime("%Y-%m-%d %H:%M"),
                icon="shield-alert",
                tone="fail",
            )
            for event in rows.order_by("-occurred_at", "-pk")[:SHOWN]
        ],
        empty=_("Nothing was refused and nothing failed."),
        more_url=f"{reverse('audit:event-list', kwargs={'organisation': slug})}?outcome=refused&outcome=failed",
        more_label=_("Show all"),
    )
