"""Second factors: authenticator apps, passkeys, recovery codes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, validate_totp_code
from allauth.mfa.utils import decrypt
from allauth.mfa.webauthn.internal import auth as webauthn
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from access import queries
from access.models import Membership, Organisation, User
from access.people import is_at_home
from access.sign_in import mail, sessions
from core.errors import Conflict, Forbidden, Invalid, NotFound
from core.tenancy import tenant

Kind = Authenticator.Type
FULL_KINDS = (Kind.TOTP, Kind.WEBAUTHN)
# A code holds for its own half minute and the ones beside it; remembered for longer than that, it works once.
CODE_REMEMBERED_SECONDS = 120
LONGEST_NAME = 60


@dataclass(frozen=True)
class Passkey:
    pk: int
    name: str
    opens_alone: bool
    added_at: datetime
    used_at: datetime | None


@dataclass(frozen=True)
class Overview:
    """The factors of a person as the security page shows them."""

    app: Authenticator | None
    passkeys: list[Passkey]
    codes_left: int
    codes_used_at: datetime | None
    has_codes: bool

    @property
    def has_any(self) -> bool:
        return self.app is not None or bool(self.passkeys)


def has_second_factor(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type__in=FULL_KINDS).exists()


def has_passkey(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type=Kind.WEBAUTHN).exists()


def has_app(user: User) -> bool:
    return Authenticator.objects.filter(user=user, type=Kind.TOTP).exists()


def overview(user: User) -> Overview:
    rows = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    codes = next((row for row in rows if row.type == Kind.RECOVERY_CODES), None)
    return Overview(
        app=next((row for row in rows if row.type == Kind.TOTP), None),
        passkeys=[
            Passkey(
                pk=row.pk,
                name=row.wrap().name,
                opens_alone=bool(row.wrap().is_passwordless),
                added_at=row.created_at,
                used_at=row.last_used_at,
            )
            for row in rows
            if row.type == Kind.WEBAUTHN
        ],
        codes_left=len(codes.wrap().get_unused_codes()) if codes else 0,
        codes_used_at=codes.last_used_at if codes else None,
        has_codes=codes is not None,
    )


# Proving ---------------------------------------------------------------------------------------------------------------


def check_code(*, user: User, code: str) -> Authenticator | None:
    """The authenticator app or recovery codes that this code belongs to; it works once."""
    code = "".join(code.split()).replace("-", "")
    if not code.isascii() or not code.isdigit():
        return None
    rows = {row.type: row for row in Authenticator.objects.filter(user=user, type__in=(Kind.TOTP, Kind.RECOVERY_CODES))}
    app, codes = rows.get(Kind.TOTP), rows.get(Kind.RECOVERY_CODES)
    if app is not None and validate_totp_code(decrypt(app.data["secret"]), code):
        first_time = cache.add(f"one-time-code:{user.pk}:{code}", 1, CODE_REMEMBERED_SECONDS)
        return app if first_time else None
    if codes is not None and codes.wrap().validate_code(code):
        return codes
    return None


def passkey_question(*, user: User | None) -> dict[str, Any]:
    """What the browser is to ask the authenticator; the challenge is kept in the session."""
    return webauthn.begin_authentication(user)


def check_passkey(*, user: User, credential: Any) -> Authenticator | None:
    """The passkey of this person that signed the session's challenge."""
    try:
        webauthn.parse_authentication_response(credential)
        return webauthn.complete_authentication(user, credential)
    except (ValidationError, KeyError, AttributeError, TypeError, ValueError):
        return None


def note_use(*, authenticator: Authenticator, request: HttpRequest | None) -> None:
    authenticator.record_usage()
    if authenticator.type == Kind.RECOVERY_CODES:
        left = len(authenticator.wrap().get_unused_codes())
        user: User = authenticator.user
        sessions.tell(action="factor.code-used", user=user, request=request, detail={"left": left})
        mail.tell_later(user=user, what="recovery-code-used")


# Changing --------------------------------------------------------------------------------------------------------------


@transaction.atomic
def add_app(*, request: HttpRequest, user: User, secret: str, code: str) -> list[str]:
    """Turn on the authenticator app that shows `code`; returns recovery codes when there were none. Raises `Invalid`."""
    User.objects.select_for_update().get(pk=user.pk)
    if has_app(user):
        raise Conflict(_("An authenticator app is set up already. Remove it before you set up another one."))
    digits = "".join(code.split())
    if not validate_totp_code(secret, digits):
        raise Invalid(
            fields={"code": [_("This code does not belong to the key shown. Is the clock of the device right?")]}
        )
    cache.add(f"one-time-code:{user.pk}:{digits}", 1, CODE_REMEMBERED_SECONDS)
    TOTP.activate(user, secret)
    return _after_adding(request=request, user=user, kind=Kind.TOTP)


