"""The audit desk."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from audit import lists, queries, services
from audit.models import Event
from core.errors import NotFound


@require_GET
def event_list(request: Any, organisation: str) -> HttpResponse:
    rows = queries.events(user=request.user, organisation=request.organisation)
    services.note_reading(actor=request.user, organisation=request.organisation, request=request)
    table = lists.EventTable(request=request, queryset=rows)
    context: dict[str, Any] = {}
    if not table.is_fragment_request:
        context["seal"] = queries.seal_state(organisation=request.organisation)
        context["last_check"] = (
            queries.checks(user=request.user, organisation=request.organisation).exclude(finished_at=None).first()
        )
        context["gaps"] = queries.gaps_in_the_rights()
    context["histogram"] = histogram_data(table)
    return table.respond("audit/event_list.html", context)


def histogram_data(table: lists.EventTable) -> dict[str, Any]:
    """What `<c-chart kind="bar">` draws: one bar a time step, refusals apart; a click narrows the list to the step."""
    buckets = queries.histogram(table.queryset)
    return {
        "stacked": True,
        "categories": [_bar_name(bucket) for bucket in buckets],
        "series": [
            {
                "name": _("Done"),
                "tone": "accent",
                "values": [bucket.count - bucket.refused for bucket in buckets],
                "hrefs": [_narrowed(table, bucket) for bucket in buckets],
            },
            {
                "name": _("Refused or failed"),
                "tone": "fail",
                "values": [bucket.refused for bucket in buckets],
                "hrefs": [_narrowed(table, bucket) for bucket in buckets],
            },
        ],
        "y": {"label": _("Events")},
    }


def _bar_name(bucket: queries.Bucket) -> str:
    start = timezone.localtime(bucket.start)
    is_day = (bucket.end - bucket.start).days >= 1
    return start.strftime("%Y-%m-%d" if is_day else "%m-%d %H:%M")


def _narrowed(table: lists.EventTable, bucket: queries.Bucket) -> str:
    return table.address(since=bucket.start.isoformat(), until=bucket.end.isoformat())


@require_GET
def event_detail(request: Any, organisation: str, pk: int) -> HttpResponse:
    rows = queries.events(user=request.user, organisation=request.organisation)
    event = rows.filter(pk=pk).first()
    if event is None:
        raise NotFound
    services.note_reading(actor=request.user, organisation=request.organisation, request=request)
    is_drawer = request.GET.get("part") == "drawer"
    template = "audit/_event.html" if is_drawer else "audit/event_detail.html"
    return render(
        request,
        template,
        {
            "event": event,
            "place": queries.place_words(event),
            "target": queries.target_words(event),
            **proof(event),
            "related": related(rows, event),
        },
    )


def proof(event: Event) -> dict[str, Any]:
    link = getattr(event, "link", None)
    return {
        "link": link,
        "digest": bytes(link.digest).hex() if link is not None else "",
        "previous": bytes(link.previous).hex() if link is not None else "",
        "detail": json.dumps(event.detail, indent=2, ensure_ascii=False, sort_keys=True) if event.detail else "",
    }


def related(rows: Any, event: Event) -> list[Event]:
    """What happened to the same thing shortly before and after."""
    if not event.target_id:
        return []
    same = rows.filter(target_kind=event.target_kind, target_id=event.target_id).exclude(pk=event.pk)
    before = list(same.filter(pk__lt=event.pk).order_by("-pk")[:5])
    after = list(same.filter(pk__gt=event.pk).order_by("pk")[:5])
    return sorted([*before, *after], key=lambda one: one.pk)


@require_POST
def verify(request: Any, organisation: str) -> HttpResponse:
    job = services.start_verification(actor=request.user, organisation=request.organisation, request=request)
    return redirect("audit:check", organisation=organisation, check=job.pk)


@require_GET
def check(request: Any, organisation: str, check: uuid.UUID) -> HttpResponse:
    """A check of the chain while it runs, and what came of it for as long as the trail is kept."""
    job = queries.checks(user=request.user, organisation=request.organisation).filter(pk=check).first()
    if job is None:
        raise NotFound
    services.note_reading(actor=request.user, organisation=request.organisation, request=request)
    is_part = request.GET.get("part") == "progress"
    if is_part and not job.is_active:
        # The page as a whole has something else to say now.
        response = HttpResponse(status=200)
        response["HX-Refresh"] = "true"
        return response
    return render(request, "audit/_check_progress.html" if is_part else "audit/check.html", {"job": job})
