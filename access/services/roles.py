"""Roles on containers: given for a reason, until an end, and taken back."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, queries
from access.errors import LastAdministrator, NotAMember, UnknownRole
from access.models import ContainerRole, Organisation, RoleContainer, RoleGrant, User
from access.services.common import rights_changed
from core.errors import Invalid, NotFound
from core.tenancy import all_tenants, tenant

DIRECT = RoleGrant.Source.DIRECT


def prepare_roles(*, container: RoleContainer) -> None:
    """Make or bring up to date the group of each role of a container. Safe to repeat."""
    organisation = container.owning_organisation
    table = queries.permission_table(type(container))
    content_type = ContentType.objects.get_for_model(type(container))
    permissions = {p.codename: p for p in Permission.objects.filter(content_type=content_type)}
    with tenant(organisation):
        for role, (_label, codenames) in container.ROLES.items():
            group = role_group(container=container, role=role).group
            wanted = {permissions[codename].pk for codename in codenames}
            held = set(
                table.objects.filter(group=group, content_object=container).values_list("permission_id", flat=True)
            )
            table.objects.filter(group=group, content_object=container, permission_id__in=held - wanted).delete()
            table.objects.bulk_create(
                table(group=group, content_object=container, permission_id=pk) for pk in sorted(wanted - held)
            )


def role_group(*, container: RoleContainer, role: str) -> ContainerRole:
    """The row behind a role of a container, made when it is missing. Inside the organisation's scope."""
    kind = container.container_kind()
    found: ContainerRole | None = (
        ContainerRole.objects.select_related("group")
        .filter(container_kind=kind, container_id=container.pk, role=role)
        .first()
    )
    if found is not None:
        return found
    # The table of groups belongs to no organisation and has no wall: its names must say nothing.
    group = Group.objects.create(name=f"role {uuid4().hex}")
    made: ContainerRole = ContainerRole.objects.create(
        organisation=container.owning_organisation,
        group=group,
        container_kind=kind,
        container_id=container.pk,
        role=role,
    )
    return made


def may_manage_roles(*, actor: User, container: RoleContainer) -> bool:
    """Administrators of the organisation, and managers of the container itself or of what it is a part of, give its
    roles."""
    if queries.may(actor, "access.manage_people", container.owning_organisation):
        return True
    if isinstance(container, Organisation):
        return False
    place: RoleContainer | None = container
    while place is not None:
        if queries.may(actor, f"{place._meta.app_label}.manage_{place._meta.model_name}", place):
            return True
        place = place.parent_container
    return False


def authorise(*, actor: User | None, container: RoleContainer) -> None:
    if actor is None or may_manage_roles(actor=actor, container=container):
        return
    queries.require(actor, "access.manage_people", container.owning_organisation)


@transaction.atomic
def grant_role(
    *,
    actor: User | None,
    container: RoleContainer,
    role: str,
    user: User,
    source: str = DIRECT,
    expires_at: datetime | None = None,
    giver: User | None = None,
    request: Any = None,
) -> None:
    """Give a member a role on a container, for one reason (`source`). Repeating it changes nothing. Without an `actor`,
    `giver` is who promised the role to somebody who takes it now.

    A person may hold a role for several reasons at once; it ends with the last of them. `actor` is None for the
    installation itself and for sign-on providers. Raises `Forbidden`, `UnknownRole`, `NotAMember`, `Invalid`.
    """
    organisation = container.owning_organisation
    with tenant(organisation):
        authorise(actor=actor, container=container)
        if role not in container.ROLES:
            raise UnknownRole
        if not queries.has_membership(user=user, organisation=organisation):
            raise NotAMember
        _check_end(container=container, role=role, expires_at=expires_at)
        if not ContainerRole.objects.filter(
            container_kind=container.container_kind(), container_id=container.pk, role=role
        ).exists():
            # A role that this kind of container got since the container was made.
            prepare_roles(container=container)
        held = role_group(container=container, role=role)
        _made, created = RoleGrant.objects.get_or_create(
            container_role=held,
            user=user,
            source=source,
            ended_at=None,
            defaults={"organisation": organisation, "granted_by": actor or giver, "expires_at": expires_at},
        )
        if not created:
            return
        is_new = not held.group.user_set.filter(pk=user.pk).exists()
        held.group.user_set.add(user)
        rights_changed(user.pk)
        if is_new and hooks.confines(container):
            # This role takes away more than it gives.
            hooks.rights_lost(organisation=organisation, user=user)
        if is_new or source == DIRECT:
            tell_role(
                action="role.received" if giver else "role.granted",
                actor=actor,
                container=container,
                role=role,
                user=user,
                request=request,
                detail={"source": source}
                | ({"until": expires_at.isoformat()} if expires_at else {})
                | ({"giver": giver.username} if giver else {}),
            )


