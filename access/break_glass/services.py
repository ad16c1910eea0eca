"""Break-glass: the write side."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, queries, throttle
from access.break_glass import registry
from access.break_glass.errors import BreakGlassOff, NothingFound, TooOften
from access.break_glass.models import BreakGlass, BreakGlassReview, BreakGlassSubject
from access.grant_policy import policy_of
from access.models import Organisation, User
from core.callers import client_address
from core.errors import Conflict, Invalid, NotFound

SHORTEST_STATEMENT = 10
STARTS_PER_HOUR = 5
MISSES_PER_WINDOW = 5


def start(
    *,
    actor: User,
    organisation: Organisation,
    reason: str,
    statement: str,
    patient_id: str = "",
    accession_number: str = "",
    request: Any = None,
) -> BreakGlass:
    """Open one patient's studies to a member for a while; officers hear of it at once.

    The caller has had the person prove anew who they are. Raises `BreakGlassOff`, `Invalid`, `NothingFound`, `TooOften`.
    """
    if not queries.is_member(user=actor, organisation=organisation):
        raise NotFound
    policy = policy_of(organisation)
    if not policy.break_glass:
        raise BreakGlassOff
    faults = _faults(
        reason=reason, statement=statement, patient_id=patient_id.strip(), accession_number=accession_number.strip()
    )
    if faults:
        raise Invalid(fields=faults)
    _check_rate(actor=actor, organisation=organisation, request=request)
    known = registry.subjects()
    found = (
        known.find(user=actor, patient_id=patient_id.strip(), accession_number=accession_number.strip())
        if known is not None
        else registry.Found()
    )
    if found.is_open:
        raise Invalid(_("These studies are open to you already: find them in the archive."))
    if found.is_ambiguous:
        _refused(actor=actor, organisation=organisation, why="ambiguous", request=request)
        raise Invalid(
            _("This number belongs to more than one patient. Nothing was opened; use the other number instead.")
        )
    if not found.subjects:
        throttle.count(_misses(actor=actor, organisation=organisation))
        _refused(actor=actor, organisation=organisation, why="nothing found", request=request)
        raise NothingFound
    return _open(
        actor=actor,
        organisation=organisation,
        reason=reason,
        statement=statement.strip(),
        subjects=found.subjects,
        minutes=policy.break_glass_minutes,
        request=request,
    )


@transaction.atomic
def _open(
    *,
    actor: User,
    organisation: Organisation,
    reason: str,
    statement: str,
    subjects: tuple[int, ...],
    minutes: int,
    request: Any,
) -> BreakGlass:
    from access.break_glass.tasks import alert_officers

    now = timezone.now()
    glass: BreakGlass = BreakGlass.objects.create(
        organisation=organisation,
        user=actor,
        reason=reason,
        statement=statement,
        address=client_address(request) or None if request is not None else None,
        started_at=now,
        expires_at=now + timedelta(minutes=minutes),
    )
    BreakGlassSubject.objects.bulk_create(
        BreakGlassSubject(organisation=organisation, break_glass=glass, object_id=subject) for subject in subjects
    )
    hooks.tell(
        action="break_glass.started",
        organisation=organisation,
        actor=actor,
        target=glass,
        # The words stay with the row: people write names into them.
        detail={"reason": str(BreakGlass.Reason(reason).label), "minutes": minutes},
        request=request,
    )
    alert_officers.enqueue(organisation_id=organisation.pk, break_glass_id=glass.pk)
    return glass


def _faults(*, reason: str, statement: str, patient_id: str, accession_number: str) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {}
    if reason not in BreakGlass.Reason.values:
        faults["reason"] = [_("Choose a reason.")]
    if len(statement.strip()) < SHORTEST_STATEMENT:
        faults["statement"] = [_("Say it in at least %(n)s characters.") % {"n": SHORTEST_STATEMENT}]
    if len(statement) > BreakGlass._meta.get_field("statement").max_length:  # type: ignore[operator]
        faults["statement"] = [_("This is too long.")]
    if bool(patient_id) == bool(accession_number):
        faults["patient_id"] = [_("Give either the patient ID or the accession number, exactly.")]
    return faults


def _check_rate(*, actor: User, organisation: Organisation, request: Any) -> None:
    lately = BreakGlass.objects.filter(user=actor, started_at__gt=timezone.now() - timedelta(hours=1)).count()
    misses = throttle.counted(_misses(actor=actor, organisation=organisation))
    if lately >= STARTS_PER_HOUR or misses >= MISSES_PER_WINDOW:
        _refused(actor=actor, organisation=organisation, why="too often", request=request)
        raise TooOften


def _misses(*, actor: User, organisation: Organisation) -> str:
    return throttle.counter("break-glass:miss", f"{organisation.pk}:{actor.pk}")


def _refused(*, actor: User, organisation: Organisation, why: str, request: Any) -> None:
    hooks.tell(
        action="break_glass.refused",
        organisation=organisation,
        actor=actor,
        target=organisation,
        detail={"why": why},
        outcome="refused",
        request=request,
    )


@transaction.atomic
def end(*, actor: User, glass: BreakGlass, request: Any = None) -> None:
    """End it now: by the person, or by an overseer. Ending what has ended changes nothing."""
    from access.break_glass.queries import is_overseer

    if glass.user_id != actor.pk and not is_overseer(actor, glass.organisation):
        raise NotFound
    now = timezone.now()
    if BreakGlass.objects.filter(pk=glass.pk, ended_at=None, expires_at__gt=now).update(ended_at=now):
        hooks.tell(
            action="break_glass.ended", organisation=glass.organisation, actor=actor, target=glass, request=request
        )


@transaction.atomic
def review(*, actor: User, glass: BreakGlass, verdict: str, note: str = "", request: Any = None) -> BreakGlassReview:
    """An officer's verdict. Raises `Invalid`; `Forbidden` to those who are no officers; `Conflict` on one's own."""
    queries.require(actor, "access.view_audit", glass.organisation)
    locked = BreakGlass.objects.select_for_update().get(pk=glass.pk)
    if locked.user_id == actor.pk:
        raise Conflict(_("This is your own. Another officer reviews it."))
    offered = set(BreakGlass.ReviewState.values) - {BreakGlass.ReviewState.WAITING}
    if verdict not in offered:
        raise Invalid(fields={"verdict": [_("Choose a verdict.")]})
    if verdict != BreakGlass.ReviewState.ACKNOWLEDGED and not note.strip():
        raise Invalid(fields={"note": [_("Say why, for whoever reads this later.")]})
    done: BreakGlassReview = BreakGlassReview.objects.create(
        organisation=locked.organisation, break_glass=locked, officer=actor, verdict=verdict, note=note.strip()[:1000]
    )
    locked.review_state = verdict
    locked.save(update_fields=["review_state"])
    hooks.tell(
        action="break_glass.reviewed",
        organisation=locked.organisation,
        actor=actor,
        target=locked,
        detail={"verdict": str(BreakGlass.ReviewState(verdict).label)},
        request=request,
    )
    glass.refresh_from_db()
    return done


def end_all(*, organisation: Organisation) -> int:
    """The organisation no longer allows it: what runs ends now."""
    now = timezone.now()
    return int(
        BreakGlass.objects.filter(organisation=organisation, ended_at=None, expires_at__gt=now).update(ended_at=now)
    )


def send_alert(*, break_glass_id: int) -> int:
    """Write to every compliance officer; returns to how many. The mail names no patient."""
    glass = BreakGlass.objects.select_related("organisation", "user").get(pk=break_glass_id)
    organisation = glass.organisation
    officers = queries.people_with_role(container=organisation, role="officer").exclude(email="")
    place = reverse("access:break-glass-one", kwargs={"organisation": organisation.slug, "glass": glass.public_id})
    words = _(
        "%(person)s broke the glass in %(organisation)s at %(time)s (UTC).\n\n"
        "Reason: %(reason)s\nIt ends by %(end)s (UTC).\n\nReview it: %(url)s\n"
    ) % {
        "person": glass.user.username,
        "organisation": organisation.name,
        "time": f"{glass.started_at:%Y-%m-%d %H:%M}",
        "end": f"{glass.expires_at:%H:%M}",
        "reason": BreakGlass.Reason(glass.reason).label,
        "url": f"{settings.PUBLIC_URL}{place}",
    }
    subject = _("Break-glass in %(organisation)s") % {"organisation": " ".join(organisation.name.split())}
    addresses = list(officers.values_list("email", flat=True))
    for address in addresses:
        # One mail each: officers need not learn each other's addresses.
        send_mail(subject=subject, message=words, from_email=None, recipient_list=[address])
    return len(addresses)
