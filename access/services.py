"""Organisations, memberships, roles and tokens: the write side."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, queries
from access.errors import LastAdministrator, NotAMember, UnknownRole
from access.models import ApiToken, ContainerRole, Membership, Organisation, RoleContainer, User
from core.errors import Invalid, NotFound
from core.tenancy import tenant

TOKEN_PREFIX = "pw_"
LAST_USED_RESOLUTION_SECONDS = 60


@transaction.atomic
def create_organisation(
    *, slug: str, name: str, time_zone: str = "UTC", administrator: User | None = None
) -> Organisation:
    """Make a tenant with its role groups; the first administrator joins it. Raises `Invalid`."""
    organisation = Organisation(slug=slug, name=name, time_zone=time_zone)
    _validate(organisation)
    organisation.save()
    prepare_roles(container=organisation)
    hooks.tell(action="organisation.created", organisation=organisation, actor=administrator, target=organisation)
    if administrator is not None:
        add_member(actor=None, organisation=organisation, user=administrator, roles=("administrator",))
    return organisation


def prepare_roles(*, container: RoleContainer) -> None:
    """Make or bring up to date the group of each role of a container. Safe to repeat."""
    organisation = container.owning_organisation
    table = queries._permission_table(type(container))
    content_type = ContentType.objects.get_for_model(type(container))
    permissions = {p.codename: p for p in Permission.objects.filter(content_type=content_type)}
    with tenant(organisation):
        for role, (_label, codenames) in container.ROLES.items():
            group = _role_group(container=container, role=role)
            wanted = {permissions[codename].pk for codename in codenames}
            held = set(
                table.objects.filter(group=group, content_object=container).values_list("permission_id", flat=True)
            )
            table.objects.filter(group=group, content_object=container, permission_id__in=held - wanted).delete()
            table.objects.bulk_create(
                table(group=group, content_object=container, permission_id=pk) for pk in sorted(wanted - held)
            )


def _role_group(*, container: RoleContainer, role: str) -> Group:
    kind = container.container_kind()
    found = ContainerRole.objects.filter(container_kind=kind, container_id=container.pk, role=role).first()
    if found is not None:
        return found.group
    group = Group.objects.create(name=f"{kind}:{container.pk}:{role}")
    ContainerRole.objects.create(
        organisation=container.owning_organisation,
        group=group,
        container_kind=kind,
        container_id=container.pk,
        role=role,
    )
    return group


@transaction.atomic
def add_member(
    *,
    actor: User | None,
    organisation: Organisation,
    user: User,
    roles: Sequence[str] = ("member",),
    request: Any = None,
) -> Membership:
    """Bring a person into an organisation, or back into it. `actor` is None for the installation itself."""
    if actor is not None:
        queries.require(actor, "access.manage_people", organisation)
    membership, created = Membership.objects.get_or_create(organisation=organisation, user=user)
    if not membership.is_active:
        membership.is_active = True
        membership.save(update_fields=["is_active"])
    hooks.tell(
        action="membership.added" if created else "membership.renewed",
        organisation=organisation,
        actor=actor,
        target=user,
        request=request,
    )
    for role in dict.fromkeys(("member", *roles)):
        grant_role(actor=actor, container=organisation, role=role, user=user, request=request)
    return membership


@transaction.atomic
def remove_member(*, actor: User, organisation: Organisation, user: User, request: Any = None) -> None:
    """End a membership and every right in the organisation at once."""
    if actor.pk != user.pk:
        queries.require(actor, "access.manage_people", organisation)
    membership = (
        Membership.objects.select_for_update().filter(organisation=organisation, user=user, is_active=True).first()
    )
    if membership is None:
        raise NotFound
    _keep_an_administrator(organisation=organisation, without=user)
    with tenant(organisation):
        groups = Group.objects.filter(pk__in=ContainerRole.objects.filter(group__user=user).values("group"))
        user.groups.remove(*groups)
    membership.is_active = False
    membership.save(update_fields=["is_active"])
    hooks.tell(action="membership.ended", organisation=organisation, actor=actor, target=user, request=request)


def may_manage_roles(*, actor: User, container: RoleContainer) -> bool:
    """Administrators of the organisation, and managers of the container itself, give its roles."""
    if queries.may(actor, "access.manage_people", container.owning_organisation):
        return True
    if isinstance(container, Organisation):
        return False
    codename = f"manage_{container._meta.model_name}"
    return queries.may(actor, f"{container._meta.app_label}.{codename}", container)


@transaction.atomic
def grant_role(*, actor: User | None, container: RoleContainer, role: str, user: User, request: Any = None) -> None:
    """Give a member a role on a container. Repeating it changes nothing."""
    organisation = container.owning_organisation
    _authorise_roles(actor=actor, container=container)
    if role not in container.ROLES:
        raise UnknownRole
    if not queries.is_member(user=user, organisation=organisation):
        raise NotAMember
    with tenant(organisation):
        group = _role_group(container=container, role=role)
        if group.user_set.filter(pk=user.pk).exists():
            return
        group.user_set.add(user)
    _tell_role(action="role.granted", actor=actor, container=container, role=role, user=user, request=request)


@transaction.atomic
def revoke_role(*, actor: User | None, container: RoleContainer, role: str, user: User, request: Any = None) -> None:
    """Take a role on a container back. The last administrator of an organisation stays one."""
    organisation = container.owning_organisation
    _authorise_roles(actor=actor, container=container)
    if role not in container.ROLES:
        raise UnknownRole
    if isinstance(container, Organisation):
        if role == "member":
            raise Invalid(_("Membership is ended on the people page, not by taking the role back."))
        if role == "administrator":
            _keep_an_administrator(organisation=organisation, without=user)
    with tenant(organisation):
        _role_group(container=container, role=role).user_set.remove(user)
    _tell_role(action="role.revoked", actor=actor, container=container, role=role, user=user, request=request)


def _authorise_roles(*, actor: User | None, container: RoleContainer) -> None:
    if actor is None or may_manage_roles(actor=actor, container=container):
        return
    queries.require(actor, "access.manage_people", container.owning_organisation)


def _tell_role(
    *, action: str, actor: User | None, container: RoleContainer, role: str, user: User, request: Any
) -> None:
    detail = {"role": role, "container": container.container_kind(), "container_id": container.pk}
    hooks.tell(
        action=action,
        organisation=container.owning_organisation,
        actor=actor,
        target=user,
        detail=detail,
        request=request,
    )


def _keep_an_administrator(*, organisation: Organisation, without: User) -> None:
    # The row lock serialises two administrators who demote each other at the same moment.
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    with tenant(organisation):
        administrators = queries.people_with_role(container=organisation, role="administrator")
        is_one = administrators.filter(pk=without.pk).exists()
        if is_one and not administrators.exclude(pk=without.pk).exists():
            raise LastAdministrator


@transaction.atomic
def create_token(
    *, user: User, name: str, scopes: Sequence[str], expires_at: datetime | None = None, request: Any = None
) -> tuple[ApiToken, str]:
    """Make a token; the secret is returned once and not kept. Raises `Invalid`."""
    unknown = sorted(set(scopes) - set(ApiToken.Scope.values))
    if not scopes or unknown:
        raise Invalid(fields={"scopes": [_("Choose at least one of: %s.") % ", ".join(ApiToken.Scope.values)]})
    if expires_at is not None and expires_at <= timezone.now():
        raise Invalid(fields={"expires_at": [_("The date has passed.")]})
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user=user,
        name=name.strip() or _("Token"),
        digest=token_digest(secret),
        prefix=secret[:9],
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
    )
    _validate(token)
    token.save()
    hooks.tell(action="token.created", actor=user, target=token, detail={"scopes": token.scopes}, request=request)
    return token, secret


@transaction.atomic
def revoke_token(*, actor: User, token: ApiToken, request: Any = None) -> None:
    if token.user_id != actor.pk:
        raise NotFound
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())
    hooks.tell(action="token.revoked", actor=actor, target=token, request=request)


def authenticate_token(*, secret: str) -> ApiToken | None:
    """The valid token behind a secret, its person loaded; None for anything else."""
    token = ApiToken.objects.select_related("user").filter(digest=token_digest(secret)).first()
    now = timezone.now()
    if token is None or not token.is_valid_at(now) or not token.user.is_active:
        return None
    if token.last_used_at is None or (now - token.last_used_at).total_seconds() > LAST_USED_RESOLUTION_SECONDS:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token


def token_digest(secret: str) -> str:
    # The secret has 256 random bits: a plain hash is enough, a slow one would only slow every request.
    return hashlib.sha256(secret.encode()).hexdigest()


def _validate(row: Any) -> None:
    from django.core.exceptions import ValidationError

    try:
        row.full_clean()
    except ValidationError as error:
        raise Invalid(fields=error.message_dict) from error
