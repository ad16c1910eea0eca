"""Who may still answer for an invitation. It ends with the right of the person who sent it."""

from __future__ import annotations

from django.utils import timezone

from access import hooks, queries
from access.models import Invitation, Organisation, User
from core.tenancy import tenant

MAY_INVITE = "access.manage_people"
WAITING = {"accepted_at": None, "withdrawn_at": None, "ended_at": None}


def may_still_invite(invitation: Invitation) -> bool:
    """Whether the person behind an invitation could send it now. Inside the scope or across all tenants."""
    return queries.may(invitation.invited_by, MAY_INVITE, invitation.organisation)


def end_of_inviter(*, organisation: Organisation, user: User) -> int:
    """End what waits in the name of somebody who may no longer invite; returns how many. In a transaction."""
    with tenant(organisation):
        waiting = Invitation.objects.filter(organisation=organisation, invited_by=user, **WAITING)
        if not waiting.exists() or queries.may(user, MAY_INVITE, organisation):
            return 0
        return _end(organisation=organisation, rows=list(waiting), reason=Invitation.End.INVITER)


def end_one(invitation: Invitation) -> None:
    """End an invitation whose inviter was found without the right when its link was opened."""
    with tenant(invitation.organisation):
        _end(organisation=invitation.organisation, rows=[invitation], reason=Invitation.End.INVITER)


def end_all_of(organisation: Organisation) -> int:
    """End everything that waits in an organisation which is suspended. In a transaction."""
    with tenant(organisation):
        waiting = list(Invitation.objects.filter(organisation=organisation, **WAITING))
        return _end(organisation=organisation, rows=waiting, reason=Invitation.End.SUSPENSION)


def _end(*, organisation: Organisation, rows: list[Invitation], reason: Invitation.End) -> int:
    ended = 0
    for row in rows:
        changed = Invitation.objects.filter(pk=row.pk, **WAITING).update(ended_at=timezone.now(), end_reason=reason)
        if changed != 1:
            continue
        ended += 1
        hooks.tell(action="invitation.ended", organisation=organisation, target=row, detail={"why": str(reason.value)})
    return ended
