"""Sharing: the read side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from access import queries, rights
from access.models import Organisation, RoleContainer, User
from access.sharing import registry
from access.sharing.models import Share
from core.errors import NotFound
from core.tenancy import all_tenants, tenant

#: Shares that are looked through for paused ones; beyond them the list of shares tells.
MOST_ASKED = 200
OFFICER_RIGHTS = ("access.view_audit", "access.change_organisation")


def sees_all_shares(user: Any, organisation: Organisation) -> bool:
    """Officers and administrators account for every disclosure of the organisation."""
    return any(queries.may(user, right, organisation) for right in OFFICER_RIGHTS)


def containers_shared_from(user: Any) -> Q:
    """On `Share`: those from containers on which the person may share."""
    reasons = Q(pk__in=[])
    for shareable in registry.kinds():
        container, _path = queries.container_model(shareable.model)
        allowed = queries.containers_with(user=user, permission=shareable.permission, container=container)
        reasons |= Q(kind=shareable.kind, container_id__in=allowed.values("pk"))
    return reasons


def shares_of(*, user: Any, organisation: Organisation) -> QuerySet[Share]:
    """What a member may see of the organisation's shares: own ones, those of own containers; officers all."""
    rows: QuerySet[Share] = Share.objects.filter(organisation=organisation).select_related(
        "created_by", "kept_by", "recipient", "revoked_by", "organisation"
    )
    if sees_all_shares(user, organisation):
        return rows
    return rows.filter(Q(created_by=user) | containers_shared_from(user))


def get_share(*, user: Any, organisation: Organisation, public_id: str) -> Share:
    found = shares_of(user=user, organisation=organisation).filter(public_id=public_id).first()
    if found is None:
        raise NotFound
    return found


def may_share_from(user: Any, share: Share) -> bool:
    shareable = registry.find(share.kind)
    if shareable is None:
        return False
    container: type[RoleContainer]
    container, _path = queries.container_model(shareable.model)
    allowed = queries.containers_with(user=user, permission=shareable.permission, container=container)
    return bool(allowed.filter(pk=share.container_id).exists())


def is_answered_for(share: Share) -> bool:
    """Whether the person whose right the share rests on could make it now. Else it is paused: it opens nothing."""
    person = share.responsible
    with tenant(share.organisation):
        return bool(person.is_active) and may_share_from(person, share)


def paused_among(shares: Iterable[Share]) -> frozenset[int]:
    """Of these shares of one organisation, the primary keys of those that are paused; asks once a person and container."""
    known: dict[tuple[int, str, int], bool] = {}
    found = set()
    for share in shares:
        key = (share.responsible.pk, share.kind, share.container_id)
        if key not in known:
            known[key] = is_answered_for(share)
        if not known[key]:
            found.add(share.pk)
    return frozenset(found)


def paused_for(*, user: Any, organisation: Organisation) -> list[Share]:
    """Paused shares on which this person decides, because they may share from the same place; those that end first."""
    running = Share.objects.filter(organisation=organisation, revoked_at=None, expires_at__gt=timezone.now())
    rows = running.filter(containers_shared_from(user)).select_related(
        "created_by", "kept_by", "recipient", "organisation"
    )
    shares = list(rows.order_by("expires_at", "pk")[:MOST_ASKED])
    paused = paused_among(shares)
    return [share for share in shares if share.pk in paused]


def may_see_shares(request: Any) -> bool:
    """Whether the page of shares has anything to say to the person of this request."""
    return any(rights.holds(request, right) for right in OFFICER_RIGHTS) or any(
        rights.holds_anywhere(request, shareable.permission) for shareable in registry.kinds()
    )


def shared_with(user: User, *, names: frozenset[str]) -> list[Share]:
    """Open shares addressed to a person by one of `names`, from every organisation that still allows them."""
    from access.grant_policy import GrantPolicy

    with all_tenants():
        allowing = GrantPolicy.objects.exclude(sharing=GrantPolicy.Sharing.NONE).values("organisation")
        rows = Share.objects.filter(
            recipient=user,
            recipient_login__in=names,
            audience=Share.Audience.PERSON,
            revoked_at=None,
            expires_at__gt=timezone.now(),
            organisation__in=allowing,
            organisation__suspended_at=None,
        )
        member_of = queries.organisations_of(user).values("pk")
        found = list(rows.exclude(organisation__in=member_of).select_related("organisation", "created_by", "kept_by"))
    return [one for one in found if is_answered_for(one)]
