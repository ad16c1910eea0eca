from __future__ import annotations

from core.errors import PermanentError


class ChainBroken(PermanentError):
    """The audit trail was altered."""

    code = "chain-broken"
