"""Sharing: the write side."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import check_password, make_password
from django.db import transaction
from django.db.models import F, Model, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from access import hooks, queries, throttle
from access.grant_policy import policy_of
from access.models import Membership, Organisation, RoleContainer, User
from access.sharing import guests, registry
from access.sharing.errors import LinkClosed, PasswordWanted, PasswordWrong, SharingOff, TooManyTries
from access.sharing.models import Share, ShareVisit
from core.callers import client_address
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.tenancy import tenant

SECRET_BYTES = 32
LONGEST_CODE = 200
FAILURES_PER_LINK = 10
FAILURES_PER_ADDRESS = 60
MOST_VISITS = 10_000
SHORTEST_PASSWORD = 8
# Where the sign-in library keeps which e-mail address belongs to whom.
CONFIRMED_ADDRESSES = ("account", "EmailAddress")


def container_of(row: Model) -> RoleContainer:
    """The container that a row hangs on."""
    _model, path = queries.container_model(type(row))
    found: Any = row
    for step in filter(None, path.split("__")):
        found = getattr(found, step)
    return found  # type: ignore[no-any-return]


def load_for_sharing(*, actor: User, kind: str, thing: str) -> tuple[registry.Shareable, Any]:
    """What is to be shared, when the actor may share it. Raises `NotFound` or `Forbidden`."""
    shareable = registry.find(kind)
    row = shareable.find(thing) if shareable is not None else None
    if shareable is None or row is None:
        raise NotFound
    queries.require(actor, shareable.permission, container_of(row))
    return shareable, row


@transaction.atomic
def create_share(
    *,
    actor: User,
    kind: str,
    thing: str,
    audience: str,
    recipient_name: str,
    purpose: str,
    recipient_login: str = "",
    recipient_address: str = "",
    mode: str = Share.Mode.VIEW,
    expires_at: datetime | None = None,
    password: str = "",
    max_visits: int | None = None,
    options: dict[str, Any] | None = None,
    request: Any = None,
) -> tuple[Share, str]:
    """Open one thing to a person or by link; returns the share and the code of the link ("" for a person).

    The code is not kept. Whether an account stands behind `recipient_login` is not said. Raises `Invalid`, `SharingOff`.
    """
    shareable, row = load_for_sharing(actor=actor, kind=kind, thing=thing)
    shareable.hold(row)
    container = container_of(row)
    organisation = container.owning_organisation
    policy = policy_of(organisation)
    if not (policy.allows_links if audience == Share.Audience.LINK else policy.allows_people):
        raise SharingOff
    refusal = shareable.refusal(row)
    if refusal:
        raise Invalid(refusal)
    ends = expires_at or timezone.now() + timedelta(days=policy.share_days_default)
    faults = _faults(
        organisation=organisation,
        audience=audience,
        mode=mode,
        recipient_login=recipient_login,
        password=password,
        max_visits=max_visits,
        texts={"recipient_name": recipient_name, "purpose": purpose},
    )
    faults |= _end_faults(ends=ends, maximum_days=policy.share_days_maximum)
    if faults:
        raise Invalid(fields=faults)
    is_link = audience == Share.Audience.LINK
    secret = secrets.token_urlsafe(SECRET_BYTES) if is_link else ""
    known = {option.name for option in shareable.options}
    share: Share = Share.objects.create(
        organisation=organisation,
        audience=audience,
        mode=mode if shareable.is_handed_over else Share.Mode.VIEW,
        kind=kind,
        object_id=row.pk,
        label=shareable.describe(row)[:200],
        options={name: bool(value) for name, value in (options or {}).items() if name in known},
        container_kind=container.container_kind(),
        container_id=container.pk,
        recipient_name=recipient_name.strip()[:150],
        recipient_address=recipient_address.strip()[:300],
        purpose=purpose.strip()[:300],
        recipient_login="" if is_link else recipient_login.strip().lower()[:254],
        recipient=None if is_link else find_person(recipient_login),
        digest=secret_digest(secret) if is_link else None,
        password=make_password(password) if is_link and password else "",
        max_visits=max_visits,
        created_by=actor,
        expires_at=ends,
    )
    _tell(
        action="share.created",
        share=share,
        actor=actor,
        request=request,
        detail={
            "thing": str(getattr(row, "public_id", row.pk)),
            "kind": kind,
            "audience": audience,
            "mode": share.mode,
            "recipient": share.recipient_name,
            "until": ends.isoformat(timespec="minutes"),
        },
    )
    return share, f"{organisation.slug}.{secret}" if is_link else ""


def _faults(
    *,
    organisation: Organisation,
    audience: str,
    mode: str,
    recipient_login: str,
    password: str,
    max_visits: int | None,
    texts: dict[str, str],
) -> dict[str, list[str]]:
    faults: dict[str, list[str]] = {
        name: [_("The account of disclosures needs this.")] for name, value in texts.items() if not value.strip()
    }
    if audience not in Share.Audience.values or mode not in Share.Mode.values:
        faults["audience"] = [_("Choose one of the offered ways.")]
    if audience == Share.Audience.PERSON:
        typed = recipient_login.strip()
        if not typed:
            faults["recipient_login"] = [_("Write the person's user name or e-mail address.")]
        else:
            # Members of the own organisation are no secret to each other.
            person = find_person(typed)
            is_member = Membership.objects.filter(organisation=organisation, user=person, is_active=True)
            if person is not None and is_member.exists():
                faults["recipient_login"] = [_("This is a member of your organisation: give a role instead.")]
    if max_visits is not None and not 1 <= max_visits <= MOST_VISITS:
        faults["max_visits"] = [_("Between 1 and %(most)s visits.") % {"most": MOST_VISITS}]
    if password and len(password) < SHORTEST_PASSWORD:
        faults["password"] = [_("At least %(n)s characters.") % {"n": SHORTEST_PASSWORD}]
    return faults


def _end_faults(*, ends: datetime, maximum_days: int) -> dict[str, list[str]]:
    now = timezone.now()
    if ends <= now:
        return {"expires_at": [_("This day has passed.")]}
    # The last day counts whole, whatever the hour.
    if ends > now + timedelta(days=maximum_days + 1):
        said = ngettext(
            "Your organisation allows %(n)s day at most.", "Your organisation allows %(n)s days at most.", maximum_days
        )
        return {"expires_at": [said % {"n": maximum_days}]}
    return {}


def find_person(typed: str) -> User | None:
    """The one active account with exactly this user name, or this confirmed e-mail address."""
    wanted = typed.strip()
    if not wanted:
        return None
    named = User.objects.filter(username__iexact=wanted, is_active=True).first()
    if named is not None:
        return named
    found = list(User.objects.filter(confirmed_by(wanted), is_active=True)[:2])
    return found[0] if len(found) == 1 else None


def confirmed_by(address: str) -> Q:
    """People who proved that an e-mail address is theirs; what somebody merely typed into a profile proves nothing."""
    from django.apps import apps

    if not apps.is_installed("allauth.account"):
        return Q(pk__in=[])
    addresses = apps.get_model(*CONFIRMED_ADDRESSES).objects.filter(email__iexact=address, verified=True)
    return Q(pk__in=addresses.values("user"))


def claim_shares(*, user: User, names: frozenset[str]) -> None:
    """Shares that were addressed to a name or address before an account stood behind it become the person's.

    So do those of an address that the account behind it has lost to this one. `names`: see `recipients.names_of`.
    """
    Share.objects.filter(
        ~Q(recipient=user), audience=Share.Audience.PERSON, recipient_login__in=names, revoked_at=None
    ).update(recipient=user)


@transaction.atomic
def revoke_share(*, actor: User, share: Share, request: Any = None) -> None:
    """Close a share for good; who is inside is out with the next request. Repeating it changes nothing."""
    require_control(actor=actor, share=share)
    changed = Share.objects.filter(pk=share.pk, revoked_at=None).update(revoked_at=timezone.now(), revoked_by=actor)
    if changed:
        _tell(action="share.revoked", share=share, actor=actor, request=request)


@transaction.atomic
def extend_share(*, actor: User, share: Share, expires_at: datetime, request: Any = None) -> None:
    """Let a share end later (or earlier). What was revoked stays closed. Raises `Invalid`, `Conflict`, `SharingOff`."""
    require_control(actor=actor, share=share, to_open=True)
    policy = policy_of(share.organisation)
    is_link = share.audience == Share.Audience.LINK
    if not (policy.allows_links if is_link else policy.allows_people):
        raise SharingOff
    faults = _end_faults(ends=expires_at, maximum_days=policy.share_days_maximum)
    if faults:
        raise Invalid(fields=faults)
    if not Share.objects.filter(pk=share.pk, revoked_at=None).update(expires_at=expires_at, **_answered_by(actor)):
        raise Conflict(_("This share was taken back; share anew instead."))
    _tell(
        action="share.extended",
        share=share,
        actor=actor,
        request=request,
        detail={"until": expires_at.isoformat(timespec="minutes")},
    )


@transaction.atomic
def keep_share(*, actor: User, share: Share, request: Any = None) -> None:
    """Answer for a share from now on, in the place of who made it. Raises `Forbidden`, `NotFound`, `Conflict`."""
    require_control(actor=actor, share=share, to_open=True)
    if not Share.objects.filter(pk=share.pk, revoked_at=None).update(**_answered_by(actor)):
        raise Conflict(_("This share was taken back; share anew instead."))
    _tell(action="share.kept", share=share, actor=actor, request=request)


def _answered_by(actor: User) -> dict[str, Any]:
    return {"kept_by": actor, "kept_at": timezone.now()}


def require_control(*, actor: User, share: Share, to_open: bool = False) -> None:
    """Who may end a share: its maker, who may share from its container, and administrators; only the second extends."""
    from access.sharing.queries import may_share_from

    if may_share_from(actor, share):
        return
    is_maker = share.created_by_id == actor.pk and queries.is_member(user=actor, organisation=share.organisation)
    if not to_open and is_maker:
        return
    if to_open:
        raise Forbidden if queries.is_member(user=actor, organisation=share.organisation) else NotFound
    queries.require(actor, "access.change_organisation", share.organisation)


# Entering by link -----------------------------------------------------------------------------------------------------


def secret_digest(secret: str) -> str:
    # The secret has 256 random bits: a plain hash is enough.
    return hashlib.sha256(secret.encode()).hexdigest()


def enter_link(*, request: HttpRequest, code: str, password: str = "") -> tuple[Organisation, Share]:
    """Exchange the code of a link for a visit bound to the browser session.

    Raises `LinkClosed` alike for wrong, expired, revoked and used-up links, `PasswordWanted`, `PasswordWrong`,
    `TooManyTries`.
    """
    by_address = throttle.counter("share:address", client_address(request))
    if throttle.counted(by_address) >= FAILURES_PER_ADDRESS:
        raise TooManyTries
    slug, _dot, secret = code[:LONGEST_CODE].strip().partition(".")
    organisation = Organisation.objects.filter(slug=slug).first() if secret else None
    if organisation is None or organisation.is_suspended:
        throttle.count(by_address)
        raise LinkClosed
    with tenant(organisation):
        share = _link(organisation=organisation, secret=secret)
        if share is None:
            throttle.count(by_address)
            raise LinkClosed
        _check_password(share=share, password=password, request=request)
        with transaction.atomic():
            _begin_visit(share=share, organisation=organisation, request=request)
    return organisation, share


def _link(*, organisation: Organisation, secret: str) -> Share | None:
    from access.sharing.queries import is_answered_for

    share: Share | None = (
        Share.objects.filter(digest=secret_digest(secret), audience=Share.Audience.LINK)
        .select_related("organisation", "created_by", "kept_by")
        .first()
    )
    if share is None or not share.is_open_at(timezone.now()) or not policy_of(organisation).allows_links:
        return None
    shareable = registry.find(share.kind)
    is_there = shareable is not None and shareable.is_there(share)
    return share if is_there and is_answered_for(share) else None


def _check_password(*, share: Share, password: str, request: HttpRequest) -> None:
    if not share.password:
        return
    if not password:
        raise PasswordWanted
    by_link = throttle.counter("share:link", share.public_id)
    if throttle.counted(by_link) >= FAILURES_PER_LINK:
        raise TooManyTries
    if not check_password(password, share.password):
        throttle.count(by_link)
        throttle.count(throttle.counter("share:address", client_address(request)))
        _tell(action="share.refused", share=share, actor=None, request=request, outcome="refused")
        raise PasswordWrong


def begin_person_visit(*, request: HttpRequest, share: Share) -> None:
    """The first look of a named person in this session counts as one visit. Raises `LinkClosed` when none is left."""
    if share.public_id not in guests.held_visits(request, slug=share.organisation.slug):
        with transaction.atomic():
            _begin_visit(share=share, organisation=share.organisation, request=request)


def _begin_visit(*, share: Share, organisation: Organisation, request: HttpRequest) -> None:
    held = guests.held_visits(request, slug=organisation.slug).get(share.public_id)
    now = timezone.now()
    recent = ShareVisit.objects.filter(share=share, public_id=held or "", started_at__gt=now - guests.VISIT_LENGTH)
    if held and recent.exists():
        return
    left = Q(max_visits=None) | Q(visit_count__lt=F("max_visits"))
    counted = Share.objects.filter(left, pk=share.pk, revoked_at=None, expires_at__gt=now).update(
        visit_count=F("visit_count") + 1, last_used_at=now
    )
    if not counted:
        raise LinkClosed
    user: Any = request.user
    person = user if user.is_authenticated else None
    visit: ShareVisit = ShareVisit.objects.create(
        organisation=organisation,
        share=share,
        user=person,
        address=client_address(request) or None,
        agent=request.META.get("HTTP_USER_AGENT", "")[:200],
    )
    guests.hold_visit(request, visit=visit, organisation=organisation)
    _tell(
        action="share.opened",
        share=share,
        actor=person,
        request=request,
        detail={"recipient": share.recipient_name, "visit": visit.public_id},
    )


@transaction.atomic
def note_download(*, request: HttpRequest, share: Share) -> None:
    """The whole thing leaves: counted on the visit and audited, before the first byte goes."""
    held = guests.held_visits(request, slug=share.organisation.slug).get(share.public_id, "")
    ShareVisit.objects.filter(share=share, public_id=held).update(downloads=F("downloads") + 1)
    user: Any = request.user
    _tell(
        action="share.downloaded",
        share=share,
        actor=user if user.is_authenticated else None,
        request=request,
        detail={"recipient": share.recipient_name, "visit": held},
    )


def _tell(
    *,
    action: str,
    share: Share,
    actor: User | None,
    request: Any,
    detail: dict[str, Any] | None = None,
    outcome: str = "success",
) -> None:
    hooks.tell(
        action=action,
        organisation=share.organisation,
        actor=actor,
        target=share,
        detail={"recipient": share.recipient_name, **(detail or {})},
        outcome=outcome,
        request=request,
    )
