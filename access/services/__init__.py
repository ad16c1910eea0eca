"""Organisations, memberships, roles, ways to join, and tokens: the write side."""

from __future__ import annotations

from access.services.members import (
    add_member,
    leave,
    remove_member,
    restore_member,
    suspend_member,
)
from access.services.organisations import (
    LOGO_BYTES,
    change_organisation,
    create_organisation,
    remove_logo,
    resume_organisation,
    set_logo,
    set_quotas,
    suspend_organisation,
)
from access.services.roles import (
    end_expired_grants,
    grant_role,
    may_manage_roles,
    prepare_roles,
    revoke_role,
    set_expiry,
)
from access.services.tokens import (
    TOKEN_PREFIX,
    authenticate_token,
    create_token,
    revoke_token,
    rotate_token,
    shut_out_token,
    token_digest,
)

__all__ = [
    "LOGO_BYTES",
    "TOKEN_PREFIX",
    "add_member",
    "authenticate_token",
    "change_organisation",
    "create_organisation",
    "create_token",
    "end_expired_grants",
    "grant_role",
    "leave",
    "may_manage_roles",
    "prepare_roles",
    "remove_logo",
    "remove_member",
    "restore_member",
    "resume_organisation",
    "revoke_role",
    "revoke_token",
    "rotate_token",
    "set_expiry",
    "set_logo",
    "set_quotas",
    "shut_out_token",
    "suspend_member",
    "suspend_organisation",
    "token_digest",
]
