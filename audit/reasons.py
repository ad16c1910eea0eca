"""Who did it, as far as that is known, and why it was theirs to do: what an event keeps of both.

Worked out when the event is written and kept in it: names and roles change, the trail does not.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, Model, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks
from access.models import ContainerRole, Organisation, RoleContainer, RoleGrant, User
from access.queries import unexpired
from access.role_words import role_at
from audit import describe
from core.ready import ready
from core.tenancy import all_tenants

#: Acts of people who have not signed in; what they acted on says who they claim to be.
BY_LINK: Final = frozenset({"password.reset", "share.refused"})
AT_SIGN_IN: Final = frozenset({"session.refused", "session.shut-out", "factor.refused"})


def who(
    *, actor: Any, guest: Any, action: str, target: Model | None, detail: dict[str, Any], address: str | None
) -> str:
    """The account, or what is known of somebody without one: the share or link they came by, the AE title they call
    themselves by. Empty where nothing is."""
    if actor is not None:
        return str(actor.username)
    if guest is not None:
        # Somebody who came by a link is nobody we know; the share says whom it was meant for.
        return f"guest by {guest.audit_label}"
    calling = _text(detail, "calling_ae_title")
    if calling:
        return f"AE title {calling} from {address}" if address else f"AE title {calling}"
    name = target.username if isinstance(target, User) else str(getattr(target, "audit_label", "") or "")
    source = _text(detail, "source")
    if source == RoleGrant.Source.INVITATION and name:
        return f"holder of the invitation for {name}"
    if ":" in source:
        return hooks.source_words(source)
    if action in BY_LINK and name:
        return (
            f"holder of the password reset link for {name}"
            if isinstance(target, User)
            else f"holder of the link to {name}"
        )
    if action in AT_SIGN_IN and name:
        return f"somebody signing in as {name}"
    return ""


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
    parent = container.parent_container if container is not None else None
    held = of_role(person=actor, places=(container, parent, organisation))
    return held or _("member of %(name)s") % {"name": describe.name_of(organisation, organisation=None)}


def of_role(*, person: Any, places: Iterable[RoleContainer | None]) -> str:
    """The role of a person at the first of these places where they have one, as a sentence; empty where they have none."""
    known = [one for one in places if one is not None]
    roles = _roles_on(known, person=person.pk)
    for one in known:
        held = roles.get((one.container_kind(), one.pk))
        if held:
            return role_at(held, container=one)
    return ""


def _nobody(
    *, container: RoleContainer | None, organisation: Organisation | None, door: str, detail: dict[str, Any]
) -> str:
    """What no account did: a DICOM node, a worker of ours, or somebody who did not sign in."""
    calling = _text(detail, "calling_ae_title")
    if calling:
        place = describe.name_of(container, organisation=organisation)
        return _("AE title %(title)s, allowed by %(place)s") % {"title": calling, "place": place}
    source = _text(detail, "source")
    if source == RoleGrant.Source.INVITATION:
        return _("an invitation")
    if ":" in source:
        return hooks.source_words(source)
    return _("the installation itself") if door in ("task", "command", "") else _("not signed in")


def _text(detail: dict[str, Any], name: str) -> str:
    found = detail.get(name)
    return found if isinstance(found, str) else ""


@ready(user_id=int, at=datetime)
def _roles_held(*, user_id: int, at: datetime) -> QuerySet[ContainerRole]:
    """Every role of a person; few, and asked for at each event."""
    held = RoleGrant.objects.filter(unexpired(at=at), container_role=OuterRef("pk"), user_id=user_id, ended_at=None)
    rows: QuerySet[ContainerRole] = ContainerRole.objects.filter(Exists(held))
    return rows


def _roles_on(places: list[RoleContainer], *, person: int) -> dict[tuple[str, int], set[str]]:
    """One query for all of them together."""
    wanted = {(one.container_kind(), one.pk) for one in places}
    found: dict[tuple[str, int], set[str]] = {}
    with all_tenants():
        for row in _roles_held.all(user_id=person, at=timezone.now()):
            if (row.container_kind, row.container_id) in wanted:
                found.setdefault((row.container_kind, row.container_id), set()).add(row.role)
    return found
