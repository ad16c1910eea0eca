"""Numbers and charts of a reader, from stored answers: each point knows the reads behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from practice import queries
from practice.domain import calibration, curves
from practice.models import Attempt, Card, Score
from teaching import vocabulary

FORECAST_DAYS = 14
CONFIDENCE_BINS = 5


@dataclass(frozen=True, kw_only=True)
class ReadRow:
    """What the figures need of one scored answer."""

    attempt: str
    case: int
    kind: str
    confidence: int | None
    levels: int | None
    is_correct: bool
    response: dict[str, Any]
    detail: dict[str, Any]
    category: str
    level: str
    modality: str
    share: float


def rows_of(user: Any) -> list[ReadRow]:
    """Newest scores of all own committed answers, the oldest read first; one query."""
    scores = (
        Score.objects.filter(answer__attempt__user=user, answer__attempt__state__in=Attempt.REVEALED_STATES)
        .order_by("answer__attempt__committed_at", "answer_id", "pk")
        .values_list(
            "answer_id",
            "answer__attempt__public_id",
            "answer__attempt__version__case_id",
            "answer__kind",
            "answer__confidence",
            "answer__confidence_levels",
            "is_correct",
            "answer__response",
            "detail",
            "answer__attempt__version__content__category",
            "answer__attempt__version__content__level",
            "answer__attempt__version__content__modality",
            "points",
            "max_points",
        )
    )
    newest: dict[int, ReadRow] = {}
    for (
        answer,
        attempt,
        case,
        kind,
        confidence,
        levels,
        right,
        response,
        detail,
        category,
        level,
        modality,
        p,
        m,
    ) in scores:
        newest[answer] = ReadRow(
            attempt=attempt,
            case=case,
            kind=kind,
            confidence=confidence,
            levels=levels,
            is_correct=right,
            response=response,
            detail=detail,
            category=category or "",
            level=level or "",
            modality=modality or "",
            share=p / m if m else 0.0,
        )
    return list(newest.values())


def judgements(rows: Sequence[ReadRow]) -> list[calibration.Judgement]:
    return [
        calibration.Judgement(
            key=row.attempt,
            probability=calibration.probability(confidence=row.confidence, levels=row.levels),
            correct=row.is_correct,
        )
        for row in rows
        if row.kind in ("single", "multiple") and row.confidence and row.levels
    ]


def readings(rows: Sequence[ReadRow]) -> list[curves.CaseReading]:
    """First reads of each case with a mark question: a second read of a known picture measures memory, not eyes."""
    first: dict[int, str] = {}
    merged: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        if row.kind != "mark" or first.setdefault(row.case, row.attempt) != row.attempt:
            continue
        ratings = {m["id"]: float(m.get("confidence") or 0) for m in row.response.get("marks", ())}
        lesions, false = merged.setdefault(row.attempt, ([], []))
        lesions += [ratings.get(mark, 0.0) for mark in row.detail.get("hits", {}).values()]
        lesions += [curves.UNMARKED for _lesion in row.detail.get("missed", ())]
        false += [ratings.get(mark, 0.0) for mark in row.detail.get("false", ())]
    return [
        curves.CaseReading(key=key, lesions=tuple(lesions), false_marks=tuple(false))
        for key, (lesions, false) in merged.items()
    ]


def reads_address(organisation: str, **query: Any) -> str:
    return f"{reverse('practice:attempt-list', kwargs={'organisation': organisation})}?{urlencode(query, doseq=True)}"


def calibration_chart(found: Sequence[calibration.Judgement], *, organisation: str) -> dict[str, Any]:
    points = [
        {
            "x": round(entry.stated, 3),
            "y": round(entry.observed, 3),
            "lo": round(entry.low, 3),
            "hi": round(entry.high, 3),
            "n": entry.count,
            "href": reads_address(
                organisation, confidence=min(CONFIDENCE_BINS, int(entry.stated * CONFIDENCE_BINS) + 1)
            ),
        }
        for entry in calibration.bins(found, count=CONFIDENCE_BINS)
    ]
    return {
        "x": {"label": _("Stated confidence"), "min": 0, "max": 1},
        "y": {"label": _("Share right"), "min": 0, "max": 1},
        "series": [{"name": _("Your answers"), "tone": "accent", "points": points}],
    }


def afroc_chart(found: Sequence[curves.CaseReading], *, organisation: str) -> dict[str, Any]:
    points = curves.afroc_points(found)
    return {
        "x": {"label": _("Normals with a false mark"), "min": 0, "max": 1},
        "y": {"label": _("Lesions found (weighted)"), "min": 0, "max": 1},
        "series": [
            {
                "name": _("Your marks"),
                "tone": "accent",
                "points": [
                    {
                        "x": round(x, 4),
                        "y": round(y, 4),
                        "href": reads_address(organisation, result=["missed", "false"]),
                    }
                    for x, y in points[:-1]
                ],
            },
            {
                "name": _("Not marked"),
                "tone": "neutral",
                "dashed": True,
                "points": [{"x": round(x, 4), "y": round(y, 4)} for x, y in points[-2:]],
            },
        ],
    }


def topic_chart(rows: Sequence[ReadRow], *, organisation: str) -> dict[str, Any]:
    """Share of points by category and level; an empty cell is a gap in the curriculum."""
    levels = [key for key, _label in vocabulary.LEVELS]
    seen = {row.category for row in rows if row.category}
    categories = [(key, str(label)) for key, label in vocabulary.CATEGORIES if key in seen]
    values: list[list[int | None]] = []
    hrefs: list[list[str | None]] = []
    for key, _label in categories:
        line: list[int | None] = []
        links: list[str | None] = []
        for level in levels:
            shares = [row.share for row in rows if row.category == key and row.level == level]
            line.append(round(100 * sum(shares) / len(shares)) if shares else None)
            links.append(reads_address(organisation, topic=key) if shares else None)
        values.append(line)
        hrefs.append(links)
    return {
        "rows": [label for _key, label in categories],
        "columns": [str(label) for _key, label in vocabulary.LEVELS],
        "values": values,
        "hrefs": hrefs,
        "unit": "%",
    }


def missing_topics(user: Any, rows: Sequence[ReadRow]) -> list[str]:
    """Categories one could read but never did."""
    seen = {row.category for row in rows}
    offered = set(queries.readable_versions(user).values_list("content__category", flat=True).distinct())
    labels = dict(vocabulary.CATEGORIES)
    return [str(labels[key]) for key in labels if key in offered - seen]


def forecast_chart(user: Any, *, today: date, organisation: str) -> dict[str, Any]:
    """Diagnoses that come due on each of the next days; what is overdue counts for today."""
    days = [today + timedelta(days=n) for n in range(FORECAST_DAYS)]
    counts = dict.fromkeys(days, 0)
    for due_at in Card.objects.filter(user=user).values_list("due_at", flat=True):
        day = max(today, timezone.localtime(due_at).date())
        if day in counts:
            counts[day] += 1
    home = reverse("practice:home", kwargs={"organisation": organisation})
    return {
        "categories": [day.strftime("%m-%d") for day in days],
        "series": [
            {
                "name": _("Due"),
                "tone": "accent",
                "values": [counts[day] for day in days],
                "hrefs": [f"{home}#due" for _day in days],
            }
        ],
        "y": {"label": _("Diagnoses")},
    }


def score_chart(user: Any, *, organisation: str) -> dict[str, Any]:
    """Score of each read over time."""
    attempts = Attempt.objects.filter(user=user, state=Attempt.State.SCORED).order_by("committed_at")
    points = [
        {
            "x": timezone.localtime(attempt.committed_at).isoformat(timespec="minutes"),
            "y": attempt.percent,
            "href": reverse("practice:attempt", kwargs={"organisation": organisation, "attempt": attempt.public_id}),
        }
        for attempt in attempts
        if attempt.committed_at
    ]
    return {
        "x": {"type": "time"},
        "y": {"label": _("Score"), "min": 0, "max": 100, "unit": "%"},
        "series": [{"name": _("Score"), "tone": "accent", "points": points}],
    }
