"""What the person of a request may do on its organisation, asked once however often a page wants to know."""

from __future__ import annotations

from typing import Any

from access import queries


def holds(request: Any, permission: str) -> bool:
    """Whether a role of the person on the request's own organisation holds `permission`; no outside organisations."""
    organisation = getattr(request, "organisation", None)
    if organisation is None:
        return False
    known: tuple[int, frozenset[str]] | None = getattr(request, "_rights", None)
    if known is None or known[0] != organisation.pk:
        known = (organisation.pk, queries.rights_on(request.user, organisation))
        request._rights = known
    return permission in known[1]
