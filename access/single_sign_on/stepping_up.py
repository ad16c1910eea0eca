"""Proving at the provider to be there, for a sensitive act: a sign-in that is newer than the question.

The provider is asked to have the person sign in anew (`prompt=login`, `max_age=0`), and its answer must say when that was
(`auth_time`; OpenID Connect Core 1.0, 2 and 3.1.2.1): an open session there proves nothing. The page that asked stays
open in its own tab with what was filled in; what came back waits in the session until that page goes on.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from allauth.socialaccount.models import SocialAccount
from django.http import HttpRequest

from access.models import User
from access.single_sign_on import queries
from access.single_sign_on.errors import SignOnRefused
from access.single_sign_on.models import IdentityProvider

SESSION_KEY = "proven_there"
WAITS_SECONDS = 5 * 60
CLOCKS_DIFFER_SECONDS = 30
#: For the question to the provider.
ANEW = {"prompt": "login", "max_age": "0"}


def take(
    *,
    request: HttpRequest,
    user: User,
    found: IdentityProvider,
    subject: str,
    claims: Mapping[str, Any],
    state: Mapping[str, Any],
) -> None:
    """Keep the provider's word for the page that asked. Raises `SignOnRefused`."""
    is_own = SocialAccount.objects.filter(provider=found.public_id, uid=subject, user=user).exists()
    if not is_own or found not in queries.providers_that_prove(user):
        raise SignOnRefused(code="not-yours")
    at = claims.get("auth_time")
    if not isinstance(at, (int, float)) or isinstance(at, bool):
        raise SignOnRefused(code="no-auth-time")
    if not float(state["asked_at"]) - CLOCKS_DIFFER_SECONDS <= at <= time.time() + CLOCKS_DIFFER_SECONDS:
        raise SignOnRefused(code="old-sign-in")
    request.session[SESSION_KEY] = {"user": user.pk, "purpose": state["purpose"], "at": time.time()}


def use(*, request: HttpRequest, user: User, purpose: str) -> bool:
    """Whether the person has just proved at the provider to be there, for this purpose; used up by being asked."""
    kept = request.session.get(SESSION_KEY)
    if not kept or kept["user"] != user.pk or kept["purpose"] != purpose:
        return False
    del request.session[SESSION_KEY]
    return 0 <= time.time() - kept["at"] <= WAITS_SECONDS
