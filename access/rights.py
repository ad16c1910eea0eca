"""All that the person of a request may do in its organisation, asked once however often a page wants to know.

`access.queries.containers_with` is the rule; this is the same rule read from the other end, for pages that ask about many
permissions at once: from the roles a person holds to what they open. One query for the roles and one for each kind of
container they are on, instead of one for each question. `tests/access/test_rights.py` holds the two together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from access import queries
from access.models import ContainerRole, Organisation
from access.people import container_classes
from core.tenancy import tenant

#: (kind of container, primary key) → permissions ("archive.view_archive").
Rights = Mapping[tuple[str, int], frozenset[str]]
NONE: Rights = {}


def of(*, user: Any, organisation: Organisation) -> Rights:
    """What each container of the organisation allows the person; containers that allow nothing are left out."""
    if not user.is_authenticated or not user.is_active or getattr(user, "guest", None) is not None:
        return NONE
    with tenant(organisation):
        if not queries.memberships_open_to(user).filter(organisation=organisation).exists():
            return NONE
        held = ContainerRole.objects.filter(
            queries.unexpired("grants__"), organisation=organisation, grants__user=user, grants__ended_at=None
        )
        roles = {row[0]: row[1:] for row in held.values_list("group", "container_kind", "container_id", "role")}
        found: dict[tuple[str, int], set[str]] = defaultdict(set)
        for model in container_classes():
            kind, label = model.container_kind(), model._meta.app_label
            groups = [group for group, (of_kind, _id, _role) in roles.items() if of_kind == kind]
            if not groups:
                continue
            rows = queries.permission_table(model).objects.filter(
                group__in=groups, permission__content_type__app_label=label
            )
            for group, container_id, codename in rows.values_list("group", "content_object", "permission__codename"):
                _kind, of_container, role = roles[group]
                if container_id == of_container and role in model.roles_with(codename):
                    found[kind, container_id].add(f"{label}.{codename}")
        rights = {key: frozenset(permissions) for key, permissions in found.items()}
    return _as_seen_by(user, rights=rights, organisation=organisation)


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
