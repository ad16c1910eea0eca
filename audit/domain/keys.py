"""The audit key: one seed of 32 bytes, outside the database, from which both proofs of the trail are made.

* Heads are signed with Ed25519 (RFC 8032): anybody checks them with the public key.
* Each event carries a stamp, HMAC-SHA256 (RFC 2104) over its content: only who holds the seed makes or checks one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from functools import cached_property

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SEED_BYTES = 32
STAMP_PURPOSE = b"pacsweb audit: stamp of an event, 1"


@dataclass(frozen=True)
class AuditKey:
    """`seed` is 32 bytes; raises `ValueError` for anything else."""

    seed: bytes

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise ValueError(f"the audit key has {len(self.seed)} bytes instead of {SEED_BYTES}")

    def __repr__(self) -> str:
        return f"AuditKey({self.name})"

    @classmethod
    def read(cls, text: str) -> AuditKey:
        """From base64 in either alphabet, with or without padding. Raises `ValueError`."""
        words = text.strip().rstrip("=")
        try:
            seed = base64.b64decode(words.translate(str.maketrans("-_", "+/")) + "=" * (-len(words) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("the audit key is not base64") from None
        return cls(seed)

    @cached_property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @cached_property
    def _stamping(self) -> bytes:
        return hmac.digest(self.seed, STAMP_PURPOSE, "sha256")

    @cached_property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return self._private.public_key().public_bytes_raw()

    @cached_property
    def name(self) -> str:
        """What heads call the key by: the first 16 hexadecimal digits of the public key's SHA-256."""
        return name_of(self.public)

    def sign(self, content: bytes) -> bytes:
        """64 bytes; the same content gives the same signature."""
        return self._private.sign(content)

    def stamp(self, content: bytes) -> bytes:
        """32 bytes."""
        return hmac.digest(self._stamping, content, "sha256")


def name_of(public: bytes) -> str:
    return hashlib.sha256(public).hexdigest()[:16]


def is_signed(*, public: bytes, content: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True
