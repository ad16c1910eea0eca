"""Whatever way somebody signed in (password, passkey, single sign-on, a command), their session begins here."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from access.models import User
from access.sign_in import sessions


def connect() -> None:
    user_logged_in.connect(_begin_session, dispatch_uid="access.begin_session")


def _begin_session(*, request: HttpRequest, user: User, **_unused: Any) -> None:
    sessions.begin(request=request, user=user)
