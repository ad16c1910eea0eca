"""E-mail addresses of accounts: proven by a link before they count, and the way back in when a password is forgotten."""

from __future__ import annotations

import json
import secrets
from typing import Any

from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.tokens import default_token_generator
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext as _

from access import hooks, people
from access.models import User
from access.sign_in import mail, sessions
from access.single_sign_on import sealing
from core.callers import client_address
from core.errors import Conflict, Invalid

RESET_REQUEST_SECONDS = 60 * 60


def find_account(name: str) -> User | None:
    """The account with this user name, or with this proven address."""
    name = name.strip()
    if not name or "\x00" in name:
        return None
    user = User.objects.filter(username__iexact=name).first()
    if user is None and "@" in name:
        address = EmailAddress.objects.filter(email=name.lower(), verified=True).select_related("user").first()
        user = address.user if address is not None else None
    return user


# Addresses -------------------------------------------------------------------------------------------------------------


def of(user: User) -> tuple[EmailAddress | None, EmailAddress | None]:
    """The proven address, and the one that waits for its proof."""
    rows = list(EmailAddress.objects.filter(user=user).order_by("-verified", "-primary", "-pk"))
    proven = next((row for row in rows if row.verified), None)
    waiting = next((row for row in rows if not row.verified), None)
    return proven, waiting


@transaction.atomic
def begin_change(*, user: User, email: str, request: HttpRequest | None = None) -> None:
    """Send a link to an address; it takes the place of the present one when the link is followed. Raises `Invalid`.

    The answer is the same for an address that another account has proven: its owner gets a letter, not the asker a hint.
    """
    email = email.strip().lower()
    try:
        validate_email(email)
        EmailAddress(user=user, email=email).clean_fields()
    except ValidationError as error:
        raise Invalid(fields={"email": [_("This is not an e-mail address.")]}) from error
    locked = User.objects.select_for_update().get(pk=user.pk)
    if EmailAddress.objects.filter(user=user, email=email, verified=True).exists():
        raise Invalid(fields={"email": [_("This is your address already, and it is proven.")]})
    EmailAddress.objects.filter(user=user, verified=False).delete()
    row = EmailAddress.objects.create(user=user, email=email)
    if not EmailAddress.objects.filter(user=user, verified=True).exists() and locked.email != email:
        locked.email = email
        locked.save(update_fields=["email"])
        user.email = email
    sessions.tell(action="address.asked", user=user, request=request)
    from access.tasks import send_address_proof

    send_address_proof.enqueue(address_id=row.pk)


def send_proof(*, address_id: int) -> None:
    row = EmailAddress.objects.filter(pk=address_id, verified=False).select_related("user").first()
    if row is None:
        return
    if EmailAddress.objects.filter(email=row.email, verified=True).exclude(pk=row.pk).exists():
        mail.send(template="address_taken", to=row.email, user=None, context={})
        return
    link = settings.PUBLIC_URL + reverse("access:address-prove", kwargs={"key": EmailConfirmationHMAC.create(row).key})
    mail.send(template="address_proof", to=row.email, user=row.user, context={"link": link})


def send_renewal_notice(*, address_id: int) -> None:
    row = EmailAddress.objects.filter(pk=address_id).select_related("user").first()
    if row is not None:
        mail.send(template="account_changed", to=row.email, user=row.user, context={"what": "password-renewed"})


def find_waiting(*, user: User, key: str) -> EmailAddress | None:
    """The person's own waiting address that a link's key is for."""
    confirmation = EmailConfirmationHMAC.from_key(key)
    if confirmation is None or confirmation.email_address.user_id != user.pk:
        return None
    return confirmation.email_address


