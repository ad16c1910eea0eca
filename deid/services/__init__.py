"""De-identification's write side: ask for a copy, carry it out, decide on it, give its receipt."""

from __future__ import annotations

from deid.services.decisions import approve_run, cancel_run, reject_run, retry_run
from deid.services.domains import change_domain, domain_of
from deid.services.execution import execute_run
from deid.services.holds import drop_images, note_shown, release_images, take_back
from deid.services.requests import DEFAULT_OPTIONS, OFFERED_OPTIONS, deidentify_study
from deid.services.rounds import proposal

__all__ = [
    "DEFAULT_OPTIONS",
    "OFFERED_OPTIONS",
    "approve_run",
    "cancel_run",
    "change_domain",
    "deidentify_study",
    "domain_of",
    "drop_images",
    "execute_run",
    "note_shown",
    "proposal",
    "reject_run",
    "release_images",
    "retry_run",
    "take_back",
]
