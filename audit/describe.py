"""What an event says besides who did what: which studies it was about, where it happened, and why it was theirs to do.

All three are worked out when the event is written and kept in it: names and roles change, the trail does not.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.apps import apps
from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from access.models import ContainerRole, Organisation, RoleContainer, RoleGrant
from access.queries import unexpired
from core.ready import ready
from core.tenancy import all_tenants

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
    place: Any = target
    for step in filter(None, path.split("__")):
        place = getattr(place, step, None)
    return place if isinstance(place, RoleContainer) else None


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
    return f"{container._meta.verbose_name} {container}"


def why(
    *,
    actor: Any,
    container: RoleContainer | None,
    organisation: Organisation | None,
    target: Model | None,
    door: str,
    detail: dict[str, Any],
) -> str:
    """The role that makes it their business: *manager of archive Clinical*, else what they are to the organisation."""
    if actor is None:
        return _nobody(container=container, organisation=organisation, door=door, detail=detail)
    if target is not None and target == actor:
        return _("own account")
    if organisation is None:
        return _("administrator of the installation") if actor.is_installation_administrator else ""
    places = [one for one in (container, container.parent_container if container else None, organisation) if one]
    roles = _roles_on(places, person=actor.pk)
    for place in places:
        held = roles.get((place.container_kind(), place.pk))
        if held:
            # Every member holds "member" besides.
            held = held - {"member"} or held
            named = [str(label) for role, (label, _rights) in place.ROLES.items() if role in held]
            words = ", ".join(name[:1].lower() + name[1:] for name in named or sorted(held))
            return f"{words} of {name_of(place, organisation=organisation)}"
    return _("member of %(name)s") % {"name": name_of(organisation, organisation=None)}


def _nobody(
    *, container: RoleContainer | None, organisation: Organisation | None, door: str, detail: dict[str, Any]
) -> str:
    """What no person did: a DICOM node, a worker of ours, or somebody who did not sign in."""
    calling = detail.get("calling_ae_title")
    if calling and isinstance(calling, str):
        place = name_of(container, organisation=organisation)
        return _("AE title %(title)s, as %(place)s allows") % {"title": calling, "place": place}
    return _("the installation itself") if door in ("task", "command", "") else _("nobody signed in")


@ready(user_id=int, at=datetime)
def _roles_held(*, user_id: int, at: datetime) -> QuerySet[ContainerRole]:
    """Every role of a person; few, and asked for at each event."""
    held = RoleGrant.objects.filter(unexpired(at=at), container_role=OuterRef("pk"), user_id=user_id, ended_at=None)
    rows: QuerySet[ContainerRole] = ContainerRole.objects.filter(Exists(held))
    return rows


def _roles_on(places: list[Any], *, person: int) -> dict[tuple[str, int], set[str]]:
    """One query for the container and the organisation together."""
    wanted = {(place.container_kind(), place.pk) for place in places}
    found: dict[tuple[str, int], set[str]] = {}
    with all_tenants():
        for row in _roles_held.all(user_id=person, at=timezone.now()):
            if (row.container_kind, row.container_id) in wanted:
                found.setdefault((row.container_kind, row.container_id), set()).add(row.role)
    return found
