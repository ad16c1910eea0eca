"""Signing in proves who somebody is and nothing else: rights come from `access.queries` alone."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend


class PasswordBackend(ModelBackend):
    """User name and password; grants no permission, whatever flags or global permissions an account carries."""

    def has_perm(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def has_module_perms(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def get_all_permissions(self, *args: Any, **kwargs: Any) -> set[str]:
        return set()
