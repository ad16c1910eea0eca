"""Where other parts of the product lead into teaching: the viewer's header, the navigation, the home page."""

from __future__ import annotations

from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from access import rights
from archive.models import Archive
from core import home
from teaching import pinned, queries, results
from teaching.models import Case
from viewer.domain.manifest import Action


def make_case_action(*, user: Any, study: Any, request: Any) -> Action | None:
    """*Make teaching case*: for those who write in a library, on studies that are not de-identified copies."""
    if study.archive.purpose != Archive.Purpose.CLINICAL:
        return None
    if not queries.libraries_with(user, "teaching.edit_cases").exists():
        return None
    slug = request.organisation.slug
    return Action(
        name="make-case",
        label=_("Make teaching case"),
        kind="dialog",
        href=reverse("teaching:case-make", kwargs={"organisation": slug, "study": study.public_id}),
        icon="book-plus",
        primary=True,
    )


def may_teach(request: Any) -> bool:
    return (
        rights.holds_anywhere(request, "teaching.view_library")
        or rights.holds_anywhere(request, "teaching.view_course")
        or rights.holds(request, "access.add_container")
    )


def reviews_waiting(request: Any) -> int | None:
    if not rights.holds_anywhere(request, "teaching.review_cases"):
        return None
    return queries.count_reviews_asked_of(request.user) or None


def home_sections(request: Any) -> list[home.Section]:
    """An educator's day: reviews asked of me, drafts of mine, assignments behind."""
    user, slug = request.user, request.organisation.slug
    libraries = queries.libraries_with(user, "teaching.edit_cases")
    found: list[home.Section] = []
    reviews = list(queries.reviews_asked_of(user)[:6])
    if reviews:
        found.append(
            home.Section(
                title=_("Reviews asked of you"),
                entries=[
                    home.Entry(
                        title=review.case.title,
                        url=_case(slug, review.case),
                        note=_("asked by %s") % review.requested_by,
                        icon="message-square-quote",
                        tone="query",
                    )
                    for review in reviews
                ],
            )
        )
    if libraries.exists():
        found.append(_drafts(user=user, slug=slug))
    behind = _behind(user=user, slug=slug)
    if behind:
        found.append(home.Section(title=_("Assignments behind"), entries=behind))
    return found


def _drafts(*, user: Any, slug: str) -> home.Section:
    rows = queries.cases_of(user, "teaching.edit_cases").filter(owner=user).exclude(state=Case.State.RETIRED)
    recent = list(rows.order_by("-updated_at")[:30])
    grown = pinned.with_new_images([case.pk for case in recent])
    unfinished = [
        case
        for case in recent
        if case.state != Case.State.PUBLISHED or case.has_unpublished_changes or case.pk in grown
    ]
    return home.Section(
        title=_("Your drafts"),
        entries=[
            home.Entry(
                title=case.title,
                url=_case(slug, case),
                note=_("published; new images arrived") if case.pk in grown else _note(case),
                icon="file-pen-line",
                tone="fail" if case.preparation_error else "",
            )
            for case in unfinished[:6]
        ],
        more_url=reverse("teaching:home", kwargs={"organisation": slug}),
        more_label=_("All cases"),
        empty=_("No drafts. Open a study and press “Make teaching case”."),
    )


def _note(case: Case) -> str:
    if case.preparation_error:
        return case.preparation_error
    if case.has_unpublished_changes:
        return _("published, with changes since")
    return str(case.get_state_display())


def _behind(*, user: Any, slug: str) -> list[home.Entry]:
    entries = []
    for course in queries.courses_with(user, "teaching.view_results"):
        for row in results.assignment_rows(course):
            if row["is_behind"]:
                missing = row["persons"] - row["finished"]
                entries.append(
                    home.Entry(
                        title=row["assignment"].title,
                        url=reverse("teaching:course", kwargs={"organisation": slug, "course": course.slug}),
                        note=ngettext("%(n)d learner is behind", "%(n)d learners are behind", missing) % {"n": missing},
                        icon="clock-alert",
                        tone="fail",
                    )
                )
    return entries


def _case(slug: str, case: Case) -> str:
    return reverse("teaching:case-edit", kwargs={"organisation": slug, "case": case.public_id})
