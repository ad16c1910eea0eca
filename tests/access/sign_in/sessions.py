"""Sessions that a person opened by password, fresh or from some time ago."""

from __future__ import annotations

import time

from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from access import sudo
from access.models import User
from access.sign_in import sessions
from access.sign_in.session_store import stored_key
from tests.access.factories import PASSWORD


def signed_in(user: User) -> Client:
    client = Client()
    client.post(reverse("access:sign-in"), {"username": user.username, "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(user.pk)
    return client


def age(client: Client, *, seconds: int) -> None:
    """As if nobody had touched the session for so long."""
    key = stored_key(client.session.session_key)
    seen, _locked = sessions._keys(key)
    cache.set(seen, int(time.time()) - seconds)


def forget_sign_in(client: Client) -> None:
    """As if the sign-in were longer ago than a proof holds."""
    session = client.session
    session[sessions.BEGUN] -= sudo.VALID_SECONDS + 60
    session.save()
