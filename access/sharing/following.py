"""What the rooms ask whose things are shared: who outside sees a thing now, and closing its shares with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.utils import timezone

from access import hooks
from access.models import User
from access.sharing.models import Share


@dataclass(frozen=True)
class Outside:
    """How many people and links see a thing at the moment."""

    people: int = 0
    links: int = 0

    @property
    def total(self) -> int:
        return self.people + self.links


def outside(*, kind: str, object_ids: Iterable[int]) -> dict[int, Outside]:
    """The open shares of things of one kind, by primary key; what nobody outside sees is not in it.

    A share counts until it ends or is taken back, also when all its visits are used (who is inside stays inside) and
    when the organisation's policy closes it for now (the policy may change back).
    """
    rows = Share.objects.filter(
        kind=kind, object_id__in=list(object_ids), revoked_at=None, expires_at__gt=timezone.now()
    )
    counted = (
        rows.order_by()
        .values("object_id")
        .annotate(
            people=Count("pk", filter=Q(audience=Share.Audience.PERSON)),
            links=Count("pk", filter=Q(audience=Share.Audience.LINK)),
        )
    )
    return {row["object_id"]: Outside(people=row["people"], links=row["links"]) for row in counted}


def close_shares(*, actor: User, kind: str, object_id: int, request: Any = None) -> int:
    """Take back every share of a thing that goes away. The caller has authorised and is in a transaction."""
    closed = list(Share.objects.select_for_update().filter(kind=kind, object_id=object_id, revoked_at=None))
    Share.objects.filter(pk__in=[share.pk for share in closed]).update(revoked_at=timezone.now(), revoked_by=actor)
    for share in closed:
        hooks.tell(
            action="share.revoked",
            organisation=share.organisation,
            actor=actor,
            target=share,
            detail={"recipient": share.recipient_name},
            request=request,
        )
    return len(closed)
