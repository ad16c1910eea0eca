"""What a course shows in which order, and what is to be read by when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access.queries import people_with_role, require
from audit.services import record
from core.errors import Invalid, NotFound
from teaching import notices
from teaching.errors import NotALearner
from teaching.models import Assignment, AssignmentCase, Case, Course, CourseCase
from teaching.services import validation

ASSIGNMENT_FIELDS = ("title", "note", "opens_at", "due_at")


@transaction.atomic
def add_case_to_course(*, actor: Any, course: Course, case: Case, request: Any = None) -> CourseCase:
    """Put a case at the end of the course. The actor needs to see the case's library, too."""
    require(actor, "teaching.change_course", course)
    require(actor, "teaching.view_library", case.library)
    Course.objects.select_for_update().get(pk=course.pk)
    found = CourseCase.objects.filter(course=course, case=case).first()
    if found is not None:
        return found
    last = CourseCase.objects.filter(course=course).order_by("-position").first()
    row = CourseCase.objects.create(
        organisation_id=course.organisation_id, course=course, case=case, position=last.position + 1 if last else 0
    )
    _tell(course=course, actor=actor, request=request, detail={"added": case.public_id})
    notices.new_case(case=case, course=course, actor=actor)
    return row


@transaction.atomic
def remove_case_from_course(*, actor: Any, course: Course, case: Case, request: Any = None) -> None:
    """Learners of the course no longer see the case, unless another role shows it; their reads stay."""
    require(actor, "teaching.change_course", course)
    count, _rows = CourseCase.objects.filter(course=course, case=case).delete()
    if not count:
        raise NotFound
    _tell(course=course, actor=actor, request=request, detail={"removed": case.public_id})
    notices.left_course(case=case, course=course)


@transaction.atomic
def order_course(*, actor: Any, course: Course, case_ids: Sequence[str], request: Any = None) -> None:
    """Set the order by the cases' public ids; every case of the course is named once."""
    require(actor, "teaching.change_course", course)
    rows = {
        row.case.public_id: row for row in course.course_cases.select_for_update(of=("self",)).select_related("case")
    }
    if sorted(rows) != sorted(case_ids):
        raise Invalid(_("The course changed in the meantime. Reload the page and order it again."))
    for position, public_id in enumerate(case_ids):
        rows[public_id].position = position
    CourseCase.objects.bulk_update(rows.values(), ["position"])
    _tell(course=course, actor=actor, request=request, detail={"order": list(case_ids)})


def _tell(*, course: Course, actor: Any, request: Any, detail: dict[str, Any]) -> None:
    record(
        action="course.changed",
        organisation=course.organisation,
        actor=actor,
        target=course,
        detail=detail,
        request=request,
    )


@transaction.atomic
def create_assignment(
    *,
    actor: Any,
    course: Course,
    title: str,
    cases: Sequence[Case],
    due_at: datetime,
    opens_at: datetime | None = None,
    persons: Sequence[Any] | None = None,
    note: str = "",
    request: Any = None,
) -> Assignment:
    """Cases of the course to be read by `due_at`: by all its learners, or by `persons` when given.

    :raises Invalid: no cases, cases that are not of the course, or a due date before the opening.
    :raises NotALearner: when one of `persons` is not a learner of the course.
    """
    require(actor, "teaching.assign_cases", course)
    _check_cases(course=course, cases=cases)
    assignment = Assignment(
        organisation_id=course.organisation_id,
        course=course,
        title=title,
        note=note,
        audience=Assignment.Audience.COURSE if persons is None else Assignment.Audience.PERSONS,
        opens_at=opens_at or timezone.now(),
        due_at=due_at,
        created_by=actor,
    )
    _check(assignment)
    assignment.save()
    AssignmentCase.objects.bulk_create(
        AssignmentCase(organisation_id=course.organisation_id, assignment=assignment, case=case, position=position)
        for position, case in enumerate(cases)
    )
    if persons is not None:
        _check_persons(course=course, persons=persons)
        assignment.persons.set(persons)
    record(
        action="assignment.created",
        organisation=course.organisation,
        actor=actor,
        target=assignment,
        detail={"cases": len(cases), "course": course.slug, "persons": [p.username for p in persons or ()]},
        request=request,
    )
    notices.assigned(assignment=assignment, persons=persons, actor=actor)
    return assignment


def _check_cases(*, course: Course, cases: Sequence[Case]) -> None:
    if not cases:
        raise Invalid(fields={"cases": [_("Choose at least one case.")]})
    known = set(CourseCase.objects.filter(course=course, case__in=cases).values_list("case_id", flat=True))
    if {case.pk for case in cases} - known:
        raise Invalid(
            fields={"cases": [_("Only cases of the course can be assigned in it. Add them to the course first.")]}
        )
    if any(case.current_version_id is None for case in cases):
        raise Invalid(fields={"cases": [_("A case has to be published before it is assigned.")]})


def _check_persons(*, course: Course, persons: Sequence[Any]) -> None:
    if not persons:
        raise Invalid(fields={"persons": [_("Choose at least one learner.")]})
    learners = set(people_with_role(container=course, role="learner").values_list("pk", flat=True))
    if {person.pk for person in persons} - learners:
        raise NotALearner


def _check(assignment: Assignment) -> None:
    validation.validate(assignment)
    if assignment.due_at <= assignment.opens_at:
        raise Invalid(fields={"due_at": [_("The due date lies before the opening.")]})


@transaction.atomic
def change_assignment(
    *, actor: Any, assignment: Assignment, changes: Mapping[str, Any], request: Any = None
) -> Assignment:
    """Change title, note, opening or due date."""
    require(actor, "teaching.assign_cases", assignment.course)
    for name, value in changes.items():
        if name not in ASSIGNMENT_FIELDS:
            raise Invalid(fields={name: [_("This cannot be changed.")]})
        setattr(assignment, name, value)
    _check(assignment)
    assignment.save()
    _tell_assignment(action="assignment.changed", assignment=assignment, actor=actor, request=request)
    return assignment


@transaction.atomic
def withdraw_assignment(*, actor: Any, assignment: Assignment, request: Any = None) -> None:
    """Take an assignment back. Reads that were made for it stay."""
    require(actor, "teaching.assign_cases", assignment.course)
    moment = timezone.now()
    if Assignment.objects.filter(pk=assignment.pk, withdrawn_at=None).update(withdrawn_at=moment):
        assignment.withdrawn_at = moment
        _tell_assignment(action="assignment.withdrawn", assignment=assignment, actor=actor, request=request)
        notices.withdrawn(assignment=assignment)


def _tell_assignment(*, action: str, assignment: Assignment, actor: Any, request: Any) -> None:
    record(
        action=action,
        organisation=assignment.organisation,
        actor=actor,
        target=assignment,
        detail={"course": assignment.course.slug},
        request=request,
    )
