"""After an upgrade a role may hold a permission that its group does not have yet: bring the groups up to date."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models import Exists, OuterRef

from access.models import ContainerRole, RoleContainer
from access.queries import permission_table
from core.tenancy import all_tenants


def renew_roles(*, sender: AppConfig, **_signal: Any) -> None:
    """Runs after every migration for the containers of the app whose permissions were just made; asks once for each role
    and permission, and mends only what lacks something."""
    from access.people import container_classes
    from access.services import prepare_roles

    for model in container_classes():
        if model._meta.app_config is not sender:
            continue
        with all_tenants():
            stale = list(_lacking(model))
        for container in stale:
            prepare_roles(container=container)


def _lacking(model: type[RoleContainer]) -> list[RoleContainer]:
    found: dict[int, RoleContainer] = {}
    for role, (_label, codenames) in model.ROLES.items():
        groups = ContainerRole.objects.filter(
            container_kind=model.container_kind(), container_id=OuterRef("pk"), role=role
        )
        for codename in codenames:
            held = permission_table(model).objects.filter(
                content_object=OuterRef("pk"),
                permission__codename=codename,
                group__container_role__container_kind=model.container_kind(),
                group__container_role__role=role,
            )
            rows = model._default_manager.filter(Exists(groups)).exclude(Exists(held))
            found |= {row.pk: row for row in rows}
    return list(found.values())
