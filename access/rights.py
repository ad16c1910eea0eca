"""All that the person of a request may do in its organisation, asked once however often a page wants to know.

`access.queries.containers_with` is the rule; this is the same rule read from the other end, for pages that ask about many
permissions at once: from the roles a person holds to what they open. One query for the roles and one for each kind of
container they are on, instead of one for each question, and each made ready, since every page asks them.
`tests/access/test_rights.py` holds the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from access import hooks, queries
from access.models import ContainerRole, Membership, Organisation, RoleContainer, RoleGrant
from access.people import container_classes
from core.ready import Ready, ready
from core.tenancy import all_tenants, tenant

#: (kind of container, primary key) → permissions ("archive.view_archive").
Rights = Mapping[tuple[str, int], frozenset[str]]
NONE: Rights = {}


def of(*, user: Any, organisation: Organisation) -> Rights:
    """What each container of the organisation allows the person; containers that allow nothing are left out."""
    if not user.is_authenticated or not user.is_active or getattr(user, "guest", None) is not None:
        return NONE
    values = {"user_id": user.pk, "at": timezone.now()}
    with tenant(organisation):
        if not (queries.is_plain(user) or queries.is_member(user=user, organisation=organisation)):
            return NONE
        roles = {held.group_id: held for held in _roles_held.all(**values)}
        found: dict[tuple[str, int], set[str]] = defaultdict(set)
        for model in container_classes():
            kind, label = model.container_kind(), model._meta.app_label
            if all(held.container_kind != kind for held in roles.values()):
                continue
            for row in _permissions_of_roles(model).all(**values, organisation_id=organisation.pk):
                held, codename = roles.get(row.group_id), row.permission.codename
                # Not there, or of another container: a row that no role explains.
                if held is None or (held.container_kind, held.container_id) != (kind, row.content_object_id):
                    continue
                if held.role in model.roles_with(codename):
                    found[kind, held.container_id].add(f"{label}.{codename}")
            _confine(found, model=model, user=user, kinds={held.container_kind for held in roles.values()})
        rights = {key: frozenset(permissions) for key, permissions in found.items() if permissions}
    return _as_seen_by(user, rights=rights, organisation=organisation)


def _confine(found: dict[tuple[str, int], set[str]], *, model: type[RoleContainer], user: Any, kinds: set[str]) -> None:
    """Take away what a confining role keeps shut; asked only of people who hold one of that kind."""
    for confinement in hooks.confinements(model):
        if confinement.by not in kinds:
            continue
        for pk in confinement.rule(user=user):
            if (key := (model.container_kind(), pk)) in found:
                found[key] &= confinement.spared


@ready(scoped=True, user_id=int, at=datetime)
def _roles_held(*, user_id: int, at: datetime) -> QuerySet[ContainerRole]:
    """The roles of an active member, each once."""
    membership = Membership.objects.filter(
        user_id=user_id, is_active=True, organisation=OuterRef("organisation"), organisation__suspended_at=None
    )
    held = RoleGrant.objects.filter(
        queries.unexpired(at=at), container_role=OuterRef("pk"), user_id=user_id, ended_at=None
    )
    rows: QuerySet[ContainerRole] = ContainerRole.objects.filter(Exists(held), Exists(membership))
    return rows


@cache
def _permissions_of_roles(model: type[RoleContainer]) -> Ready[Any]:
    """The rows of permissions behind the roles that a person holds on containers of one kind."""

    @ready(organisation_id=int, user_id=int, at=datetime)
    def rows(*, organisation_id: int, user_id: int, at: datetime) -> QuerySet[Any]:
        with all_tenants():
            held = RoleGrant.objects.filter(
                queries.unexpired(at=at),
                container_role__group=OuterRef("group"),
                container_role__container_kind=model.container_kind(),
                organisation_id=organisation_id,
                user_id=user_id,
                ended_at=None,
            )
            found = queries.permission_table(model).objects.filter(
                Exists(held), permission__content_type__app_label=model._meta.app_label
            )
        return found.select_related("permission")

    return rows


def _as_seen_by(user: Any, *, rights: Rights, organisation: Organisation) -> Rights:
    viewer = getattr(user, "seen_by", None)
    if viewer is None:
        return rights
    theirs = of(user=viewer, organisation=organisation)
    return {key: both for key, held in rights.items() if (both := held & theirs.get(key, frozenset()))}


def _of_request(request: Any) -> Rights:
    organisation = getattr(request, "organisation", None)
    if organisation is None:
        return NONE
    known: tuple[int, Rights] | None = getattr(request, "_rights", None)
    if known is None or known[0] != organisation.pk:
        known = (organisation.pk, of(user=request.user, organisation=organisation))
        request._rights = known
    return known[1]


def holds(request: Any, permission: str) -> bool:
    """Whether a role of the person on the request's own organisation holds `permission`; no outside organisations.

    For what a page shows. A token's reach is not regarded: programs ask `access.queries.may`.
    """
    organisation = getattr(request, "organisation", None)
    if organisation is None:
        return False
    return permission in _of_request(request).get((Organisation.container_kind(), organisation.pk), frozenset())


def holds_anywhere(request: Any, permission: str) -> bool:
    """Whether any container of the request's organisation allows it."""
    return any(permission in held for held in _of_request(request).values())
