"""Invitations by e-mail link, and requests to join."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, people, queries
from access.errors import InvitationClosed
from access.models import Invitation, JoinRequest, Membership, Organisation, RoleContainer, RoleGrant, User
from access.services.members import add_member
from access.services.roles import grant_role
from access.services.tokens import token_digest
from core.errors import Conflict, Invalid, NotFound
from core.tenancy import all_tenants, tenant

INVITATION_DAYS = 14
EMAIL_LENGTH = 254
RESEND_SECONDS = 30
PENDING_REQUESTS_MAX = 5

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Link:
    """An invitation with the address that opens it, which exists only now, and whether the e-mail left."""

    invitation: Invitation
    url: str


def named_roles(organisation: Organisation, *, keys: Iterable[str]) -> list[tuple[RoleContainer, str]]:
    """The containers and roles behind "archive.archive:12:reader". Inside the scope. Raises `Invalid`."""
    known = {
        f"{container.container_kind()}:{container.pk}:{role}": (container, role)
        for container in people.containers_of(organisation)
        for role in container.ROLES
    }
    wanted = list(dict.fromkeys(keys))
    if any(key not in known for key in wanted):
        raise Invalid(fields={"roles": [_("Choose among the roles of this organisation.")]})
    return [known[key] for key in wanted]


def invite(
    *,
    actor: User,
    organisation: Organisation,
    email: str,
    roles: Sequence[str] = (),
    display_name: str = "",
    message: str = "",
    days: int = INVITATION_DAYS,
    request: Any = None,
) -> Link:
    """Invite an e-mail address with the roles that wait for it. Raises `Invalid`, `Forbidden`, `NotFound`."""
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Invalid(fields={"email": [str(m) for m in error.messages]}) from error
    if len(email) > EMAIL_LENGTH:
        raise Invalid(fields={"email": [_("The address is too long.")]})
    if not 1 <= days <= 90:
        raise Invalid(fields={"days": [_("Choose between 1 and 90 days.")]})
    with transaction.atomic(), tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        named_roles(organisation, keys=roles)
        if Membership.objects.filter(organisation=organisation, is_active=True, user__email__iexact=email).exists():
            raise Invalid(fields={"email": [_("A member has this address already.")]})
        secret, now = secrets.token_urlsafe(32), timezone.now()
        try:
            with transaction.atomic():
                invitation = Invitation.objects.create(
                    organisation=organisation,
                    email=email,
                    display_name=display_name.strip()[:150],
                    roles=list(dict.fromkeys(roles)),
                    message=message.strip()[:500],
                    digest=token_digest(secret),
                    invited_by=actor,
                    sent_at=now,
                    expires_at=now + timedelta(days=days),
                )
        except IntegrityError as error:
            raise Invalid(
                fields={"email": [_("An invitation to this address waits already. Send it again or withdraw it.")]}
            ) from error
        hooks.tell(
            action="invitation.sent",
            organisation=organisation,
            actor=actor,
            target=invitation,
            detail={"roles": len(invitation.roles)},
            request=request,
        )
        link = Link(invitation=invitation, url=_address(secret))
        transaction.on_commit(lambda: _send(link))
        return link


def resend(*, actor: User, invitation: Invitation, request: Any = None) -> Link:
    """A new link by a new e-mail; the old link stops working. Raises `Conflict` when it is too soon or too late."""
    organisation = invitation.organisation
    with transaction.atomic(), tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        locked = Invitation.objects.select_for_update().filter(pk=invitation.pk).first()
        if locked is None:
            raise NotFound
        now = timezone.now()
        if not locked.is_waiting:
            raise InvitationClosed
        if (now - locked.sent_at).total_seconds() < RESEND_SECONDS:
            raise Conflict(_("It was sent a moment ago. Wait half a minute before sending it again."))
        secret = secrets.token_urlsafe(32)
        life = locked.expires_at - locked.sent_at
        locked.digest, locked.sent_at, locked.expires_at = token_digest(secret), now, now + life
        locked.times_sent += 1
        locked.save(update_fields=["digest", "sent_at", "expires_at", "times_sent"])
        hooks.tell(action="invitation.resent", organisation=organisation, actor=actor, target=locked, request=request)
        link = Link(invitation=locked, url=_address(secret))
        transaction.on_commit(lambda: _send(link))
        return link


@transaction.atomic
def withdraw(*, actor: User, invitation: Invitation, request: Any = None) -> None:
    organisation = invitation.organisation
    with tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        changed = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None).update(
            withdrawn_at=timezone.now()
        )
        if changed != 1:
            raise InvitationClosed
        hooks.tell(
            action="invitation.withdrawn", organisation=organisation, actor=actor, target=invitation, request=request
        )


def find_invitation(digest: str) -> Invitation | None:
    """The open invitation behind the digest of a secret; None for a wrong, used, withdrawn or expired one alike."""
    with all_tenants():
        found: Invitation | None = (
            Invitation.objects.select_related("organisation", "invited_by").filter(digest=digest).first()
        )
    if found is None or not found.is_open_at(timezone.now()) or found.organisation.is_suspended:
        return None
    return found


def accept(*, digest: str, user: User, request: Any = None) -> Invitation:
    """Join by an invitation: membership and roles at once. The link works this once. Raises `InvitationClosed`."""
    found = find_invitation(digest)
    if found is None:
        raise InvitationClosed
    organisation = found.organisation
    with transaction.atomic(), tenant(organisation):
        now = timezone.now()
        claimed = Invitation.objects.filter(
            pk=found.pk, digest=digest, accepted_at=None, withdrawn_at=None, expires_at__gt=now
        ).update(accepted_at=now, accepted_by=user)
        if claimed != 1:
            raise InvitationClosed
        add_member(
            actor=None, organisation=organisation, user=user, source=RoleGrant.Source.INVITATION, request=request
        )
        for container, role in _still_there(organisation, found.roles):
            grant_role(
                actor=None,
                container=container,
                role=role,
                user=user,
                source=RoleGrant.Source.INVITATION,
                request=request,
            )
        hooks.tell(action="invitation.accepted", organisation=organisation, actor=user, target=found, request=request)
    return found


def accept_as_new(*, digest: str, name: str, display_name: str, password: str, request: Any = None) -> User:
    """Make an account for the invited person and join with it. Raises `Invalid`, `InvitationClosed`."""
    found = find_invitation(digest)
    if found is None:
        raise InvitationClosed
    with transaction.atomic():
        username = people.free_username(name=name, organisation=found.organisation)
        user = User(
            username=username,
            email=found.email,
            display_name=display_name.strip(),
            time_zone=found.organisation.time_zone,
        )
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise Invalid(fields={"password": [str(m) for m in error.messages]}) from error
        if not user.display_name:
            raise Invalid(fields={"display_name": [_("Say how you are called.")]})
        user.set_password(password)
        user.save()
        _note_proven_address(user)
        hooks.tell(action="account.created", organisation=found.organisation, actor=user, target=user, request=request)
        accept(digest=digest, user=user, request=request)
    return user


def _note_proven_address(user: User) -> None:
    """Who followed the link reads what is sent to the address; one that proves another account stays with that."""
    if not EmailAddress.objects.filter(email__iexact=user.email, verified=True).exists():
        EmailAddress.objects.create(user=user, email=user.email.lower(), verified=True, primary=True)


def _still_there(organisation: Organisation, keys: Iterable[str]) -> list[tuple[RoleContainer, str]]:
    """Roles of containers that were deleted since the invitation are left out."""
    found = []
    for key in keys:
        try:
            found += named_roles(organisation, keys=[key])
        except Invalid:
            continue
    return found


def _address(secret: str) -> str:
    return settings.PUBLIC_URL + reverse("access:invitation-open", kwargs={"secret": secret})


def _send(link: Link) -> None:
    invitation = link.invitation
    organisation = invitation.organisation
    # A line break in a name must not become a header of the message.
    subject = " ".join((_("You are invited to %(name)s") % {"name": organisation.name}).split())
    body = render_to_string(
        "access/mail/invitation.txt",
        {"invitation": invitation, "organisation": organisation, "url": link.url, "public_url": settings.PUBLIC_URL},
    )
    try:
        send_mail(subject, body, None, [invitation.email])
    except Exception as error:  # noqa: BLE001 -- the link is shown to the administrator, who can hand it over
        logger.warning("invitation_not_sent", kind=type(error).__name__, invitation=invitation.public_id)


# Requests --------------------------------------------------------------------------------------------------------------


@transaction.atomic
def ask_to_join(*, user: User, slug: str, message: str = "", request: Any = None) -> JoinRequest | None:
    """Ask an organisation to be let in.

    Returns None, without a word about why, when there is none, it takes no requests, or the person is in it already:
    the page says the same in each case. Raises `Conflict` for who asks everywhere.
    """
    if user.is_service:
        raise NotFound
    with all_tenants():
        pending = JoinRequest.objects.filter(user=user, state=JoinRequest.State.PENDING).count()
    if pending >= PENDING_REQUESTS_MAX:
        raise Conflict(_("You have asked several organisations already. Wait for their answer."))
    organisation = Organisation.objects.filter(
        slug=slug.strip().lower(), allows_join_requests=True, suspended_at=None
    ).first()
    if organisation is None or queries.has_membership(user=user, organisation=organisation):
        return None
    with tenant(organisation):
        if Membership.objects.filter(organisation=organisation, user=user).exclude(suspended_at=None).exists():
            return None
        made, created = JoinRequest.objects.get_or_create(
            organisation=organisation,
            user=user,
            state=JoinRequest.State.PENDING,
            defaults={"message": message.strip()[:500]},
        )
        if created:
            hooks.tell(action="join.asked", organisation=organisation, actor=user, target=made, request=request)
    found: JoinRequest = made
    return found


@transaction.atomic
def decide(
    *,
    actor: User,
    asked: JoinRequest,
    accept: bool,
    roles: Sequence[str] = (),
    reason: str = "",
    request: Any = None,
) -> None:
    """Let somebody in with roles, or refuse with a reason. Raises `Conflict` when somebody decided before."""
    organisation = asked.organisation
    with tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        chosen = named_roles(organisation, keys=roles)
        if not accept and not reason.strip():
            raise Invalid(fields={"reason": [_("Say why; the person reads it.")]})
        changed = JoinRequest.objects.filter(pk=asked.pk, state=JoinRequest.State.PENDING).update(
            state=JoinRequest.State.ACCEPTED if accept else JoinRequest.State.REFUSED,
            decided_by=actor,
            decided_at=timezone.now(),
            reason=reason.strip()[:300],
        )
        if changed != 1:
            raise Conflict
        if accept:
            source = RoleGrant.Source.REQUEST
            add_member(actor=actor, organisation=organisation, user=asked.user, source=source, request=request)
            for container, role in chosen:
                grant_role(actor=actor, container=container, role=role, user=asked.user, source=source, request=request)
        hooks.tell(
            action="join.accepted" if accept else "join.refused",
            organisation=organisation,
            actor=actor,
            target=asked.user,
            request=request,
        )


@transaction.atomic
def take_back(*, user: User, public_id: str) -> None:
    """The person no longer wants to join."""
    with all_tenants():
        changed = JoinRequest.objects.filter(user=user, public_id=public_id, state=JoinRequest.State.PENDING).update(
            state=JoinRequest.State.WITHDRAWN, decided_at=timezone.now()
        )
    if changed != 1:
        raise NotFound
