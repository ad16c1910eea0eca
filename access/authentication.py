"""How DRF learns who is asking, and what a token may do."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from access.models import ApiToken, User


class TokenAuthentication(BaseAuthentication):
    """Takes over what `access.middleware.TokenMiddleware` found."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        token: ApiToken | None = getattr(request._request, "api_token", None)
        return None if token is None else (token.user, token)

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="PACSWeb"'


class TokenScope(BasePermission):
    """A token reads with `read` and changes with `write`; a session is bound by the person's rights alone."""

    def has_permission(self, request: Request, view: Any) -> bool:
        token = request.auth
        if not isinstance(token, ApiToken):
            return bool(request.user and request.user.is_authenticated)
        needed = getattr(view, "token_scope", None) or ("read" if request.method in SAFE_METHODS else "write")
        return needed in token.scopes