@transaction.atomic
def add_passkey(*, request: HttpRequest, user: User, name: str, credential: Any) -> list[str]:
    """Keep a passkey the browser made; returns recovery codes when there were none. Raises `Invalid`."""
    User.objects.select_for_update().get(pk=user.pk)
    refusal = Invalid(fields={"credential": [_("The device did not make a passkey that we can use. Try again.")]})
    try:
        webauthn.parse_registration_response(credential)
        webauthn.complete_registration(credential)
    except (ValidationError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise refusal from error
    webauthn.WebAuthn.add(user, clean_name(name) or _("Passkey"), credential)
    return _after_adding(request=request, user=user, kind=Kind.WEBAUTHN)


def clean_name(name: str) -> str:
    return " ".join(name.split())[:LONGEST_NAME]


def _after_adding(*, request: HttpRequest, user: User, kind: str) -> list[str]:
    sessions.tell(action="factor.added", user=user, request=request, detail={"kind": str(kind)})
    mail.tell_later(user=user, what="factor-added")
    sessions.end_others(request=request, user=user)
    if Authenticator.objects.filter(user=user, type=Kind.RECOVERY_CODES).exists():
        return []
    return list(RecoveryCodes.activate(user).get_unused_codes())


@transaction.atomic
def rename_passkey(*, user: User, passkey: int, name: str) -> None:
    row = Authenticator.objects.select_for_update().filter(user=user, type=Kind.WEBAUTHN, pk=passkey).first()
    if row is None:
        raise NotFound
    name = clean_name(name)
    if not name:
        raise Invalid(fields={"name": [_("Give it a name.")]})
    row.wrap().name = name
    row.save(update_fields=["data"])


@transaction.atomic
def remove(*, request: HttpRequest, user: User, factor: int) -> str:
    """Remove an authenticator app or a passkey; recovery codes go with the last of them. Returns its kind."""
    User.objects.select_for_update().get(pk=user.pk)
    row = Authenticator.objects.filter(user=user, type__in=FULL_KINDS, pk=factor).first()
    if row is None:
        raise NotFound
    kind = str(row.type)
    row.delete()
    if not has_second_factor(user):
        Authenticator.objects.filter(user=user).delete()
    sessions.tell(action="factor.removed", user=user, request=request, detail={"kind": kind})
    mail.tell_later(user=user, what="factor-removed")
    sessions.end_others(request=request, user=user)
    return kind


@transaction.atomic
def renew_codes(*, request: HttpRequest, user: User) -> list[str]:
    """New recovery codes; the old ones open nothing any more."""
    User.objects.select_for_update().get(pk=user.pk)
    if not has_second_factor(user):
        raise Conflict(_("Recovery codes stand in for an authenticator app or a passkey. Set up one of them first."))
    Authenticator.objects.filter(user=user, type=Kind.RECOVERY_CODES).delete()
    codes = list(RecoveryCodes.activate(user).get_unused_codes())
    sessions.tell(action="factor.codes-made", user=user, request=request, detail={"count": len(codes)})
    mail.tell_later(user=user, what="codes-made")
    sessions.end_others(request=request, user=user)
    return codes


@transaction.atomic
def reset(*, actor: User, organisation: Organisation, user: User, request: HttpRequest | None = None) -> int:
    """Take every factor from a person who lost theirs: by an administrator of the organisation the account is of."""
    queries.require(actor, "access.manage_people", organisation)
    with tenant(organisation):
        if not Membership.objects.filter(organisation=organisation, user=user).exists():
            raise NotFound
    if not is_at_home(user=user, organisation=organisation):
        raise Forbidden(_("This account belongs to another organisation, which can reset its second factors."))
    if actor.pk == user.pk:
        raise Conflict(_("Remove your own second factors on your security page."))
    User.objects.select_for_update().get(pk=user.pk)
    removed, _by_kind = Authenticator.objects.filter(user=user).delete()
    sessions.end_all(user=user)
    from access import hooks

    hooks.tell(action="factor.reset", organisation=organisation, actor=actor, target=user, request=request)
    mail.tell_later(user=user, what="factor-removed")
    return removed
