"""Steps of a sign-in beside those of django-allauth."""

from __future__ import annotations

from typing import Any

from allauth.account.stages import LoginStage
from allauth.mfa.stages import AuthenticateStage
from django.http import HttpResponse
from django.shortcuts import redirect

from access.people import ONE_TIME_FLAG

PROVEN_BY_SIGN_ON = "second_factor"


class SecondFactorStage(AuthenticateStage):
    """The person's own second factor, unless the provider they came by proved one and its word counts.

    What such a session opens is limited to the provider's organisation (`access.single_sign_on.binding`).
    """

    def handle(self) -> tuple[HttpResponse | None, bool]:
        sign_on = (self.login.signal_kwargs or {}).get("sociallogin")
        if sign_on is not None and sign_on.state.get(PROVEN_BY_SIGN_ON) is True:
            return None, True
        found: tuple[HttpResponse | None, bool] = super().handle()
        return found


class ChoosePasswordStage(LoginStage):
    """A one-time password opens only the page on which it is replaced; after any second factor."""

    key = "choose_password"
    urlname = "access:choose-password"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        user: Any = self.login.user
        if user is None or not user.preferences.get(ONE_TIME_FLAG):
            return None, True
        return redirect(self.urlname), True
