"""Where other parts of the product lead into practice: navigation, home page, search, and the viewer's telemetry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from access import rights
from core import home
from core.palette import Hit
from practice import queries, services
from practice import results as read
from teaching import queries as teaching
from teaching.permissions import LEARN

WEAK_BELOW = 60


def hear_looks(*, session: Any, events: Sequence[Any]) -> None:
    services.keep_looks(attempt_id=session.key, user=session.user, events=events)


def may_practise(request: Any) -> bool:
    if queries.has_begun(request.user):
        return True
    return rights.holds_anywhere(request, LEARN) and queries.has_something_to_read(request.user)


def waiting(request: Any) -> int | None:
    """Assigned cases not read yet, and repetitions due."""
    return queries.waiting(request.user) or None


def learner_figures(request: Any) -> list[home.Figure]:
    if not may_practise(request):
        return []
    user, slug = request.user, request.organisation.slug
    practice = reverse("practice:home", kwargs={"organisation": slug})
    rows = queries.assigned_rows(user)
    overdue = sum(row["is_overdue"] for row in rows)
    return [
        home.Figure(
            label=_("Assigned"),
            value=sum(row["total"] - row["read"] for row in rows),
            url=f"{practice}#assigned",
            note=ngettext("%(n)d assignment overdue", "%(n)d assignments overdue", overdue) % {"n": overdue}
            if overdue
            else "",
            tone="fail" if overdue else "",
        ),
        home.Figure(label=_("Due for repetition"), value=len(queries.due_versions(user)), url=f"{practice}#due"),
        home.Figure(
            label=_("Days in a row"),
            value=queries.streak(user, today=timezone.localdate()),
            url=reverse("practice:progress", kwargs={"organisation": slug}),
        ),
    ]


def learner_sections(request: Any) -> list[home.Section]:
    """A trainee's day: what is assigned, what is due, where they are weak."""
    if not may_practise(request):
        return []
    user, slug = request.user, request.organisation.slug
    practice = reverse("practice:home", kwargs={"organisation": slug})
    assigned = [
        home.Entry(
            title=row["assignment"].title,
            url=f"{practice}#assigned",
            note=_("%(read)d of %(total)d read · due %(date)s")
            % {
                "read": row["read"],
                "total": row["total"],
                "date": timezone.localtime(row["assignment"].due_at).strftime("%Y-%m-%d %H:%M"),
            },
            icon="clipboard-list",
            tone="fail" if row["is_overdue"] else "",
            end=_("overdue") if row["is_overdue"] else "",
        )
        for row in queries.assigned_rows(user)
        if not row["is_done"]
    ]
    due = [
        home.Entry(title=version.alternative_title, url=f"{practice}#due", icon="rotate-ccw")
        for _card, version in queries.due_versions(user)[:5]
    ]
    sections = [
        home.Section(
            title=_("Assigned to you"),
            entries=assigned,
            more_url=practice,
            more_label=_("Today's list"),
            empty=_("Nothing is assigned. Choose a case freely from the list."),
        )
    ]
    if due:
        sections.append(
            home.Section(title=_("Due for repetition"), entries=due, more_url=practice, more_label=_("Read"))
        )
    weak = [topic for topic in queries.topics(user) if topic["percent"] < WEAK_BELOW][:4]
    if weak:
        progress = reverse("practice:progress", kwargs={"organisation": slug})
        sections.append(
            home.Section(
                title=_("Weak topics"),
                side=True,
                entries=[
                    home.Entry(
                        title=topic["label"],
                        url=f"{reverse('practice:attempt-list', kwargs={'organisation': slug})}?topic={topic['key']}",
                        end=f"{topic['percent']} %",
                        note=ngettext("%(n)d read", "%(n)d reads", topic["reads"]) % {"n": topic["reads"]},
                    )
                    for topic in weak
                ],
                more_url=progress,
                more_label=_("Progress"),
            )
        )
    return sections


def educator_sections(request: Any) -> home.Section | None:
    """Cases people fail."""
    if not teaching.libraries_with(request.user, "teaching.view_results").exists():
        return None
    slug = request.organisation.slug
    rows = read.weak_cases(queries.attempts_of_learners(request.user))
    if not rows:
        return None
    return home.Section(
        title=_("Cases people fail"),
        side=True,
        entries=[
            home.Entry(
                title=row["title"],
                url=reverse("practice:case-results", kwargs={"organisation": slug, "case": row["id"]}),
                end=f"{row['percent']} %",
                note=ngettext("%(n)d reader", "%(n)d readers", row["readers"]) % {"n": row["readers"]},
            )
            for row in rows
        ],
    )


def find_unknowns(request: Any, words: str, limit: int) -> list[Hit]:
    """Cases to read, found by what a learner may know."""
    slug = request.organisation.slug
    found = teaching.search_unknowns(queries.readable_versions(request.user), words)
    address = reverse("practice:home", kwargs={"organisation": slug})
    return [
        Hit(label=v.alternative_title, url=f"{address}?q={words}#free", icon="graduation-cap") for v in found[:limit]
    ]
