"""How assignments stand, from what the floor above tells."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from access.queries import people_with_role
from teaching import hooks
from teaching.models import Assignment, Course


def assignment_rows(course: Course) -> list[dict[str, Any]]:
    """Assignments of a course that are not withdrawn, with how many reads are done of how many wanted."""
    learners = set(people_with_role(container=course, role="learner").values_list("pk", flat=True))
    assignments = list(
        Assignment.objects.filter(course=course, withdrawn_at=None).prefetch_related("assignment_cases", "persons")
    )
    done = hooks.results().done_cases(assignment_ids=[assignment.pk for assignment in assignments])
    now = timezone.now()
    rows = []
    for assignment in assignments:
        persons = learners
        if assignment.audience == Assignment.Audience.PERSONS:
            persons = {person.pk for person in assignment.persons.all()} & learners
        cases = {item.case_id for item in assignment.assignment_cases.all()}
        read = sum(a == assignment.pk and c in cases and p in persons for a, c, p in done)
        wanted = len(cases) * len(persons)
        finished = sum(all((assignment.pk, case, person) in done for case in cases) for person in persons)
        rows.append(
            {
                "assignment": assignment,
                "cases": len(cases),
                "persons": len(persons),
                "read": read,
                "wanted": wanted,
                "finished": finished,
                "is_behind": assignment.is_overdue_at(now) and read < wanted,
            }
        )
    return rows
