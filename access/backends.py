"""Signing in proves who somebody is and nothing else: rights come from `access.queries` alone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.db.models import QuerySet
from django.http import HttpRequest

from access.models import User
from core.ready import ready


@ready(user_id=int)
def _account(*, user_id: int) -> QuerySet[User]:
    return User.objects.filter(pk=user_id)


class PasswordBackend(ModelBackend):
    """User name, or proven e-mail address, and password; grants no permission, whatever an account carries."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if username is None or password is None or "\x00" in username:
            return None
        from access.sign_in.addresses import find_account

        user = find_account(username)
        # Without an account the password is hashed all the same: the time must not tell which names exist.
        return super().authenticate(request, username=user.username if user else "", password=password)

    def get_user(self, user_id: Any) -> Any:
        user = _account.first(user_id=int(user_id))
        return user if user is not None and self.user_can_authenticate(user) else None

    def has_perm(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def has_module_perms(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def get_all_permissions(self, *args: Any, **kwargs: Any) -> set[str]:
        return set()


class DirectoryBackend(PasswordBackend):
    """`name@organisation` and the password of the organisation's LDAP directory."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> Any:
        if request is None or not username or not password or "\x00" in username:
            return None
        from access.single_sign_on import directories
        from access.single_sign_on.errors import SignOnRefused

        try:
            found = directories.arrive(username=username, password=password, request=request)
        except SignOnRefused as error:
            request.sign_on_problem = error  # type: ignore[attr-defined]
            return None
        if found is None:
            return None
        found.user.arrived_by = found.directory.public_id
        return found.user
