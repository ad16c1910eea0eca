"""People, organisations, roles on containers, ways to join, and API tokens."""

from __future__ import annotations

from access.break_glass.models import BreakGlass, BreakGlassReview, BreakGlassSubject
from access.grant_policy import GrantPolicy
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
from access.sharing.models import Share, ShareVisit
from access.sign_in.models import SecurityPolicy
from access.single_sign_on.models import Directory, EmailDomain, IdentityProvider, RoleRule, SignOnEvent

__all__ = [
    "ApiToken",
    "BreakGlass",
    "BreakGlassReview",
    "BreakGlassSubject",
    "ContainerRole",
    "Directory",
    "EmailDomain",
    "GrantPolicy",
    "IdentityProvider",
    "Invitation",
    "JoinRequest",
    "Membership",
    "Organisation",
    "OrganisationGroupObjectPermission",
    "OrganisationLogo",
    "OrganisationUserObjectPermission",
    "RoleContainer",
    "RoleGrant",
    "RoleRule",
    "SecurityPolicy",
    "Share",
    "ShareVisit",
    "SignOnEvent",
    "User",
    "UserManager",
    "validate_slug",
    "validate_time_zone",
]
