"""What people do and what they carry when they sign in: a password, an app for codes, a proven address."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal import auth as totp
from django.test import Client
from django.urls import reverse

from access.models import User
from audit.models import Event
from core.tenancy import all_tenants
from tests.access.factories import PASSWORD


def try_to_sign_in(client: Client, *, username: str, password: str = PASSWORD, **more: str) -> Any:
    return client.post(reverse("access:sign-in"), {"username": username, "password": password, **more})


def code_now(secret: str, *, steps: int = 0) -> str:
    counter = int(time.time()) // 30 + steps
    return totp.format_hotp_value(totp.hotp_value(secret, counter))


def give_app(user: User) -> str:
    secret = totp.generate_totp_secret()
    totp.TOTP.activate(user, secret)
    return secret


def actions(user: User) -> list[str]:
    with all_tenants():
        return list(Event.objects.filter(target_id=str(user.pk)).order_by("pk").values_list("action", flat=True))


def prove_address(user: User, email: str) -> None:
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    user.email = email
    user.save(update_fields=["email"])
