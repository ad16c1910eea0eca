"""The one permission filter, and the one way to load and authorise.

A model says how it hangs on its container: `permission_path = "study__archive"` (empty on the container itself). HTML,
API, DICOMweb and DIMSE all ask here.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from access import hooks
from access.models import ContainerRole, Membership, Organisation, RoleContainer, User
from core.errors import Forbidden, NotFound

Row = TypeVar("Row", bound=Model)


def is_member(*, user: User | AnonymousUser, organisation: Organisation) -> bool:
    if not user.is_authenticated or not user.is_active:
        return False
    return Membership.objects.filter(user=user, organisation=organisation, is_active=True).exists()


def organisations_of(user: User) -> QuerySet[Organisation]:
    return Organisation.objects.filter(memberships__user=user, memberships__is_active=True).order_by("name")


def container_model(model: type[Model]) -> tuple[type[RoleContainer], str]:
    """The container class of a model and the lookup path to it."""
    path: str = model.permission_path  # type: ignore[attr-defined]
    found: Any = model
    for step in filter(None, path.split("__")):
        found = found._meta.get_field(step).related_model
    return found, path


def containers_with(*, user: User | AnonymousUser, permission: str, container: type[RoleContainer]) -> QuerySet[Any]:
    """Containers on which one of the person's roles holds `permission` ("archive.view_archive"), as a lazy query.

    Rights come from explicit grants only: there is no superuser shortcut and no global permission, and none holds
    without an active membership of the organisation.
    """
    rows = container._default_manager.all()
    if not user.is_authenticated or not user.is_active:
        return rows.none()
    app_label, codename = permission.split(".")
    if app_label != container._meta.app_label:
        return rows.none()
    grants = _permission_table(container).objects.filter(
        content_object=OuterRef("pk"),
        permission__codename=codename,
        permission__content_type__app_label=app_label,
        group__user=user,
    )
    organisation = "pk" if container is Organisation else "organisation_id"
    membership = Membership.objects.filter(user=user, is_active=True, organisation_id=OuterRef(organisation))
    return rows.filter(Exists(grants), Exists(membership)).order_by()


def _permission_table(container: type[RoleContainer]) -> Any:
    return apps.get_model(container._meta.app_label, f"{container.__name__}GroupObjectPermission")


def visible_to(user: User | AnonymousUser, queryset: QuerySet[Row], permission: str) -> QuerySet[Row]:
    """The rows of `queryset` that `user` holds `permission` on. One query; no duplicates.

    Besides roles on the container, upper floors add their own reasons (see `access.hooks.register_visibility`).
    """
    model = queryset.model
    container, path = container_model(model)
    allowed = containers_with(user=user, permission=permission, container=container)
    reasons = Q(**{f"{path}__in" if path else "pk__in": allowed.values("pk")})
    for provider in hooks.visibility_providers(model):
        reason = provider(user=user, permission=permission)
        if reason is not None:
            reasons |= reason
    return queryset.filter(reasons)


def get_visible(user: User | AnonymousUser, queryset: QuerySet[Row], permission: str, **lookup: Any) -> Row:
    """Load one row and authorise in the same step.

    Raises `NotFound` for what does not exist in the scope and `Forbidden` for a row that is there but that the
    member lacks the right to.
    """
    found = visible_to(user, queryset.filter(**lookup), permission).first()
    if found is not None:
        return found
    if queryset.filter(**lookup).exists():
        raise Forbidden
    raise NotFound


def may(user: User | AnonymousUser, permission: str, container: RoleContainer) -> bool:
    """Whether a role of the person holds `permission` on this container."""
    return containers_with(user=user, permission=permission, container=type(container)).filter(pk=container.pk).exists()


def require(user: User | AnonymousUser, permission: str, container: RoleContainer) -> None:
    """Raise `NotFound` to a stranger of the organisation and `Forbidden` to a member without the right."""
    if may(user, permission, container):
        return
    if is_member(user=user, organisation=container.owning_organisation):
        raise Forbidden
    raise NotFound


def roles_of(*, user: User, organisation: Organisation) -> dict[tuple[str, int], set[str]]:
    """Every role of a person in an organisation: (container kind, container id) → roles."""
    found: dict[tuple[str, int], set[str]] = {}
    rows = ContainerRole.objects.filter(organisation=organisation, group__user=user)
    for kind, container_id, role in rows.values_list("container_kind", "container_id", "role"):
        found.setdefault((kind, container_id), set()).add(role)
    return found


def people_with_role(*, container: RoleContainer, role: str | None = None) -> QuerySet[User]:
    """Active members who hold a role (any, when none is named) on the container."""
    groups = ContainerRole.objects.filter(container_kind=container.container_kind(), container_id=container.pk)
    if role is not None:
        groups = groups.filter(role=role)
    return User.objects.filter(
        groups__in=groups.values("group"),
        is_active=True,
        memberships__organisation=container.owning_organisation,
        memberships__is_active=True,
    ).distinct()
