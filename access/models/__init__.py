"""People, organisations, roles on containers, ways to join, and API tokens."""

from __future__ import annotations

from access.models.joining import Invitation, JoinRequest
from access.models.people import (
    ContainerRole,
    Membership,
    Organisation,
    OrganisationGroupObjectPermission,
    OrganisationLogo,
    OrganisationUserObjectPermission,
    RoleContainer,
    User,
    UserManager,
    validate_slug,
    validate_time_zone,
)
from access.models.roles import RoleGrant
from access.models.tokens import ApiToken
from access.sign_in.models import SecurityPolicy

__all__ = [
    "ApiToken",
    "ContainerRole",
    "Invitation",
    "JoinRequest",
    "Membership",
    "Organisation",
    "OrganisationGroupObjectPermission",
    "OrganisationLogo",
    "OrganisationUserObjectPermission",
    "RoleContainer",
    "RoleGrant",
    "SecurityPolicy",
    "User",
    "UserManager",
    "validate_slug",
    "validate_time_zone",
]
