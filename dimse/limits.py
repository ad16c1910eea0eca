"""Limits of the listener. Each has a default; `settings.DIMSE_LIMITS` overrides single ones."""

from __future__ import annotations

from dataclasses import dataclass, fields

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    # Associations open at once in one listener process, and from one address in it.
    associations: int = 100
    associations_per_peer: int = 50
    # Associations one address may begin in a second, and how many it may have saved up.
    associations_per_second: float = 50.0
    association_burst: int = 200
    # The ARTIM timer (PS3.8 9.1.5): until the request is whole, and until the peer closes after a release or reject.
    artim_seconds: float = 30.0
    # Silence between two PDUs; and the time one PDU may take from its first byte to its last.
    idle_seconds: float = 300.0
    pdu_seconds: float = 60.0
    # Writing to a peer that does not read.
    send_seconds: float = 60.0
    # What we announce as maximum length of a P-DATA-TF.
    pdu_bytes: int = 1 << 17
    # The identifier of a request other than C-STORE.
    identifier_bytes: int = 16 << 20
    # Ask for indexing of what came so far after this many files or seconds.
    index_every_files: int = 200
    index_every_seconds: float = 1.0
    # On SIGTERM: how long a busy association may go on; one that says nothing for the second time is ended at once.
    drain_seconds: float = 20.0
    drain_idle_seconds: float = 1.0
    # How long what the database said about an AE title is believed without asking again.
    directory_seconds: float = 10.0
    # One audit event an address, AE titles and reason in this time; what happened meanwhile is counted in the next.
    refusals_seconds: float = 60.0
    # The same caller refused for the same reason is written to the list of refused callers once in this time.
    refusals_noted_seconds: float = 2.0
    # Associations that only verify (C-ECHO) come every few seconds from monitors: one event in this time.
    echo_audit_seconds: float = 3600.0


def limits() -> Limits:
    given = getattr(settings, "DIMSE_LIMITS", {})
    known = {field.name for field in fields(Limits)}
    return Limits(**{name: value for name, value in given.items() if name in known})
