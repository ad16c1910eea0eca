"""Somebody arrives with a provider's or directory's word: whose account is it, and may they come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from access import hooks, people
from access.errors import PeopleQuotaReached
from access.models import User
from access.single_sign_on import claims as claiming
from access.single_sign_on import domains, queries, rights
from access.single_sign_on.errors import SignOnRefused
from access.single_sign_on.models import Directory, IdentityProvider, SignOn, SignOnEvent
from core.errors import Invalid
from core.tenancy import tenant

EVENTS_KEPT = 500
TRIES = 50


def note(*, sign_on: SignOn, outcome: str, user: User | None = None) -> None:
    """For the administrator's list; what is older than the newest few hundred is forgotten."""
    with tenant(sign_on.organisation):
        SignOnEvent.objects.create(**queries.belonging(sign_on), user=user, outcome=outcome[:40])
        old = SignOnEvent.objects.filter(queries.of_sign_on(sign_on)).values_list("pk", flat=True)
        SignOnEvent.objects.filter(pk__in=list(old[EVENTS_KEPT : EVENTS_KEPT + 100])).delete()


def refuse(*, sign_on: SignOn, code: str, user: User | None = None, request: Any = None) -> None:
    """Keep a refusal for administrator and officer."""
    note(sign_on=sign_on, outcome=code, user=user)
    with tenant(sign_on.organisation):
        hooks.tell(
            action="sign-on.refused",
            organisation=sign_on.organisation,
            target=user,
            detail={"sign_on": sign_on.public_id, "why": code},
            outcome="refused",
            request=request,
        )


def enter(*, sign_on: SignOn, subject: str, claims: Mapping[str, Any], request: Any = None) -> User:
    """The account behind a subject, with membership and roles as the claims say. Raises `SignOnRefused`.

    An account is found by the link alone. Without one: by a verified address of a domain the provider is trusted for and
    its organisation has proven, if a member here has proven the same address; else an account is made, when the provider
    may.
    """
    refusal = ""
    with transaction.atomic(), tenant(sign_on.organisation):
        linked = SocialAccount.objects.filter(provider=sign_on.public_id, uid=subject).select_related("user").first()
        user = linked.user if linked is not None else _by_trusted_word(sign_on=sign_on, claims=claims)
        if user is None:
            if not rights.claimed(sign_on=sign_on, claims=claims).is_member:
                raise SignOnRefused(code="no-role")
            if not sign_on.creates_accounts:
                raise SignOnRefused(code="no-account")
            user = _make_account(sign_on=sign_on, claims=claims, request=request)
        if not isinstance(user, User) or not user.is_active or user.is_service:
            raise SignOnRefused(code="account-closed")
        if linked is None:
            link(sign_on=sign_on, subject=subject, user=user, request=request)
        try:
            rights.bring_up_to_date(sign_on=sign_on, user=user, claims=claims, request=request)
        except PeopleQuotaReached as error:
            raise SignOnRefused(code="people-quota") from error
        if queries.membership_state(user=user, organisation=sign_on.organisation) != "active":
            refusal = "no-role"
    if refusal:  # after the transaction: what was taken back stays taken back
        raise SignOnRefused(code=refusal)
    return user


def _by_trusted_word(*, sign_on: SignOn, claims: Mapping[str, Any]) -> User | None:
    if isinstance(sign_on, Directory):
        return _of_name(sign_on=sign_on, claims=claims)
    if not isinstance(sign_on, IdentityProvider) or not sign_on.trusts_email:
        return None
    email = claiming.verified_email(claims)
    if not domains.vouches_for(sign_on=sign_on, email=email):
        return None
    proven = EmailAddress.objects.filter(email=email, verified=True).select_related("user").first()
    user = proven.user if proven is not None else None
    if not isinstance(user, User) or user.is_service or user.is_installation_administrator:
        return None
    is_member = queries.membership_state(user=user, organisation=sign_on.organisation) == "active"
    return user if is_member and not _has_link(sign_on=sign_on, user=user) else None


