"""Invitations by e-mail link, and requests to join."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from allauth.account.models import EmailAddress
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from access import hooks, people, queries
from access.errors import InvitationClosed
from access.models import Invitation, JoinRequest, Membership, Organisation, RoleContainer, RoleGrant, User
from access.services import inviters
from access.services.invitation_links import Link, Secrets, send
from access.services.members import add_member
from access.services.roles import grant_role
from core.errors import Conflict, Invalid, NotFound
from core.tenancy import all_tenants, tenant

INVITATION_DAYS = 14
EMAIL_LENGTH = 254
RESEND_SECONDS = 30
PENDING_REQUESTS_MAX = 5


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
        link_secrets, now = Secrets(), timezone.now()
        try:
            with transaction.atomic():
                invitation = Invitation.objects.create(
                    organisation=organisation,
                    email=email,
                    display_name=display_name.strip()[:150],
                    roles=list(dict.fromkeys(roles)),
                    message=message.strip()[:500],
                    **link_secrets.digests,
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
        link = link_secrets.link(invitation)
        transaction.on_commit(lambda: send(link))
        return link


def resend(*, actor: User, invitation: Invitation, request: Any = None) -> Link:
    """New links by a new letter; the old ones stop working, and the actor answers for the invitation from now on.

    Raises `Conflict` when it is too soon, too late, or another invitation to the address is waiting.
    """
    organisation = invitation.organisation
    with transaction.atomic(), tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        locked = Invitation.objects.select_for_update().filter(pk=invitation.pk).first()
        if locked is None:
            raise NotFound
        now = timezone.now()
        if not locked.can_be_sent:
            raise InvitationClosed
        if (now - locked.sent_at).total_seconds() < RESEND_SECONDS:
            raise Conflict(_("It was sent a moment ago. Wait half a minute before sending it again."))
        link_secrets = Secrets()
        changes = {
            **link_secrets.digests,
            "invited_by": actor,
            "sent_at": now,
            "expires_at": now + (locked.expires_at - locked.sent_at),
            "times_sent": locked.times_sent + 1,
            "ended_at": None,
            "end_reason": "",
        }
        for name, value in changes.items():
            setattr(locked, name, value)
        try:
            with transaction.atomic():
                locked.save(update_fields=list(changes))
        except IntegrityError as error:
            raise Conflict(_("Another invitation to this address is waiting. Send that one again.")) from error
        hooks.tell(action="invitation.resent", organisation=organisation, actor=actor, target=locked, request=request)
        link = link_secrets.link(locked)
        transaction.on_commit(lambda: send(link))
        return link


@transaction.atomic
def withdraw(*, actor: User, invitation: Invitation, request: Any = None) -> None:
    organisation = invitation.organisation
    with tenant(organisation):
        queries.require(actor, "access.manage_people", organisation)
        changed = Invitation.objects.filter(pk=invitation.pk, **inviters.WAITING).update(withdrawn_at=timezone.now())
        if changed != 1:
            raise InvitationClosed
        hooks.tell(
            action="invitation.withdrawn", organisation=organisation, actor=actor, target=invitation, request=request
        )


def find_invitation(digest: str) -> Invitation | None:
    """The open invitation behind the digest of a secret; None for a wrong, used, withdrawn, ended or expired one alike.

    An invitation whose inviter may no longer invite is ended by being opened.
    """
    with all_tenants():
        found: Invitation | None = (
            Invitation.objects.select_related("organisation", "invited_by")
            .filter(Q(digest=digest) | Q(handed_digest=digest))
            .first()
        )
        if found is None or not found.is_open_at(timezone.now()) or found.organisation.is_suspended:
            return None
    if not inviters.may_still_invite(found):
        with transaction.atomic():
            inviters.end_one(found)
        return None
    return found


def _claim(*, digest: str, organisation: Organisation) -> Invitation:
    """The invitation behind a secret, locked, with the inviter's right asked again. Raises `InvitationClosed`.

    The organisation is locked first, as wherever a right ends: an inviter who is dismissed at this moment is either
    still there, or seen as gone.
    """
    Organisation.objects.select_for_update().get(pk=organisation.pk)
    found: Invitation | None = (
        Invitation.objects.select_for_update(of=("self",))
        .select_related("organisation", "invited_by")
        .filter(Q(digest=digest) | Q(handed_digest=digest), organisation=organisation)
        .first()
    )
    if found is None or not found.is_open_at(timezone.now()) or found.organisation.is_suspended:
        raise InvitationClosed
    if not inviters.may_still_invite(found):
        raise InvitationClosed
    return found


def accept(*, digest: str, user: User, request: Any = None) -> Invitation:
    """Join by an invitation: membership and roles at once. The link works this once.

    Raises `InvitationClosed`, and `MemberSuspended` for whom an administrator closed the organisation to: the invitation
    waits until that has ended.
    """
    found = find_invitation(digest)
    if found is None:
        raise InvitationClosed
    organisation = found.organisation
    with transaction.atomic(), tenant(organisation):
        found = _claim(digest=digest, organisation=organisation)
        _take(found, user=user, request=request)
    return found


def _take(found: Invitation, *, user: User, request: Any) -> None:
    organisation = found.organisation
    Invitation.objects.filter(pk=found.pk).update(accepted_at=timezone.now(), accepted_by=user)
    source, giver = RoleGrant.Source.INVITATION, found.invited_by
    add_member(actor=None, organisation=organisation, user=user, source=source, giver=giver, request=request)
    for container, role in _still_there(organisation, found.roles):
        grant_role(actor=None, container=container, role=role, user=user, source=source, giver=giver, request=request)
    hooks.tell(
        action="invitation.accepted",
        organisation=organisation,
        actor=user,
        target=found,
        detail={"is_own_address": owns_address(user=user, found=found)},
        request=request,
    )


def owns_address(*, user: User, found: Invitation) -> bool:
    """Whether the invitation went to an address that the account has, proven or not."""
    proven = EmailAddress.objects.filter(user=user, email__iexact=found.email).exists()
    return proven or user.email.lower() == found.email.lower()


def is_suspended(*, user: User, found: Invitation) -> bool:
    """Whether an administrator closed the organisation to this person; an invitation does not open it again."""
    suspended = Membership.objects.filter(organisation=found.organisation, user=user, suspended_at__isnull=False)
    return bool(suspended.exists())


def accept_as_new(*, digest: str, name: str, display_name: str, password: str, request: Any = None) -> User:
    """Make an account for the invited person and join with it. Raises `Invalid`, `InvitationClosed`.

    Whoever asks first locks the invitation; all others find it closed, and no account is left of them.
    """
    opened = find_invitation(digest)
    if opened is None:
        raise InvitationClosed
    with transaction.atomic(), tenant(opened.organisation):
        found = _claim(digest=digest, organisation=opened.organisation)
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
            raise Invalid(fields={"display_name": [_("Enter your name.")]})
        user.set_password(password)
        people.save_new(user)
        _note_address(user, is_proven=digest == found.digest, request=request)
        hooks.tell(action="account.created", organisation=found.organisation, actor=user, target=user, request=request)
        _take(found, user=user, request=request)
    return user


def _note_address(user: User, *, is_proven: bool, request: Any) -> None:
    """Who followed the link of the letter reads what is sent to the address. Who came by the link that the inviter was
    shown gets a letter of their own with which to prove it; until then the address opens nothing."""
    from access.sign_in import addresses

    if not is_proven:
        addresses.begin_change(user=user, email=user.email, request=request)
        return
    try:
        with transaction.atomic():
            EmailAddress.objects.create(user=user, email=user.email.lower(), verified=True, primary=True)
    except IntegrityError:
        pass  # proven by another account, with which it stays


def _still_there(organisation: Organisation, keys: Iterable[str]) -> list[tuple[RoleContainer, str]]:
    """Roles of containers that were deleted since the invitation are left out."""
    found = []
    for key in keys:
        try:
            found += named_roles(organisation, keys=[key])
        except Invalid:
            continue
    return found


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
