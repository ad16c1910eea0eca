from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from access.models import IdentityProvider
from tests.access.openid_provider import Liar
from tests.access.single_sign_on.back_channel.said import (
    FORM,
    Tell,
    door,
)


@pytest.fixture
def liar(liar: Liar) -> Liar:
    # Seconds before: what is told of now is told of sign-ins that were before it.
    liar.token = {"sid": "there-1", "iat": int(time.time()) - 5}
    return liar


@pytest.fixture
def tell(django_capture_on_commit_callbacks: Any) -> Tell:
    """Post a token as a provider does: no cookie, no header of a browser."""

    def post(provider: IdentityProvider, token: str, **headers: str) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return Client(enforce_csrf_checks=True).post(
                door(provider), urlencode({"logout_token": token}), content_type=FORM, headers=headers
            )

    return post
