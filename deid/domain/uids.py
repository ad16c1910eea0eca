"""New UIDs from old ones: the same in gives the same out under one key, and without the key there is no way back."""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from typing import Final

from pydicom._uid_dict import UID_dictionary

DERIVED_ROOT: Final = "2.25."

# Coding schemes of PS3.16 Table 8-1 that HL7 or their own organisation registered. HL7 gives branches of its root to
# anybody (2.16.840.1.113883.3 holds hospitals), so only whole UIDs count, never the root.
CODING_SCHEMES: Final = frozenset(
    (
        *(f"2.16.840.1.113883.6.{number}" for number in (1, 2, 3, 4, 5, 6, 8, 12, 24, 42, 43, 51, 57, 59, 60, 64, 69)),
        *(f"2.16.840.1.113883.6.{number}" for number in (73, 83, 86, 88, 90, 96, 100, 101, 103, 104, 121, 209, 210)),
        *(f"2.16.840.1.113883.6.{number}" for number in (211, 221, 238, 256, 276, 281)),
        "2.16.840.1.113883.3.26.1.1",
        "2.16.840.1.113883.3.26.1.5",
        "2.16.840.1.113883.4.9",
        "2.16.840.1.113883.5.4",
        "1.0.3166.1.2.2",
        "1.2.840.113556.4.3",
        "1.3.6.1.4.1.52329",
    )
)
# UIDs of context groups (PS3.6 Table A-3), which pydicom's dictionary does not list.
_CONSONANTS: Final = "BCDFGHJKLMNPQRSTVWXZ"
_CONTEXT_GROUP: Final = re.compile(r"1\.2\.840\.10008\.6\.1\.(?:[1-9][0-9]{0,2}|1[0-4][0-9]{2})")


def clean(uid: str) -> str:
    """Without the padding that files carry (PS3.5 6.2 pads with NULL; senders pad with spaces too)."""
    return uid.strip(" \0\t\r\n")


def is_registered(uid: str) -> bool:
    """Whether a UID names a definition that the standard lists: PS3.6 Annex A or a coding scheme of PS3.16 Table 8-1.

    A UID that only begins like one names an instance, whoever owns the root.
    """
    return uid in UID_dictionary or uid in CODING_SCHEMES or _CONTEXT_GROUP.fullmatch(uid) is not None


class UidMapper:
    """Maps UIDs under the key of one pseudonym domain (PS3.5 B.2: a UUID below 2.25)."""

    def __init__(self, *, key: bytes) -> None:
        if len(key) < 32:
            raise ValueError("The key of a pseudonym domain has at least 32 bytes.")
        self._key = key
        self._known: dict[str, str] = {}

    def new_scheme(self, designator: str) -> str:
        """A private coding scheme designator (PS3.16 8.2) for one that is not known: 99LOCAL4K7M2X."""
        digest = hmac.new(
            self._key, b"scheme\0" + designator.encode("utf-8", "surrogateescape"), hashlib.sha256
        ).digest()
        # Each pair of bytes gives a figure and a consonant: eight million dummies, none of them a word or a number.
        pairs = (int.from_bytes(digest[place : place + 2], "big") for place in (0, 2, 4))
        return "99LOCAL" + "".join(f"{pair % 10}{_CONSONANTS[pair // 10 % len(_CONSONANTS)]}" for pair in pairs)

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
