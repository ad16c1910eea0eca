"""Whatever way somebody signed in (password, passkey, single sign-on, a command), their session begins here."""

from __future__ import annotations

import math
from typing import Any

from allauth.account.signals import password_changed, password_set
from allauth.account.signals import user_logged_in as stages_passed
from allauth.usersessions import signals as of_allauth
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from access.models import User
from access.sign_in import sessions
from access.sign_in.stages import PROVEN_BY_SIGN_ON
from access.single_sign_on import arriving, back_channel, binding, directories
from access.single_sign_on.errors import SignOnRefused
from access.single_sign_on.words import FOR_THE_PERSON


def connect() -> None:
    # They would keep a row of each session under the key of its cookie (`session_store`).
    stages_passed.disconnect(of_allauth.on_user_logged_in)
    for changed in (password_set, password_changed):
        changed.disconnect(of_allauth.on_password_changed)
    user_logged_in.connect(_begin_session, dispatch_uid="access.begin_session")
    stages_passed.connect(_bind_session, dispatch_uid="access.bind_session")


def _begin_session(*, request: HttpRequest, user: User, **_unused: Any) -> None:
    binding.free(request)  # of a sign-in that was begun before and not ended
    sessions.begin(request=request, user=user)


def _bind_session(
    *, request: HttpRequest, user: User, sociallogin: Any = None, directory: str = "", **_unused: Any
) -> None:
    """django-allauth tells, after all stages, by which provider or directory somebody came."""
    if directory:
        found = next((one for one, _identifier in directories.linked(user) if one.public_id == directory), None)
        if found is not None:
            binding.bind(request=request, user=user, sign_on=found, proved_second_factor=False)
            arriving.note(sign_on=found, outcome="signed-in", user=user)
        return
    if sociallogin is None:
        return
    sign_on, state = sociallogin.provider.identity, sociallogin.state
    there = {"subject": sociallogin.account.uid, "session_there": state.get("session_there", "")}
    binding.bind(
        request=request,
        user=user,
        sign_on=sign_on,
        proved_second_factor=state.get(PROVEN_BY_SIGN_ON) is True,
        sealed_hint=state.get("hint", ""),
        **there,
    )
    # After the binding: what the provider says from here on finds the session.
    if back_channel.is_over(sign_on=sign_on, issued_at=float(state.get("issued_at") or math.inf), **there):
        sessions.end_current(request=request)
        raise SignOnRefused(FOR_THE_PERSON["signed-out-there"], code="signed-out-there")
    arriving.note(sign_on=sign_on, outcome="signed-in", user=user)
