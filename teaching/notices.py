"""Whom teaching tells of what, behind the bell. Nothing here names what a case that is still to be read shows."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

from access.queries import people_with_role
from core import notifications
from teaching.models import Assignment, Case, Course, Review

ASSIGNED = "teaching.assigned"
REVIEW_ASKED = "teaching.review_asked"
REVIEW_APPROVED = "teaching.review_approved"
REVIEW_CHANGES = "teaching.review_changes"
NEW_CASE = "teaching.new_case"
NEW_IMAGES = "teaching.new_images"


def register() -> None:
    reviews, cases = _("Reviews"), _("New cases")
    notifications.register(
        kind=ASSIGNED,
        label=_("Assignments"),
        icon="calendar-clock",
        sentence=_("“%(title)s” of %(course)s is yours to read until %(due)s"),
    )
    notifications.register(
        kind=REVIEW_ASKED,
        label=reviews,
        icon="message-square-quote",
        sentence=_("%(by)s asks for a review of “%(title)s”"),
    )
    notifications.register(
        kind=REVIEW_APPROVED, label=reviews, icon="circle-check", sentence=_("%(by)s approved “%(title)s”"), tone="pass"
    )
    notifications.register(
        kind=REVIEW_CHANGES,
        label=reviews,
        icon="message-square-warning",
        sentence=_("%(by)s asks for changes of “%(title)s”"),
        tone="query",
    )
    notifications.register(
        kind=NEW_IMAGES,
        label=_("Images"),
        icon="images",
        sentence=_("New images arrived for the published case “%(title)s”. Learners do not see them."),
        tone="query",
    )
    notifications.register(kind=NEW_CASE, label=cases, icon="book-plus", sentence=_("New in %(course)s: “%(title)s”"))


def assigned(*, assignment: Assignment, persons: Any, actor: Any) -> None:
    """Tell who is to read it: the persons named, or all learners of the course."""
    course = assignment.course
    readers = people_with_role(container=course, role="learner") if persons is None else persons
    notifications.send(
        kind=ASSIGNED,
        organisation=course.organisation,
        persons=readers,
        subject=str(assignment.public_id),
        url=_practice(course.organisation.slug),
        detail={"title": assignment.title, "course": course.name, "due": assignment.due_at},
        by=actor,
    )


def withdrawn(*, assignment: Assignment) -> None:
    notifications.withdraw(kind=ASSIGNED, organisation=assignment.organisation, subject=str(assignment.public_id))


def review_asked(*, case: Case, review: Review, actor: Any) -> None:
    """Tell the reviewer that was named, else all reviewers of the library, else its editors."""
    if review.reviewer is not None:
        reviewers = [review.reviewer]
    else:
        found = people_with_role(container=case.library, role="reviewer").exclude(pk=actor.pk)
        reviewers = list(found) or list(people_with_role(container=case.library, role="editor"))
    notifications.send(
        kind=REVIEW_ASKED,
        organisation=case.organisation,
        persons=reviewers,
        subject=case.public_id,
        url=_editor(case),
        detail={"title": case.title, "by": str(actor)},
        by=actor,
    )


def review_over(*, case: Case) -> None:
    notifications.withdraw(kind=REVIEW_ASKED, organisation=case.organisation, subject=case.public_id)


def reviewed(*, case: Case, review: Review, approved: bool, actor: Any) -> None:
    review_over(case=case)
    notifications.send(
        kind=REVIEW_APPROVED if approved else REVIEW_CHANGES,
        organisation=case.organisation,
        persons=[review.requested_by],
        subject=case.public_id,
        url=_editor(case),
        detail={"title": case.title, "by": str(actor)},
        by=actor,
    )


def new_case(*, case: Case, course: Course, actor: Any) -> None:
    """Tell the learners of a course of a case they can read from now on, by the title it has as an unknown."""
    if case.current_version is None or case.state != Case.State.PUBLISHED:
        return
    notifications.send(
        kind=NEW_CASE,
        organisation=course.organisation,
        persons=people_with_role(container=course, role="learner"),
        subject=f"{case.public_id} {course.pk}",
        url=_practice(course.organisation.slug),
        detail={"title": case.current_version.alternative_title, "course": course.name},
        by=actor,
    )


def published(*, case: Case, actor: Any) -> None:
    """A first version is news to every course that holds the case; later ones are not."""
    review_over(case=case)
    if case.current_version is None or case.current_version.number > 1:
        return
    for course in Course.objects.filter(course_cases__case=case).select_related("organisation"):
        new_case(case=case, course=course, actor=actor)


def images_arrived(*, case: Case) -> None:
    """Tell the author, or the editors where the author is none any more, that a published case lacks images."""
    editors = list(people_with_role(container=case.library, role="editor"))
    notifications.send(
        kind=NEW_IMAGES,
        organisation=case.organisation,
        persons=[person for person in editors if person.pk == case.owner_id] or editors,
        subject=case.public_id,
        url=_editor(case),
        detail={"title": case.title},
    )


def images_settled(*, case: Case) -> None:
    notifications.withdraw(kind=NEW_IMAGES, organisation=case.organisation, subject=case.public_id)


def unavailable(*, case: Case) -> None:
    """A case that left a course, or every list, is no news any more."""
    images_settled(case=case)
    for course in Course.objects.filter(course_cases__case=case):
        left_course(case=case, course=course)


def left_course(*, case: Case, course: Course) -> None:
    notifications.withdraw(kind=NEW_CASE, organisation=course.organisation, subject=f"{case.public_id} {course.pk}")


def _practice(slug: str) -> str:
    """Learners read on a floor above: its address is known by name only."""
    try:
        return reverse("practice:home", kwargs={"organisation": slug})
    except NoReverseMatch:
        return reverse("core:home", kwargs={"organisation": slug})


def _editor(case: Case) -> str:
    return reverse("teaching:case-edit", kwargs={"organisation": case.organisation.slug, "case": case.public_id})