def _of_name(*, sign_on: Directory, claims: Mapping[str, Any]) -> User | None:
    if not sign_on.takes_over_names:
        return None
    name = claiming.text_at(claims, "login", longest=60).lower()
    user = User.objects.filter(username=f"{name}@{sign_on.organisation.slug}").first()
    if user is None or user.is_service or user.is_installation_administrator:
        return None
    return None if _has_link(sign_on=sign_on, user=user) else user


def _has_link(*, sign_on: SignOn, user: User) -> bool:
    """One person of a provider is one account: a second subject does not come in by the same address or name."""
    return SocialAccount.objects.filter(provider=sign_on.public_id, user=user).exists()


def link(*, sign_on: SignOn, subject: str, user: User, request: Any = None) -> None:
    """Let a subject of a provider open an account from now on. Raises `SignOnRefused` when another has it."""
    try:
        with transaction.atomic():
            _row, created = SocialAccount.objects.get_or_create(
                provider=sign_on.public_id, uid=subject, defaults={"user": user, "extra_data": {}}
            )
    except IntegrityError as error:
        raise SignOnRefused(code="linked-elsewhere") from error
    if not created and _row.user_id != user.pk:
        raise SignOnRefused(code="linked-elsewhere")
    if created:
        with tenant(sign_on.organisation):
            hooks.tell(
                action="sign-on.connected",
                organisation=sign_on.organisation,
                actor=user,
                target=user,
                detail={"sign_on": sign_on.public_id},
                request=request,
            )


def connect(*, sign_on: SignOn, subject: str, user: User, claims: Mapping[str, Any], request: Any = None) -> None:
    """A signed-in member connects their account. Raises `SignOnRefused`."""
    with tenant(sign_on.organisation):
        if queries.membership_state(user=user, organisation=sign_on.organisation) != "active":
            raise SignOnRefused(code="not-a-member")
        if SocialAccount.objects.filter(provider=sign_on.public_id, user=user).exclude(uid=subject).exists():
            raise SignOnRefused(code="has-another")
    link(sign_on=sign_on, subject=subject, user=user, request=request)
    rights.bring_up_to_date(sign_on=sign_on, user=user, claims=claims, request=request)
    note(sign_on=sign_on, outcome="connected", user=user)


def _make_account(*, sign_on: SignOn, claims: Mapping[str, Any], request: Any) -> User:
    organisation = sign_on.organisation
    name_claim = sign_on.name_claim if isinstance(sign_on, IdentityProvider) else "login"
    email = claiming.text_at(claims, "email", longest=254).lower()
    try:
        validate_email(email)
    except ValidationError:
        email = ""
    wanted = claiming.text_at(claims, name_claim, longest=254) or email
    if (
        isinstance(sign_on, Directory)
        and User.objects.filter(username__iexact=f"{wanted}@{organisation.slug}").exists()
    ):
        # People of a directory type their name here: it must be theirs, not one like it.
        raise SignOnRefused(code="name-taken")
    user = User(
        username=_free_name(wanted.partition("@")[0], organisation=organisation),
        display_name=claiming.text_at(claims, "name", longest=150),
        email=email,
        time_zone=organisation.time_zone,
    )
    user.set_unusable_password()
    user.save()
    if isinstance(sign_on, IdentityProvider) and sign_on.trusts_email:
        _note_address(user=user, email=claiming.verified_email(claims), sign_on=sign_on)
    hooks.tell(
        action="account.created",
        organisation=organisation,
        actor=None,
        target=user,
        detail={"sign_on": sign_on.public_id},
        request=request,
    )
    return user


def _free_name(wanted: str, *, organisation: Any) -> str:
    """`name@organisation`, with a number when somebody has it: the claim names nobody's account but a new one."""
    plain = "".join(one for one in wanted.lower() if one in people.NAME_CHARACTERS).strip(".-_")[:50] or "person"
    for number in range(1, TRIES):
        try:
            return people.free_username(name=plain if number == 1 else f"{plain}{number}", organisation=organisation)
        except Invalid:
            continue
    raise SignOnRefused(code="no-free-name")


def _note_address(*, user: User, email: str, sign_on: IdentityProvider) -> None:
    if not email or not domains.vouches_for(sign_on=sign_on, email=email):
        return
    try:
        with transaction.atomic():
            EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    except IntegrityError:
        pass  # another account has proven it, with which it stays
