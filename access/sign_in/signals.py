"""Whatever way somebody signed in (password, passkey, single sign-on, a command), their session begins here."""

from __future__ import annotations

from typing import Any

from allauth.account.signals import user_logged_in as stages_passed
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest

from access.models import User
from access.sign_in import sessions
from access.sign_in.stages import PROVEN_BY_SIGN_ON
from access.single_sign_on import arriving, binding, directories


def connect() -> None:
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
    sign_on = sociallogin.provider.identity
    binding.bind(
        request=request,
        user=user,
        sign_on=sign_on,
        proved_second_factor=sociallogin.state.get(PROVEN_BY_SIGN_ON) is True,
        sealed_hint=sociallogin.state.get("hint", ""),
    )
    arriving.note(sign_on=sign_on, outcome="signed-in", user=user)
