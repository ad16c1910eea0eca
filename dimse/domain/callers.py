"""Why a caller gets no association, or may not store: the archive's side of it, finer than what the protocol can say."""

from __future__ import annotations

from typing import Final

UNKNOWN_CALLED: Final = "unknown-called"
UNKNOWN_CALLING: Final = "unknown-calling"
WRONG_ADDRESS: Final = "wrong-address"
NOT_A_SOURCE: Final = "not-a-source"
CLOSED: Final = "closed"
SUSPENDED: Final = "suspended"
TLS: Final = "tls"
PROTOCOL: Final = "protocol"
BUSY: Final = "busy"

#: What adding the calling AE title would mend.
CURABLE: Final = frozenset({UNKNOWN_CALLING, WRONG_ADDRESS, NOT_A_SOURCE})
