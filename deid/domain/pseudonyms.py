"""Pseudonyms of patients, made from a domain's key: stable, and without the key not linkable to the patient."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

from deid.domain.dates import DEFAULT_WINDOW_DAYS, shift_days

# Crockford's base 32: no I, L, O, U, so that a pseudonym can be read out loud.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Who a patient is in a pseudonym domain. All instances of the patient get the same."""

    patient_id: str
    patient_name: str
    shift_days: int


def patient_key(*, patient_id: str, issuer: str = "", study_instance_uid: str = "") -> str:
    """What tells a patient from another: Patient ID within its issuer; without a Patient ID each study is its own."""
    patient_id = patient_id.strip(" \0")
    if patient_id:
        return f"id\0{issuer.strip()}\0{patient_id}"
    if not study_instance_uid:
        raise ValueError("Neither a Patient ID nor a Study Instance UID tells the patient.")
    return f"study\0{study_instance_uid}"


def hashed(*, key: bytes, patient_key: str) -> bytes:
    """The patient's key as it may be stored: without the domain's key nobody can test a guess against it."""
    return hmac.new(key, b"patient\0" + patient_key.encode(), hashlib.sha256).digest()


def subject(
    *, key: bytes, patient_key: str, prefix: str = "P", window_days: int = DEFAULT_WINDOW_DAYS, attempt: int = 0
) -> Subject:
    """Make the pseudonym of a patient. `attempt` gives another one when the first is taken by another patient."""
    digest = hmac.new(key, f"pseudonym\0{attempt}\0{patient_key}".encode(), hashlib.sha256).digest()
    number = int.from_bytes(digest, "big")
    code = ""
    for _unused in range(_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        code += _ALPHABET[digit]
    return Subject(
        patient_id=f"{prefix}-{code}",
        patient_name=f"{prefix}^{code}",
        shift_days=shift_days(key=key, patient_key=patient_key, window_days=window_days),
    )
