"""How a data set can be written: transfer syntaxes and value representations (PS3.5 7.1.2, 10, A)."""

from __future__ import annotations

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
JPIP_DEFLATED = frozenset({"1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
STANDARD_ROOT = "1.2.840.10008."

# PS3.5 7.1.2: these have two reserved bytes and a 32-bit length.
LONG_VRS = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"})
SHORT_VRS = frozenset(
    {
        b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
        b"ST", b"TM", b"UI", b"UL", b"US",
    }
)  # fmt: skip
KNOWN_VRS = LONG_VRS | SHORT_VRS


def encoding_of(uid: str) -> tuple[bool, bool]:
    """(implicit VR, big endian) of a transfer syntax; unknown ones are explicit little endian (PS3.5 10)."""
    return uid == IMPLICIT_LITTLE, uid == EXPLICIT_BIG
