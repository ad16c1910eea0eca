"""What an event says besides who did what and why: which studies it was about, and where it happened.

Both are worked out when the event is written and kept in it: names change, the trail does not.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import Model
from django.utils.translation import gettext as _

from access.models import Organisation, RoleContainer
from access.role_words import place

MANY_STUDIES = 200


def studies_of(target: Model | None, *, detail: dict[str, Any]) -> list[str]:
    """Public ids. The event's detail names them (`study`, `studies`) or its target hangs on one; no other is looked up."""
    named = detail.get("study") or detail.get("studies") or getattr(target, "audit_studies", None)
    if isinstance(named, str):
        return [named[:64]]
    if isinstance(named, list | tuple):
        return [str(one)[:64] for one in named if isinstance(one, str)][:MANY_STUDIES]
    if target is None:
        return []
    if target._meta.label_lower == "archive.study":
        return [str(target.public_id)]  # type: ignore[attr-defined]
    if any(field.name == "study" and field.is_relation for field in target._meta.concrete_fields):
        study = getattr(target, "study", None)
        return [str(study.public_id)] if study is not None else []
    return []


def container_of(target: Model | None, *, detail: dict[str, Any]) -> RoleContainer | None:
    """The container that a target is or hangs on; of a change of roles, the one they are on. None for an account."""
    kind, pk = detail.get("container"), detail.get("container_id")
    if isinstance(kind, str) and isinstance(pk, int):
        found = _container(kind, pk)
        if found is not None:
            return found
    if target is None or isinstance(target, RoleContainer):
        return target
    path = getattr(target, "permission_path", None)
    if path is None:
        return None
    reached: Any = target
    for step in filter(None, path.split("__")):
        reached = getattr(reached, step, None)
    return reached if isinstance(reached, RoleContainer) else None


def _container(kind: str, pk: int) -> RoleContainer | None:
    try:
        model: Any = apps.get_model(kind)
    except (LookupError, ValueError):
        return None
    if not issubclass(model, RoleContainer):
        return None
    found: RoleContainer | None = model._default_manager.filter(pk=pk).first()
    return found


def name_of(container: RoleContainer | None, *, organisation: Organisation | None) -> str:
    """A container as people call it: *archive Clinical*, *trial Lung*; without one the organisation itself."""
    if container is None:
        container = organisation
    if container is None:
        return _("the installation")
    return place(container)
