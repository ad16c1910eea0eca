"""Long answers to members: they break off when the person loses a right while the answer is being sent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from access.models import Membership, RoleGrant
from core.tenancy import tenant

CHECK_SECONDS = 1.0


class RightLost(ConnectionAbortedError):
    """The connection breaks, so that no client takes the part for the whole."""


def while_entitled(parts: Iterable[bytes], *, membership: Membership, since: datetime) -> Iterator[bytes]:
    """The parts for as long as the member has every role they had at `since`; asked at most once a second.

    A role that ended need not be the one that opened this answer. To send it again costs less than to guess.
    """
    try:
        asked = time.monotonic()
        for part in parts:
            if time.monotonic() - asked >= CHECK_SECONDS:
                if _has_lost_one(membership, since=since):
                    raise RightLost
                asked = time.monotonic()
            yield part
    finally:
        close = getattr(parts, "close", None)
        if close is not None:
            close()


def _has_lost_one(membership: Membership, *, since: datetime) -> bool:
    now = timezone.now()
    ended = Q(ended_at__gte=since) | Q(ended_at=None, expires_at__gte=since, expires_at__lte=now)
    with tenant(membership.organisation):
        is_member = Membership.objects.filter(
            pk=membership.pk, is_active=True, user__is_active=True, organisation__suspended_at=None
        ).exists()
        lost = RoleGrant.objects.filter(ended, organisation=membership.organisation, user_id=membership.user_id)
        return not is_member or lost.exists()
