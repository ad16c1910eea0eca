"""Steps of a sign-in beside those of django-allauth."""

from __future__ import annotations

from typing import Any

from allauth.account.stages import LoginStage
from django.http import HttpResponse
from django.shortcuts import redirect

from access.people import ONE_TIME_FLAG


class ChoosePasswordStage(LoginStage):
    """A one-time password opens only the page on which it is replaced; after any second factor."""

    key = "choose_password"
    urlname = "access:choose-password"

    def handle(self) -> tuple[HttpResponse | None, bool]:
        user: Any = self.login.user
        if user is None or not user.preferences.get(ONE_TIME_FLAG):
            return None, True
        return redirect(self.urlname), True
