"""How learners fare, for those who may see it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy
from django.views.decorators.http import require_GET

from access.queries import get_visible, people_with_role
from audit.services import record
from core.tables import Choice, Column, DateRange, Table
from core.whole_numbers import read_whole_number
from practice import queries
from practice import results as read
from practice.models import Attempt
from teaching.models import Case, CaseVersion, Course


class ResultTable(Table):
    """Reads of learners."""

    key = "results"
    noun = ngettext_lazy("%(n)s read", "%(n)s reads", "n")
    columns = (
        Column("reader", _("Reader"), sort="user__display_name", value="user", primary=True),
        Column("case", _("Case"), sort="version__case__title", value="version.case.title"),
        Column("version", _("Version"), value="version.number", kind="number", shown=False),
        Column(
            "state", _("State"), sort="state", template="practice/cells/attempt_state.html",
            csv=lambda a: a.get_state_display(),
        ),
        Column(
            "score", _("Score"), sort="points", value="percent", kind="number",
            template="practice/cells/attempt_score.html", csv=lambda a: a.percent,
        ),
        Column("reason", _("Why"), value="get_reason_display", sort="reason"),
        Column("committed", _("Committed"), value="committed_at", sort="committed_at", kind="date"),
        Column("seconds", _("Seconds looked"), value=lambda a: round(a.looked_ms / 1000), kind="number", shown=False),
    )  # fmt: skip
    filters = (
        Choice("reader", _("Reader"), field="user__username"),
        Choice(
            "state",
            _("State"),
            field="state",
            choices=[c for c in Attempt.State.choices if c[0] in Attempt.REVEALED_STATES],
        ),
        Choice("reason", _("Why"), field="reason", choices=Attempt.Reason.choices),
        DateRange("committed", _("Committed"), field="committed_at", is_moment=True),
    )
    search_fields = ("user__display_name", "user__username", "version__case__title")
    default_sort = "-committed"
    empty_template = "practice/results_empty.html"

    def row_url(self, row: Attempt) -> str:
        return reverse(
            "practice:attempt",
            kwargs={"organisation": self.request.organisation.slug, "attempt": row.public_id},  # type: ignore[attr-defined]
        )

    def exported(self, *, rows: int) -> None:
        target = self.context["container"]
        record(
            action="results.exported",
            organisation=self.request.organisation,  # type: ignore[attr-defined]
            actor=self.request.user,
            target=target,
            detail={"rows": rows},
            request=self.request,
        )


def _note_viewed(request: Any, target: Any) -> None:
    record(
        action="results.viewed", organisation=request.organisation, actor=request.user, target=target, request=request
    )


@require_GET
def case_results(request: Any, organisation: str, case: str) -> HttpResponse:
    """One case: who read it, how they scored, what they chose, where they marked."""
    found = get_visible(
        request.user, Case.objects.select_related("library", "current_version"), "teaching.view_results", public_id=case
    )
    attempts = queries.attempts_of_learners(request.user).filter(version__case=found)
    table = ResultTable(
        request=request,
        queryset=attempts.select_related("user", "version__case").order_by(),
        context={"container": found},
    )
    context: dict[str, Any] = {"case": found}
    if not table.is_fragment_request:
        version = _version(request, found)
        context |= {"version": version, "versions": list(found.versions.all())}
        if version is not None:
            of_version = attempts.filter(version=version)
            context |= {
                "questions": read.question_rows(content=version.content, attempts=of_version),
                "summary": read.Results().case_summaries(case_ids=[found.pk]).get(found.pk),
            }
        _note_viewed(request, found)
    return table.respond("practice/case_results.html", context)


def _version(request: Any, case: Case) -> CaseVersion | None:
    number = read_whole_number(request.GET.get("version", ""))
    if number is not None:
        return case.versions.filter(number=number).first()
    return case.current_version or case.versions.first()


@require_GET
def course_results(request: Any, organisation: str, course: str) -> HttpResponse:
    """One course: a matrix of learners and cases, and all reads below it."""
    found = get_visible(
        request.user, Course.objects.select_related("organisation"), "teaching.view_results", slug=course
    )
    cases = [row.case for row in found.course_cases.select_related("case")]
    learners = list(people_with_role(container=found, role="learner").order_by("display_name"))
    attempts = queries.attempts_of_learners(request.user).filter(version__case__in=cases, user__in=learners)
    table = ResultTable(
        request=request,
        queryset=attempts.select_related("user", "version__case").order_by(),
        context={"container": found},
    )
    context: dict[str, Any] = {"course": found}
    if not table.is_fragment_request:
        context |= {
            "cases": cases,
            "matrix": _matrix(request, learners=learners, cases=cases, attempts=attempts),
            "weak": read.weak_cases(attempts),
            "summaries": read.Results().case_summaries(case_ids=[case.pk for case in cases]),
            "readers": attempts.values("user").distinct().count(),
            "reads": attempts.count(),
        }
        _note_viewed(request, found)
    return table.respond("practice/course_results.html", context)


def _matrix(request: Any, *, learners: Any, cases: Any, attempts: Any) -> list[dict[str, Any]]:
    """Learners × cases: the best read in each cell, with its address."""
    best: dict[tuple[int, int], Attempt] = {}
    for attempt in attempts.select_related("version"):
        key = (attempt.user_id, attempt.version.case_id)
        if key not in best or (attempt.percent or 0) >= (best[key].percent or 0):
            best[key] = attempt
    slug = request.organisation.slug
    rows = []
    for person in learners:
        cells = []
        for case in cases:
            attempt = best.get((person.pk, case.pk))
            cells.append(
                {
                    "case": case,
                    "percent": attempt.percent if attempt else None,
                    "is_read": attempt is not None,
                    "heat": None if attempt is None or attempt.percent is None else 1 + min(4, attempt.percent // 20),
                    "url": reverse("practice:attempt", kwargs={"organisation": slug, "attempt": attempt.public_id})
                    if attempt
                    else "",
                }
            )
        read_ones = [cell["percent"] for cell in cells if cell["percent"] is not None]
        rows.append(
            {
                "person": person,
                "cells": cells,
                "read": sum(cell["is_read"] for cell in cells),
                "mean": round(sum(read_ones) / len(read_ones)) if read_ones else None,
            }
        )
    return rows
