from __future__ import annotations

from core.errors import RetriableError


class DatabaseAway(RetriableError):
    code = "database-away"


class PeerGone(Exception):
    """The connection ended without a word."""


class PeerSilent(Exception):
    """A timer ran out: nothing, or not enough, came in time."""


class Draining(Exception):
    """The listener is going down and the association has nothing in hand."""
