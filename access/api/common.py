"""What the administration's REST views share: its scope, its right, and the proof that a session gives."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.views import APIView

from access import proofs, queries, sudo
from access.models import ApiToken, Organisation, User
from core.errors import NotFound


class Administers(APIView):
    """For who holds `permission` on the organisation; a token needs the scope `admin`, to read too.

    What changes something needs the proof of `proof_act` from a session, as on the pages. For a token the scope was
    proof enough when it was made.
    """

    token_scope = "admin"
    permission = "access.manage_people"
    proof_act = "people"

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in proofs.SAFE_METHODS and not isinstance(request.auth, ApiToken):
            self.organisation()  # who may not do it at all is told so, not asked
            sudo.require(request._request, reason=proofs.ACTS[self.proof_act])

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
