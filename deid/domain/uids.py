"""New UIDs from old ones: the same in gives the same out under one key, and without the key there is no way back."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from typing import Final

# UIDs that name a definition, not an instance: the standard's own and HL7's registry of coding schemes (PS3.16 8).
REGISTRY_ROOTS: Final = ("1.2.840.10008.", "2.16.840.1.113883.")
DICOM_ROOT: Final = "1.2.840.10008."
DERIVED_ROOT: Final = "2.25."
_WELL_FORMED: Final = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")


def clean(uid: str) -> str:
    """Without the padding that files carry (PS3.5 6.2 pads with NULL; senders pad with spaces too)."""
    return uid.strip(" \0\t\r\n")


def is_registered(uid: str) -> bool:
    """Whether a UID names a definition of a well-known registry. A malformed one never does."""
    return uid.startswith(REGISTRY_ROOTS) and _WELL_FORMED.fullmatch(uid) is not None and len(uid) <= 64


class UidMapper:
    """Maps UIDs under the key of one pseudonym domain (PS3.5 B.2: a UUID below 2.25)."""

    def __init__(self, *, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("The key of a pseudonym domain has at least 32 bytes.")
        self._key = key
        self._known: dict[str, str] = {}

    def new_uid(self, uid: str) -> str:
        """The new UID for an old one. Empty stays empty, a registered one stays as it is."""
        original = clean(uid)
        if not original or is_registered(original):
            return original
        known = self._known.get(original)
        if known is None:
            digest = hmac.new(
                self._key, b"uid\0" + original.encode("utf-8", "surrogateescape"), hashlib.sha256
            ).digest()
            # RFC 9562 version 8: the content of the UUID is our own; version and variant bits still say so.
            number = bytearray(digest[:16])
            number[6] = number[6] & 0x0F | 0x80
            number[8] = number[8] & 0x3F | 0x80
            known = f"{DERIVED_ROOT}{uuid.UUID(bytes=bytes(number)).int}"
            self._known[original] = known
        return known
