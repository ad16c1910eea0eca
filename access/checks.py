"""Finds permission rows that no role explains. They open nothing (see `access.queries`), and nobody should have made them.

Asked by `manage.py check --database default`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import connections
from django.db.models import F, Q

from access import queries
from access.models import RoleContainer
from access.people import container_classes
from core.tenancy import all_tenants


def foreign_permissions(container: type[RoleContainer]) -> int:
    """How many permission rows on this kind of container are outside the whitelist."""
    kind = container.container_kind()
    explained = Q(pk=None)
    for role, (_label, codenames) in container.ROLES.items():
        explained |= Q(
            group__container_role__container_kind=kind,
            group__container_role__container_id=F("content_object_id"),
            group__container_role__role=role,
            permission__codename__in=codenames,
        )
    table: Any = queries.permission_table(container)
    by_person: Any = apps.get_model(container._meta.app_label, f"{container.__name__}UserObjectPermission")
    with all_tenants():
        return int(table.objects.exclude(pk__in=table.objects.filter(explained).values("pk")).count()) + int(
            by_person.objects.count()
        )


@register(Tags.database)
def every_permission_comes_from_a_role(
    app_configs: Any, databases: Sequence[str] | None = None, **_unused: Any
) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if not databases or "default" not in databases:
        return found
    tables = set(connections["default"].introspection.table_names())
    for container in container_classes():
        if queries.permission_table(container)._meta.db_table not in tables:
            continue  # before the first migration
        count = foreign_permissions(container)
        if count:
            found.append(
                Warning(
                    f"{count} permission rows on {container.container_kind()} belong to no role and open nothing.",
                    hint="Somebody wrote into the database by hand. Remove them after finding out who and why.",
                    id="access.W001",
                )
            )
    return found
