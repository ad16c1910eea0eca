"""What holds for a person's sessions, from the policies of the organisations they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction

from access import hooks, queries
from access.models import Membership, Organisation, User
from access.sign_in.models import DEFAULT_IDLE_MINUTES, DEFAULT_SESSION_HOURS, SecurityPolicy
from core.cache import remember
from core.errors import Invalid
from core.tenancy import all_tenants, tenant

CACHED_SECONDS = 60


@dataclass(frozen=True)
class Times:
    """Seconds until an untouched session locks, and until any session ends."""

    idle_seconds: int
    session_seconds: int


def cache_key(user_id: int) -> str:
    return f"session-times:{user_id}"


def read_times(user: User) -> Times:
    """The strictest times of the person's organisations, from the database; keeps them for a minute."""
    path = "organisation__security_policy__"
    with all_tenants():
        rows = list(
            Membership.objects.filter(user=user, is_active=True).values_list(
                f"{path}idle_lock_minutes", f"{path}session_hours"
            )
        )
    pairs = [(idle or DEFAULT_IDLE_MINUTES, hours or DEFAULT_SESSION_HOURS) for idle, hours in rows] or [
        (DEFAULT_IDLE_MINUTES, DEFAULT_SESSION_HOURS)
    ]
    times = Times(idle_seconds=60 * min(p[0] for p in pairs), session_seconds=3600 * min(p[1] for p in pairs))
    remember({cache_key(user.pk): [times.idle_seconds, times.session_seconds]}, seconds=CACHED_SECONDS)
    return times


def times_of(user: User) -> Times:
    known = cache.get(cache_key(user.pk))
    return Times(*known) if known else read_times(user)


def of(organisation: Organisation) -> SecurityPolicy:
    """The organisation's policy, or the defaults."""
    with tenant(organisation):
        found = SecurityPolicy.objects.filter(organisation=organisation).first()
    return found or SecurityPolicy(organisation=organisation)


@transaction.atomic
def change(*, actor: User | None, organisation: Organisation, request: Any = None, **changes: Any) -> SecurityPolicy:
    """Set fields of the policy (`mfa_required`, `idle_lock_minutes`, `session_hours`). Raises `Invalid`, `Forbidden`.

    `actor` is None for the installation itself.
    """
    if actor is not None:
        queries.require(actor, "access.change_organisation", organisation)
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    policy = of(organisation)
    before = {name: getattr(policy, name) for name in changes}
    for name, value in changes.items():
        setattr(policy, name, value)
    try:
        policy.full_clean(validate_unique=False)
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error
    with tenant(organisation):
        policy.save()
    after = {name: getattr(policy, name) for name in changes}
    if before != after:
        hooks.tell(
            action="policy.changed",
            organisation=organisation,
            actor=actor,
            target=organisation,
            detail={"before": before, "after": after},
            request=request,
        )
    with tenant(organisation):
        members = list(Membership.objects.filter(organisation=organisation).values_list("user_id", flat=True))
    transaction.on_commit(lambda: cache.delete_many([cache_key(member) for member in members]))
    return policy


def demands_second_factor(*, organisation: Organisation) -> bool:
    with tenant(organisation):
        return SecurityPolicy.objects.filter(organisation=organisation, mfa_required=True).exists()
