"""What the administration's REST views share: its scope, its right, and the proof that a session gives."""

from __future__ import annotations

from typing import Any

from rest_framework.views import APIView

from access import queries, sudo
from access.models import ApiToken, Organisation, User
from core.errors import Message, NotFound


class Administers(APIView):
    """For who holds `permission` on the organisation; a token needs the scope `admin`, to read too."""

    token_scope = "admin"
    permission = "access.manage_people"

    @property
    def actor(self) -> User:
        user: Any = self.request.user
        if not isinstance(user, User):
            raise NotFound
        return user

    def organisation(self) -> Organisation:
        """Load and authorise. Raises `NotFound`, `Forbidden`."""
        found: Organisation = self.request._request.organisation  # type: ignore[attr-defined]
        queries.require(self.actor, self.permission, found)
        return found

    def require_proof(self, reason: Message) -> None:
        """A session proves as on the pages that it is still its person who asks. For a token the scope was proof
        enough when it was made. Raises `ProofNeeded`."""
        if not isinstance(self.request.auth, ApiToken):
            sudo.require(self.request._request, reason=reason)
