"""Break-glass: the read side. Its end is a condition of every query, so that no task has to come round in time."""

from __future__ import annotations

from typing import Any

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now

from access import queries
from access.break_glass import registry
from access.break_glass.models import BreakGlass, BreakGlassSubject
from access.grant_policy import policy_for
from access.models import Organisation, User
from core.errors import NotFound
from core.ready import ready
from core.tenancy import tenant

OVERSEERS = ("access.view_audit", "access.manage_people")


def running(user: Any) -> QuerySet[BreakGlass]:
    """What this person has open now, in the organisation of the scope."""
    if not getattr(user, "is_authenticated", False) or user.pk is None:
        return BreakGlass.objects.none()  # type: ignore[no-any-return]
    rows: QuerySet[BreakGlass] = BreakGlass.objects.filter(
        user=user,
        user__is_active=True,
        user__memberships__organisation=F("organisation"),
        user__memberships__is_active=True,
        ended_at=None,
        expires_at__gt=Now(),
    )
    return rows


@ready(scoped=True, user_id=int)
def _running_of(*, user_id: int) -> QuerySet[BreakGlass]:
    return running(User(pk=user_id))


def is_running(user: Any) -> bool:
    return running(user).exists()


def subjects_open_to(user: Any) -> QuerySet[Any]:
    """Primary keys of the patients, as a lazy query: the clock is the database's, at the moment it is asked."""
    rows: QuerySet[Any] = BreakGlassSubject.objects.filter(break_glass__in=running(user).values("pk")).values(
        "object_id"
    )
    return rows


def of_subject(*, user: Any, subject: int | None) -> BreakGlass | None:
    """The running break-glass that opens this patient to the person."""
    if subject is None:
        return None
    return running(user).filter(subjects__object_id=subject).order_by("-started_at").first()


def of_target(*, user: Any, target: Any) -> BreakGlass | None:
    """The running break-glass under which the person works on a study, series or instance."""
    known = registry.subjects()
    if known is None or target is None or getattr(user, "guest", None) is not None:
        return None
    subject = known.subject_of(target)
    return of_subject(user=user, subject=subject) if subject is not None else None


def explain(*, actor: Any, organisation: Any, target: Any, request: Any) -> str:
    """For the trail: the mark of everything done under a broken glass."""
    if actor is None or organisation is None or target is None:
        return ""
    with tenant(organisation):
        found = of_target(user=actor, target=target)
    return found.mark if found is not None else ""


def shown_to(request: Any) -> list[BreakGlass]:
    """What the banner of a page tells; asked once a request."""
    organisation = getattr(request, "organisation", None)
    if organisation is None or getattr(request, "membership", None) is None:
        return []
    known: list[BreakGlass] | None = getattr(request, "_break_glass", None)
    if known is None:
        with tenant(organisation):
            # Nothing runs where it is not allowed: switching it off ends what ran.
            is_allowed = policy_for(request).break_glass and request.user.is_authenticated
            known = _running_of.all(user_id=request.user.pk) if is_allowed else []
        request._break_glass = known
    return known


def is_overseer(user: Any, organisation: Organisation) -> bool:
    reasons = Q(pk__in=[])
    for right in OVERSEERS:
        reasons |= Q(pk__in=queries.containers_with(user=user, permission=right, container=Organisation).values("pk"))
    return Organisation.objects.filter(reasons, pk=organisation.pk).exists()


def all_of(organisation: Organisation) -> QuerySet[BreakGlass]:
    rows: QuerySet[BreakGlass] = BreakGlass.objects.filter(organisation=organisation).select_related("user")
    return rows


def get(*, user: Any, organisation: Organisation, public_id: str) -> BreakGlass:
    """One's own, or any for overseers; to others it is absent."""
    rows = all_of(organisation).filter(public_id=public_id)
    if not is_overseer(user, organisation):
        rows = rows.filter(user=user)
    found = rows.first()
    if found is None:
        raise NotFound
    return found
