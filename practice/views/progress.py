"""How a reader is getting on."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from practice import figures, queries
from practice.domain import calibration, curves
from practice.models import Attempt


@require_GET
def progress(request: Any, organisation: str) -> HttpResponse:
    user = request.user
    rows = figures.rows_of(user)
    judged = figures.judgements(rows)
    readings = figures.readings(rows)
    today = timezone.localdate()
    attempts = queries.attempts_of(user).filter(state__in=Attempt.REVEALED_STATES)
    context = {
        "reads": attempts.count(),
        "recent": attempts.order_by("-committed_at")[:8],
        "streak": queries.streak(user, today=today),
        "due": len(queries.due_versions(user)),
        "topics": queries.topics(user),
        "missing_topics": figures.missing_topics(user, rows),
        "judged": len(judged),
        "brier": calibration.brier(judged),
        "tendency": calibration.tendency(judged),
        "minimum": curves.MIN_CASES,
        "calibration_missing": max(0, curves.MIN_CASES - len(judged)),
        "wafroc": curves.figure(readings, curves.wafroc),
        "afroc": curves.figure(readings, curves.afroc),
        "auc": curves.figure(readings, curves.case_auc),
        "normals": sum(reading.is_normal for reading in readings),
        "readings": len(readings),
        "forecast_chart": figures.forecast_chart(user, today=today, organisation=organisation),
    }
    if rows:
        context |= {
            "calibration_chart": figures.calibration_chart(judged, organisation=organisation),
            "topic_chart": figures.topic_chart(rows, organisation=organisation),
            "score_chart": figures.score_chart(user, organisation=organisation),
        }
    if context["wafroc"].value is not None:  # type: ignore[attr-defined]
        context["afroc_chart"] = figures.afroc_chart(readings, organisation=organisation)
    return render(request, "practice/progress.html", context)
