"""Memberships: in, out, and out for a while."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from access import hooks, queries
from access.errors import MemberSuspended, PeopleQuotaReached
from access.models import JoinRequest, Membership, Organisation, RoleGrant, User
from access.services.common import rights_changed
from access.services.roles import end_all, grant_role, keep_an_administrator
from core.errors import Conflict, NotFound
from core.tenancy import tenant

DIRECT = RoleGrant.Source.DIRECT


@transaction.atomic
def add_member(
    *,
    actor: User | None,
    organisation: Organisation,
    user: User,
    roles: Sequence[str] = ("member",),
    source: str = DIRECT,
    giver: User | None = None,
    request: Any = None,
) -> Membership:
    """Bring a person into an organisation, or back into it. `actor` is None for the installation itself.

    `giver` invited who comes in by themselves. A suspension is ended by `restore_member` alone. Raises `MemberSuspended`,
    and `PeopleQuotaReached` when the organisation has as many people as it may.
    """
    with tenant(organisation):
        if actor is not None:
            queries.require(actor, "access.manage_people", organisation)
        membership, created = Membership.objects.get_or_create(
            organisation=organisation, user=user, defaults={"is_active": False}
        )
        if membership.suspended_at is not None:
            raise MemberSuspended
        if not membership.is_active:
            _check_people_quota(organisation=organisation, user=user)
            # Whoever suspended or brought in the person at this moment has won.
            entered = Membership.objects.filter(pk=membership.pk, is_active=False, suspended_at=None)
            if entered.update(is_active=True) != 1:
                raise Conflict
            membership.is_active = True
            rights_changed(user.pk)
            detail = {} if source == DIRECT else {"source": source}
            hooks.tell(
                action="membership.joined" if giver else "membership.added" if created else "membership.renewed",
                organisation=organisation,
                actor=actor,
                target=user,
                detail=detail | ({"giver": giver.username} if giver else {}),
                request=request,
            )
        for role in dict.fromkeys(("member", *roles)):
            grant_role(
                actor=actor,
                container=organisation,
                role=role,
                user=user,
                source=source,
                giver=giver,
                request=request,
            )
        return membership


def _check_people_quota(*, organisation: Organisation, user: User) -> None:
    # Locked, so that two people who come in at once do not both take the last place.
    locked = Organisation.objects.select_for_update().get(pk=organisation.pk)
    if locked.people_quota is None or user.is_service:
        return
    if queries.people_count(organisation) >= locked.people_quota:
        raise PeopleQuotaReached


@transaction.atomic
def remove_member(*, actor: User, organisation: Organisation, user: User, request: Any = None) -> None:
    """End a membership and every right in the organisation at once. Raises `LastAdministrator`, `NotFound`."""
    with tenant(organisation):
        if actor.pk != user.pk:
            queries.require(actor, "access.manage_people", organisation)
        end_membership(actor=actor, organisation=organisation, user=user, request=request)


def end_membership(*, actor: User | None, organisation: Organisation, user: User, request: Any = None) -> None:
    """The same without asking who may; `actor` is None for sign-on providers. In a transaction."""
    with tenant(organisation):
        membership = _locked(organisation=organisation, user=user)
        keep_an_administrator(organisation=organisation, without=user)
        end_all(organisation=organisation, user=user, actor=actor)
        membership.is_active, membership.suspended_at = False, None
        membership.save(update_fields=["is_active", "suspended_at"])
        JoinRequest.objects.filter(user=user, state=JoinRequest.State.PENDING).update(
            state=JoinRequest.State.WITHDRAWN, decided_at=timezone.now()
        )
        hooks.tell(action="membership.ended", organisation=organisation, actor=actor, target=user, request=request)
        hooks.rights_lost(organisation=organisation, user=user)


def leave(*, user: User, organisation: Organisation, request: Any = None) -> None:
    """Leave of one's own will. Raises `LastAdministrator`, `NotFound`."""
    remove_member(actor=user, organisation=organisation, user=user, request=request)


@transaction.atomic
def suspend_member(*, actor: User, organisation: Organisation, user: User, request: Any = None) -> None:
    """Close every door of the organisation to a person at once; the roles wait for the return."""
    with tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        membership = _locked(organisation=organisation, user=user)
        if not membership.is_active:
            raise Conflict
        keep_an_administrator(organisation=organisation, without=user)
        membership.is_active, membership.suspended_at = False, timezone.now()
        membership.save(update_fields=["is_active", "suspended_at"])
        rights_changed(user.pk)
        hooks.tell(action="membership.suspended", organisation=organisation, actor=actor, target=user, request=request)
        hooks.rights_lost(organisation=organisation, user=user)


@transaction.atomic
def restore_member(*, actor: User, organisation: Organisation, user: User, request: Any = None) -> None:
    """End a suspension: the person has the roles of before again. Raises `NotFound`, `PeopleQuotaReached`."""
    with tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        membership = _locked(organisation=organisation, user=user)
        if membership.suspended_at is None:
            raise Conflict
        _check_people_quota(organisation=organisation, user=user)
        membership.is_active, membership.suspended_at = True, None
        membership.save(update_fields=["is_active", "suspended_at"])
        rights_changed(user.pk)
        hooks.tell(action="membership.restored", organisation=organisation, actor=actor, target=user, request=request)


def _locked(*, organisation: Organisation, user: User) -> Membership:
    """The membership, active or suspended, locked. The organisation is locked first, as everywhere on this floor:
    two administrators who remove each other wait for one another instead of blocking each other."""
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    found = Membership.objects.select_for_update().filter(organisation=organisation, user=user).first()
    if found is None or not (found.is_active or found.suspended_at):
        raise NotFound
    return found
