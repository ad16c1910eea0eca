"""The read side of practice: what a person may read, has read, and is to read."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import BooleanField, Case, Exists, Max, OuterRef, Prefetch, Q, QuerySet, When
from django.utils import timezone
from django.utils.translation import gettext as _

from access.models import ContainerRole
from access.queries import containers_with, ready_for_plain
from audit.reasons import of_role
from core.errors import NotFound
from core.ready import ready
from practice.domain import order
from practice.models import Attempt, Card
from practice.permissions import within_reach
from teaching import queries as teaching
from teaching import vocabulary
from teaching.domain import content as documents
from teaching.domain import markup
from teaching.models import Assignment, AssignmentCase, CaseVersion, Course, CourseCase, Library


def readable_versions(user: Any, *, at: datetime | None = None) -> QuerySet[CaseVersion]:
    """What may be read as an unknown now."""
    return teaching.learnable(user, at=at)


def attempts_of(user: Any) -> QuerySet[Attempt]:
    """The newest first; of those begun at the same moment too, so that pages of the list fit together.

    Committed reads stay a person's record when the right to the case has ended; `is_open` says whether they can be opened.
    """
    rows: QuerySet[Attempt] = Attempt.objects.filter(user=user).select_related(
        "version__case__library", "assignment__course"
    )
    reach = Case(When(within_reach(user), then=True), default=False, output_field=BooleanField())
    return (
        rows.filter(Q(state__in=Attempt.REVEALED_STATES) | within_reach(user))
        .annotate(is_open=reach)
        .order_by("-started_at", "-pk")
    )


def own_attempt(user: Any, public_id: str) -> Attempt:
    """A person's own attempt while a role opens its case to them; any other does not exist for them."""
    found = attempts_of(user).filter(within_reach(user), public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


def open_assignments(user: Any, *, at: datetime | None = None) -> QuerySet[Assignment]:
    return teaching.assignments_of_learner(user, at=at)


def has_read_for(*, user: Any, case_id: int, assignment: Assignment) -> bool:
    return Attempt.objects.filter(
        user=user, version__case_id=case_id, assignment=assignment, state__in=Attempt.REVEALED_STATES
    ).exists()


def is_due(*, user: Any, group: str, moment: datetime) -> bool:
    return Card.objects.filter(user=user, diagnosis_group=group, due_at__lte=moment).exists()


def has_committed(user: Any) -> Exists:
    """On `CaseVersion`: whether the person committed a read of any version of the case."""
    return Exists(Attempt.objects.filter(user=user, version__case=OuterRef("case"), state__in=Attempt.REVEALED_STATES))


def visible_attempt(user: Any, public_id: str) -> Attempt:
    """An own attempt; or, once it is committed, one that an educator may see the result of."""
    found: Attempt | None = (
        Attempt.objects.select_related("version__case__library", "assignment__course", "user", "organisation")
        .filter(public_id=public_id)
        .first()
    )
    if found is None:
        raise NotFound
    if found.user_id == user.pk and Attempt.objects.filter(within_reach(user), pk=found.pk).exists():
        return found
    if found.is_revealed and attempts_of_learners(user).filter(pk=found.pk).exists():
        return found
    raise NotFound


def attempts_of_learners(user: Any) -> QuerySet[Attempt]:
    """Committed reads whose results an educator may see: cases of their libraries, cases and learners of their courses."""
    libraries = containers_with(user=user, permission="teaching.view_results", container=Library)
    courses = containers_with(user=user, permission="teaching.view_results", container=Course)
    in_course = CourseCase.objects.filter(course__in=courses.values("pk")).values("case")
    learners = ContainerRole.objects.filter(
        container_kind=Course.container_kind(), container_id__in=courses.values("pk"), role="learner"
    ).values("group__user")
    rows: QuerySet[Attempt] = Attempt.objects.filter(state__in=Attempt.REVEALED_STATES).filter(
        Q(version__case__library__in=libraries.values("pk"))
        | Q(assignment__course__in=courses.values("pk"))
        | (Q(version__case__in=in_course) & Q(user__in=learners))
    )
    return rows


def explanation(attempt: Attempt, *, user: Any) -> str:
    """What makes looking at this read the person's business."""
    if attempt.user_id != user.pk:
        return role_behind(attempt, person=user)
    if attempt.assignment is not None:
        return f"assignment {attempt.assignment.public_id}"
    return "own read"


def role_behind(attempt: Attempt, *, person: Any) -> str:
    """The person's role on the library of the case, or else on a course that has it; empty without one."""
    case = attempt.version.case
    held = of_role(person=person, places=(case.library,))
    return held or of_role(person=person, places=Course.objects.filter(course_cases__case=case).distinct())


def diagnosis_of(version: CaseVersion) -> str:
    """One line; only for those who may know."""
    return markup.first_line(documents.diagnosis_text(version.content))


def next_version(user: Any) -> CaseVersion | None:
    """What to read next: under way, assigned (earliest due date first), never read, then due for repetition.

    While a diagnosis is due, what was never read comes in an order of chance, in which unread cases of that diagnosis come
    up more often: repetition tests the diagnosis, not the picture. Nothing says which they are, and asking again gives the
    same case until something is committed.
    """
    readable = readable_versions(user)
    under_way = Attempt.objects.filter(user=user, state=Attempt.State.STARTED).order_by("started_at", "pk").first()
    if under_way is not None and readable.filter(pk=under_way.version_id).exists():
        return readable.get(pk=under_way.version_id)
    for row in assigned_rows(user):
        for item in row["cases"]:
            if not item["done"] and item["version"] is not None:
                found: CaseVersion = item["version"]
                return found
    unread = readable.exclude(pk__in=_read_versions(user)).order_by("published_at", "pk")
    due = due_versions(user)
    if not due:
        return unread.first()
    keys = list(unread.values_list("pk", flat=True))
    if not keys:
        return due[0][1]
    siblings = list(
        unread.filter(diagnosis_group__in=[card.diagnosis_group for card, _v in due]).values_list("pk", flat=True)
    )
    committed = Attempt.objects.filter(user=user, state__in=Attempt.REVEALED_STATES).count()
    return readable.get(pk=order.drawn(keys, siblings=siblings, seed=f"{user.pk}:{committed}"))


def _read_versions(user: Any) -> QuerySet[Any]:
    cases = Attempt.objects.filter(user=user, state__in=Attempt.REVEALED_STATES).values("version__case")
    rows: QuerySet[Any] = CaseVersion.objects.filter(case__in=cases).values("pk")
    return rows


def assigned_rows(user: Any) -> list[dict[str, Any]]:
    """Open assignments with their cases and which of them are read; three queries."""
    assignments = list(
        open_assignments(user).prefetch_related(
            Prefetch("assignment_cases", queryset=AssignmentCase.objects.select_related("case")),
        )
    )
    wanted = {item.case_id for assignment in assignments for item in assignment.assignment_cases.all()}
    readable = readable_versions(user).filter(case__in=wanted).defer("content", "learner_search", "case__search")
    versions = {version.case_id: version for version in readable}
    done = set(
        Attempt.objects.filter(user=user, state__in=Attempt.REVEALED_STATES, assignment__in=assignments).values_list(
            "assignment_id", "version__case_id"
        )
    )
    now = timezone.now()
    rows = []
    for assignment in assignments:
        cases = [
            {
                "version": versions.get(item.case_id),
                "case": item.case,
                "done": (assignment.pk, item.case_id) in done,
            }
            for item in assignment.assignment_cases.all()
        ]
        read = sum(bool(item["done"]) for item in cases)
        rows.append(
            {
                "assignment": assignment,
                "cases": cases,
                "read": read,
                "total": len(cases),
                "is_done": read == len(cases),
                "is_overdue": assignment.is_overdue_at(now) and read < len(cases),
            }
        )
    return rows


def due_versions(user: Any, *, moment: datetime | None = None) -> list[tuple[Card, CaseVersion]]:
    """Diagnoses due by `moment` (now), each with the case of it that was read longest ago.

    Only cases that the person has read: to name an unread one would tell its diagnosis.
    """
    until = moment or timezone.now()
    cards = list(Card.objects.filter(user=user, due_at__lte=until).order_by("due_at", "pk"))
    by_group: dict[str, list[CaseVersion]] = {}
    siblings = readable_versions(user).filter(
        has_committed(user), diagnosis_group__in=[card.diagnosis_group for card in cards]
    )
    for version in siblings.defer("content", "learner_search", "case__search"):
        by_group.setdefault(version.diagnosis_group, []).append(version)
    last_read = dict(
        Attempt.objects.filter(user=user, state__in=Attempt.REVEALED_STATES)
        .values_list("version__case_id")
        .annotate(at=Max("committed_at"))
    )
    found = []
    for card in cards:
        candidates = by_group.get(card.diagnosis_group, [])
        if candidates:
            found.append((card, min(candidates, key=lambda v: _longest_ago(last_read.get(v.case_id), v))))
    return found


@ready_for_plain
def _unread(user: Any, *, at: datetime) -> QuerySet[AssignmentCase]:
    """What `assigned_rows` shows as not read."""
    read = Attempt.objects.filter(
        user=user,
        state__in=Attempt.REVEALED_STATES,
        assignment=OuterRef("assignment"),
        version__case=OuterRef("case"),
    )
    assignments = open_assignments(user, at=at).select_related(None)
    rows: QuerySet[AssignmentCase] = AssignmentCase.objects.filter(~Exists(read), assignment__in=assignments)
    return rows.only("pk").order_by()


@ready_for_plain
def _due(user: Any, *, at: datetime) -> QuerySet[Card]:
    """The cards of `due_versions`."""
    read = Attempt.objects.filter(user=user, version__case=OuterRef("case"), state__in=Attempt.REVEALED_STATES)
    versions = readable_versions(user, at=at).filter(Exists(read), diagnosis_group=OuterRef("diagnosis_group"))
    rows: QuerySet[Card] = Card.objects.filter(Exists(versions), user=user, due_at__lte=at)
    return rows.only("pk").order_by()


@ready_for_plain
def _one_to_read(user: Any, *, at: datetime) -> QuerySet[CaseVersion]:
    return readable_versions(user, at=at).select_related(None).only("pk").order_by()[:1]


@ready(scoped=True, user_id=int)
def _begun(*, user_id: int) -> QuerySet[Attempt]:
    rows: QuerySet[Attempt] = Attempt.objects.filter(user_id=user_id).only("pk").order_by()[:1]
    return rows


def waiting(user: Any) -> int:
    """Assigned cases not read yet, and repetitions due: two queries, for every page."""
    return len(_unread(user)) + len(_due(user))


def has_begun(user: Any) -> bool:
    """Whether the person ever began a read."""
    return _begun.first(user_id=user.pk) is not None


def has_something_to_read(user: Any) -> bool:
    return bool(_one_to_read(user))


def _longest_ago(moment: datetime | None, version: CaseVersion) -> tuple[bool, float, int]:
    return (moment is not None, moment.timestamp() if moment else 0.0, version.pk)


def streak(user: Any, *, today: date) -> int:
    """Days in a row with at least one committed read, up to today or yesterday, in the person's time zone."""
    moments = Attempt.objects.filter(user=user, committed_at__isnull=False).values_list("committed_at", flat=True)
    days = {timezone.localtime(moment).date() for moment in moments}
    day = today if today in days else today - timedelta(days=1)
    count = 0
    while day in days:
        count += 1
        day -= timedelta(days=1)
    return count


def topics(user: Any) -> list[dict[str, Any]]:
    """Share of points by category over the person's scored reads, the weakest first."""
    rows = Attempt.objects.filter(user=user, state=Attempt.State.SCORED).values_list(
        "version__content__category", "points", "max_points"
    )
    sums: dict[str, list[float]] = {}
    for category, points, most in rows:
        entry = sums.setdefault(category or "", [0.0, 0.0, 0])
        entry[0] += points or 0.0
        entry[1] += most or 0.0
        entry[2] += 1
    labels = dict(vocabulary.CATEGORIES)
    found = [
        {
            "key": key,
            "label": str(labels.get(key, _("Without a category"))),
            "percent": round(100 * points / most) if most else 0,
            "reads": int(reads),
        }
        for key, (points, most, reads) in sums.items()
    ]
    return sorted(found, key=lambda row: (row["percent"], row["label"]))
