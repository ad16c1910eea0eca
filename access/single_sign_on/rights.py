"""Roles and membership that follow from claims: given at each sign-in, and taken back when they are claimed no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from access import hooks, services
from access.errors import LastAdministrator
from access.models import ContainerRole, Organisation, RoleContainer, RoleGrant, User
from access.queries import container_of
from access.services.common import rights_changed
from access.services.members import end_membership
from access.single_sign_on import claims as claiming
from access.single_sign_on import queries
from access.single_sign_on.errors import SignOnRefused
from access.single_sign_on.models import SignOn
from core.tenancy import tenant


@dataclass(frozen=True)
class Claimed:
    """What claims give: membership, and roles, each with the rule that gave it."""

    is_member: bool
    roles: tuple[tuple[RoleContainer, str], ...]
    lines: tuple[queries.RuleLine, ...]


def claimed(*, sign_on: SignOn, claims: Mapping[str, Any]) -> Claimed:
    """Which roles these claims give, by the rules of now. Inside the scope; changes nothing."""
    lines = [line for line in queries.rule_lines(sign_on) if claiming.matches(line.rule, claims)]
    roles = dict.fromkeys((line.container, line.rule.role) for line in lines if line.container is not None)
    is_member = bool(roles) or sign_on.admits == SignOn.Admits.EVERYBODY
    return Claimed(is_member=is_member, roles=tuple(roles), lines=tuple(lines))  # type: ignore[arg-type]


@transaction.atomic
def bring_up_to_date(*, sign_on: SignOn, user: User, claims: Mapping[str, Any], request: Any = None) -> Claimed:
    """Give the person what the claims give, and take back what this sign-on gave before and claims no more.

    Roles given for other reasons stay. The last administrator stays one, and the trail says so. Raises `SignOnRefused`
    for who is suspended, and `PeopleQuotaReached`.
    """
    organisation = sign_on.organisation
    with tenant(organisation):
        # Serialises two sign-ins of one person, and everything else that changes who is in the organisation.
        Organisation.objects.select_for_update().get(pk=organisation.pk)
        state = queries.membership_state(user=user, organisation=organisation)
        if state == "suspended":
            raise SignOnRefused(code="suspended")
        found = claimed(sign_on=sign_on, claims=claims)
        if not found.is_member:
            if state == "active":
                _withdraw(sign_on=sign_on, user=user, is_gone=False, request=request)
            return found
        if state != "active":
            services.add_member(
                actor=None, organisation=organisation, user=user, source=sign_on.source, request=request
            )
        wanted = {(one.container_kind(), one.pk, role) for one, role in found.roles}
        for container, role in found.roles:
            services.grant_role(
                actor=None, container=container, role=role, user=user, source=sign_on.source, request=request
            )
        for held in _held(sign_on=sign_on, user=user):
            is_membership = held.container_kind == Organisation.container_kind() and held.role == "member"
            if is_membership or (held.container_kind, held.container_id, held.role) in wanted:
                continue
            _take_back(sign_on=sign_on, user=user, held=held, request=request)
        return found


@transaction.atomic
def end_gone(*, sign_on: SignOn, user: User, request: Any = None) -> bool:
    """The person is no longer in the directory, or the provider is deleted. True when the membership ended."""
    with tenant(sign_on.organisation):
        Organisation.objects.select_for_update().get(pk=sign_on.organisation_id)
        return _withdraw(sign_on=sign_on, user=user, is_gone=True, request=request)


def _held(*, sign_on: SignOn, user: User) -> list[ContainerRole]:
    rows = RoleGrant.objects.filter(user=user, source=sign_on.source, ended_at=None).select_related("container_role")
    return [row.container_role for row in rows]


def _take_back(*, sign_on: SignOn, user: User, held: ContainerRole, request: Any) -> bool:
    try:
        with transaction.atomic():
            services.revoke_role(
                actor=None,
                container=container_of(held),
                role=held.role,
                user=user,
                source=sign_on.source,
                request=request,
            )
    except LastAdministrator:
        _tell_kept(sign_on=sign_on, user=user, request=request)
        return False
    return True


def _withdraw(*, sign_on: SignOn, user: User, is_gone: bool, request: Any) -> bool:
    """Take back everything this sign-on gave; the membership ends with it unless there is another reason for it."""
    mine = RoleGrant.objects.filter(user=user, source=sign_on.source, ended_at=None)
    if not mine.exists():
        return False
    others = RoleGrant.objects.filter(user=user, ended_at=None).exclude(source=sign_on.source)
    membership = Organisation.container_kind()
    if is_gone:
        # Who left the directory has left; a role that was given beside does not keep them in, another way in does.
        others = others.filter(container_role__container_kind=membership, container_role__role="member")
    if not others.exists():
        try:
            with transaction.atomic():
                end_membership(actor=None, organisation=sign_on.organisation, user=user, request=request)
        except LastAdministrator:
            _tell_kept(sign_on=sign_on, user=user, request=request)
            return False
        return True
    for held in _held(sign_on=sign_on, user=user):
        if not (held.container_kind == membership and held.role == "member"):
            _take_back(sign_on=sign_on, user=user, held=held, request=request)
    if others.filter(container_role__container_kind=membership, container_role__role="member").exists():
        mine.filter(container_role__container_kind=membership, container_role__role="member").update(
            ended_at=timezone.now()
        )
        rights_changed(user.pk)
    return False


def _tell_kept(*, sign_on: SignOn, user: User, request: Any) -> None:
    hooks.tell(
        action="sign-on.administrator-kept",
        organisation=sign_on.organisation,
        target=user,
        detail={"sign_on": sign_on.public_id},
        request=request,
    )
