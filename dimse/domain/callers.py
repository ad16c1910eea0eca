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
UNSOUND_TITLE: Final = "unsound-title"
BUSY: Final = "busy"

#: Stands for a calling AE title of blanks only, which PS3.5 6.2 does not allow.
NO_TITLE: Final = "(none)"

#: What the launcher asks with to learn whether the listener answers (`pacsweb.launcher.readiness.dicom_answers`).
PROBE_CALLED: Final = "PACSWEB"
PROBE_CALLING: Final = "PACSWEB_PROBE"

#: What adding the calling AE title would mend.
CURABLE: Final = frozenset({UNKNOWN_CALLING, WRONG_ADDRESS, NOT_A_SOURCE})