@transaction.atomic
def revoke_role(
    *,
    actor: User | None,
    container: RoleContainer,
    role: str,
    user: User,
    source: str | None = None,
    request: Any = None,
) -> None:
    """Take a role on a container back: for one reason, or (without `source`) altogether.

    The last administrator of an organisation stays one. Raises `Forbidden`, `UnknownRole`, `LastAdministrator`.
    """
    organisation = container.owning_organisation
    with tenant(organisation):
        authorise(actor=actor, container=container)
        if role not in container.ROLES:
            raise UnknownRole
        if isinstance(container, Organisation) and role == "member":
            raise Invalid(_("Membership is ended on the people page, not by taking the role back."))
        held = role_group(container=container, role=role)
        rows = RoleGrant.objects.filter(container_role=held, user=user, ended_at=None)
        if source is not None:
            rows = rows.filter(source=source)
        if not rows.exists():
            return
        others = RoleGrant.objects.filter(container_role=held, user=user, ended_at=None).exclude(pk__in=rows)
        remains = others.filter(queries.unexpired()).exists()
        if isinstance(container, Organisation) and role == "administrator" and not remains:
            keep_an_administrator(organisation=organisation, without=user)
        rows.update(ended_at=timezone.now(), ended_by=actor)
        rights_changed(user.pk)
        if remains:
            return
        held.group.user_set.remove(user)
        tell_role(action="role.revoked", actor=actor, container=container, role=role, user=user, request=request)
        hooks.rights_lost(organisation=organisation, user=user)


@transaction.atomic
def set_expiry(*, actor: User, grant: RoleGrant, expires_at: datetime | None, request: Any = None) -> None:
    """Give a role an end, move it, or take it away. Raises `Invalid` for a moment that has passed."""
    container = queries.container_of(grant.container_role)
    authorise(actor=actor, container=container)
    role = grant.container_role.role
    _check_end(container=container, role=role, expires_at=expires_at)
    changed = RoleGrant.objects.filter(pk=grant.pk, ended_at=None).update(expires_at=expires_at)
    if changed != 1:
        raise NotFound
    rights_changed(grant.user_id)
    tell_role(
        action="role.limited",
        actor=actor,
        container=container,
        role=role,
        user=grant.user,
        request=request,
        detail={"until": expires_at.date().isoformat() if expires_at else str(_("without an end"))},
    )


def _check_end(*, container: RoleContainer, role: str, expires_at: datetime | None) -> None:
    if expires_at is None:
        return
    if expires_at <= timezone.now():
        raise Invalid(fields={"expires_at": [_("The date has passed.")]})
    if isinstance(container, Organisation) and role in ("administrator", "member"):
        # An organisation must not lose its last administrator by the clock; a membership is ended, not dated.
        raise Invalid(fields={"expires_at": [_("This role has no end date; take it back instead.")]})


def end_all(*, organisation: Organisation, user: User, actor: User | None) -> None:
    """End every grant of a person in the organisation. Inside its scope."""
    groups = Group.objects.filter(container_role__organisation=organisation, user=user)
    user.groups.remove(*groups)
    RoleGrant.objects.filter(user=user, ended_at=None).update(ended_at=timezone.now(), ended_by=actor)
    rights_changed(user.pk)


def end_expired_grants() -> int:
    """Bring to an end what the clock has ended already; returns how many. For the nightly task; safe to repeat."""
    with all_tenants():
        due = list(
            RoleGrant.objects.filter(ended_at=None, expires_at__lte=timezone.now())
            .select_related("organisation", "container_role__group", "user")
            .order_by("pk")[:5000]
        )
    ended = 0
    for grant in due:
        with transaction.atomic(), tenant(grant.organisation):
            rows = RoleGrant.objects.filter(pk=grant.pk, ended_at=None, expires_at__lte=timezone.now())
            if rows.update(ended_at=grant.expires_at) != 1:
                continue
            ended += 1
            held = grant.container_role
            if RoleGrant.objects.filter(container_role=held, user=grant.user, ended_at=None).exists():
                continue
            held.group.user_set.remove(grant.user)
            tell_role(
                action="role.expired",
                actor=None,
                container=queries.container_of(held),
                role=held.role,
                user=grant.user,
                request=None,
            )
            hooks.rights_lost(organisation=grant.organisation, user=grant.user)
    return ended


def tell_role(
    *,
    action: str,
    actor: User | None,
    container: RoleContainer,
    role: str,
    user: User,
    request: Any,
    detail: dict[str, Any] | None = None,
) -> None:
    hooks.tell(
        action=action,
        organisation=container.owning_organisation,
        actor=actor,
        target=user,
        detail={"role": role, "container": container.container_kind(), "container_id": container.pk} | (detail or {}),
        request=request,
    )


def keep_an_administrator(*, organisation: Organisation, without: User) -> None:
    """Raises `LastAdministrator` when nobody else would be left who may administer. Inside the scope, in a
    transaction."""
    # The row lock serialises two administrators who demote each other at the same moment.
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    administrators = queries.people_with_role(container=organisation, role="administrator")
    administrators = administrators.filter(service_of=None)
    is_one = administrators.filter(pk=without.pk).exists()
    if is_one and not administrators.exclude(pk=without.pk).exists():
        raise LastAdministrator