def prove(*, user: User, key: str, request: HttpRequest | None = None) -> EmailAddress:
    """The link was followed: the address counts, and is the only one. Raises `Conflict`."""
    stale = Conflict(_("This link is no longer good. Ask for a new one on your security page."))
    try:
        with transaction.atomic():
            locked = User.objects.select_for_update().get(pk=user.pk)
            row = find_waiting(user=user, key=key)
            if row is None:
                raise stale
            before = mail.verified_address(user)
            EmailAddress.objects.filter(user=user).exclude(pk=row.pk).delete()
            EmailAddress.objects.filter(pk=row.pk).update(verified=True, primary=True)
            locked.email = row.email
            locked.save(update_fields=["email"])
            sessions.tell(action="address.proven", user=user, request=request)
    except IntegrityError as error:  # another account proved it a moment before
        raise stale from error
    if before and before != row.email:
        # The former reader must learn of it, and nobody else; too rare to queue, and no task takes an address.
        mail.send(template="account_changed", to=before, user=user, context={"what": "email-changed"})
    user.email = row.email
    return row


# A forgotten password --------------------------------------------------------------------------------------------------


def ask_for_reset(*, name: str, request: HttpRequest) -> None:
    """Have a link sent to the proven address of the account, if there is one.

    Nothing outside tells whether there is, the time neither: the account is looked for by a worker. Who asks for whom is
    kept sealed until then, and the task knows its reference alone.
    """
    from access.tasks import answer_reset_request

    reference = secrets.token_urlsafe(16)
    asked = {"name": name, "address": client_address(request), "agent": request.headers.get("User-Agent", "")[:200]}
    cache.set(_asked_key(reference), sealing.seal(json.dumps(asked)), RESET_REQUEST_SECONDS)
    answer_reset_request.enqueue(reference=reference)


def answer_reset_request(*, reference: str) -> None:
    """Look for the account that a request for a link is about, and have the letter sent. Safe to repeat."""
    from access.tasks import send_password_reset

    sealed = cache.get(_asked_key(reference))
    if not sealed:
        return
    asked = json.loads(sealing.unseal(sealed))
    user = find_account(asked["name"])
    if user is not None and user.is_active and user.has_usable_password() and mail.verified_address(user):
        with transaction.atomic():
            sessions.tell(action="password.reset-asked", user=user, request=_as_it_came(asked), is_actor=False)
            send_password_reset.enqueue(user_id=user.pk)
    cache.delete(_asked_key(reference))


def _asked_key(reference: str) -> str:
    return f"reset-asked:{reference}"


def _as_it_came(asked: dict[str, str]) -> HttpRequest:
    """The request as the trail tells of it: where it came from, and nobody signed in."""
    request = HttpRequest()
    request.META = {"REMOTE_ADDR": asked["address"], "HTTP_USER_AGENT": asked["agent"]}
    request.user = AnonymousUser()
    return request


def send_password_reset(*, user_id: int) -> None:
    user = User.objects.filter(pk=user_id, is_active=True).first()
    address = mail.verified_address(user) if user is not None else ""
    if user is None or not address:
        return
    path = reverse(
        "access:reset-open",
        kwargs={"who": urlsafe_base64_encode(force_bytes(user.pk)), "key": default_token_generator.make_token(user)},
    )
    mail.send(template="password_reset", to=address, user=user, context={"link": settings.PUBLIC_URL + path})


def find_reset(*, who: str, key: str) -> User | None:
    """The account a reset link is for; None for a link that is wrong, used, superseded or too old."""
    try:
        pk = int(urlsafe_base64_decode(who).decode("ascii"))
    except (ValueError, UnicodeDecodeError, OverflowError):
        return None
    if not 0 < pk < 2**63:
        return None
    user = User.objects.filter(pk=pk, is_active=True).first()
    return user if user is not None and default_token_generator.check_token(user, key) else None


@transaction.atomic
def reset_password(*, who: str, key: str, password: str, request: Any = None) -> None:
    """Set the password by a link, once; every session of the account ends. Raises `Conflict`."""
    user = find_reset(who=who, key=key)
    locked = User.objects.select_for_update().get(pk=user.pk) if user is not None else None
    if locked is None or not default_token_generator.check_token(locked, key):
        raise Conflict(_("This link is no longer good. Ask for a new one."))
    people.choose_password(user=locked, password=password, request=request)
    sessions.end_all(user=locked)
    hooks.tell(action="password.reset", actor=None, target=locked, request=request)
    mail.tell_later(user=locked, what="password-changed")
