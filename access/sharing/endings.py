"""What becomes of the shares of somebody who may no longer share: they are paused, and those who may share decide."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from access import hooks
from access.models import Organisation, User
from access.queries import people_with_role
from access.sharing import queries, registry
from access.sharing.models import Share
from core import notifications
from core.tenancy import tenant

PAUSED = "share.paused"


def register() -> None:
    notifications.register(
        kind=PAUSED,
        label=_("Shares"),
        icon="share-2",
        sentence=_("A share by %(person)s is paused because they may no longer share it. Keep it or take it back."),
    )
    hooks.on_rights_lost(tell_of_paused)


def tell_of_paused(*, organisation: Organisation, user: User) -> int:
    """Tell the trail, and those who may share from the same place, of shares that are paused from now on.

    They are paused without this: `guests.admit` asks the right with every request. In a transaction; returns how many.
    """
    with tenant(organisation):
        theirs = Q(created_by=user, kept_by=None) | Q(kept_by=user)
        rows = Share.objects.filter(theirs, organisation=organisation, revoked_at=None, expires_at__gt=timezone.now())
        shares = list(rows.select_related("organisation", "created_by", "kept_by"))
        paused = queries.paused_among(shares)
        for share in shares:
            if share.pk in paused:
                _tell(share)
    return len(paused)


def _tell(share: Share) -> None:
    hooks.tell(action=PAUSED, organisation=share.organisation, target=share, detail={"recipient": share.recipient_name})
    notifications.send(
        kind=PAUSED,
        organisation=share.organisation,
        persons=_deciders(share),
        subject=share.public_id,
        url=reverse("access:share", kwargs={"organisation": share.organisation.slug, "share": share.public_id}),
        detail={"person": str(share.responsible)},
    )


def _deciders(share: Share) -> list[User]:
    shareable: Any = registry.find(share.kind)
    if shareable is None:
        return []
    row = shareable.model._default_manager.filter(pk=share.object_id).first()
    if row is None:
        return []
    from access.sharing.services import container_of

    container = container_of(row)
    found: dict[int, User] = {}
    for role in container.roles_with(shareable.permission.partition(".")[2]):
        found |= {person.pk: person for person in people_with_role(container=container, role=role)}
    return [person for person in found.values() if queries.may_share_from(person, share)]
