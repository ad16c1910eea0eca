"""How learners fare, for educators: by case, by question, by person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Avg, Count, F, FloatField, Q, QuerySet
from django.db.models.functions import Cast, NullIf

from practice.models import Answer, Attempt, Score

PERCENT = 100 * Cast(F("points"), FloatField()) / NullIf(Cast(F("max_points"), FloatField()), 0.0)


class Results:
    """Answers what `teaching.hooks` asks."""

    def done_cases(self, *, assignment_ids: Sequence[int]) -> set[tuple[int, int, int]]:
        rows = Attempt.objects.filter(assignment__in=assignment_ids, state__in=Attempt.REVEALED_STATES)
        return set(rows.values_list("assignment_id", "version__case_id", "user_id"))

    def case_summaries(self, *, case_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        rows = (
            Attempt.objects.filter(version__case__in=case_ids, state__in=Attempt.REVEALED_STATES)
            .order_by()
            .values("version__case_id")
            .annotate(reads=Count("pk"), readers=Count("user", distinct=True), mean=Avg(PERCENT))
        )
        return {
            row["version__case_id"]: {
                "reads": row["reads"],
                "readers": row["readers"],
                "percent": None if row["mean"] is None else round(row["mean"]),
            }
            for row in rows
        }


def question_rows(*, content: dict[str, Any], attempts: QuerySet[Attempt]) -> list[dict[str, Any]]:
    """Each question of a version with how often it was right and what was chosen."""
    answers = list(
        Answer.objects.filter(attempt__in=attempts).values(
            "pk", "question_id", "response", "confidence", "confidence_levels"
        )
    )
    newest: dict[int, Score] = {}
    for score in Score.objects.filter(answer__in=[answer["pk"] for answer in answers]).order_by("pk"):
        newest[score.answer_id] = score
    rows = []
    for number, question in enumerate(content["questions"], start=1):
        mine = [answer for answer in answers if answer["question_id"] == question["id"]]
        scored = [newest[answer["pk"]] for answer in mine if answer["pk"] in newest]
        row: dict[str, Any] = {
            "number": number,
            "question": question,
            "answers": len(mine),
            "right": round(100 * sum(s.is_correct for s in scored) / len(scored)) if scored else None,
            "points": round(100 * sum(s.points for s in scored) / sum(s.max_points for s in scored))
            if scored
            else None,
        }
        if question["kind"] in ("single", "multiple"):
            row["options"] = [
                {
                    **option,
                    "count": sum(option["id"] in answer["response"].get("choice", ()) for answer in mine),
                    "share": round(100 * sum(option["id"] in a["response"].get("choice", ()) for a in mine) / len(mine))
                    if mine
                    else 0,
                }
                for option in question["options"]
            ]
        if question["kind"] == "mark":
            row["hits"] = sum(len(s.detail.get("hits", {})) for s in scored)
            row["missed"] = sum(len(s.detail.get("missed", ())) for s in scored)
            row["false"] = sum(len(s.detail.get("false", ())) for s in scored)
        rows.append(row)
    return rows


def weak_cases(attempts: QuerySet[Attempt], *, limit: int = 5, below: int = 60) -> list[dict[str, Any]]:
    """Cases that at least two people read and on average fail, the worst first."""
    rows = (
        attempts.order_by()
        .values("version__case__public_id", "version__case__title")
        .annotate(readers=Count("user", distinct=True), mean=Avg(PERCENT))
        .filter(Q(readers__gte=2) & Q(mean__lt=below))
        .order_by("mean")[:limit]
    )
    return [
        {
            "id": row["version__case__public_id"],
            "title": row["version__case__title"],
            "readers": row["readers"],
            "percent": round(row["mean"]),
        }
        for row in rows
    ]
