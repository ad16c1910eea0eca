"""Check the chains against the events they fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from audit.domain import chain
from audit.models import ChainLink, Event, as_sealed
from core.tenancy import all_tenants

CHUNK = 2000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of one chain found. `broken_at` is the first sequence number that does not hold."""

    intact: int
    unsealed: int
    broken_at: int | None = None
    broken_event: int | None = None
    reason: str = ""

    @property
    def holds(self) -> bool:
        return self.broken_at is None


def verify_chain(*, organisation_id: int | None, progress: Callable[[int], None] | None = None) -> Verdict:
    """Walk one organisation's chain from its beginning and stop at the first link that does not hold."""
    with all_tenants():
        unsealed = Event.objects.filter(organisation_id=organisation_id, link=None).count()
        previous = chain.GENESIS
        expected = 0
        links = ChainLink.objects.filter(organisation_id=organisation_id).select_related("event").order_by("sequence")
        for link in links.iterator(chunk_size=CHUNK):
            expected += 1
            reason = _fault(link=link, expected=expected, previous=previous)
            if reason:
                return Verdict(
                    intact=expected - 1,
                    unsealed=unsealed,
                    broken_at=expected,
                    broken_event=link.event_id,
                    reason=reason,
                )
            previous = bytes(link.digest)
            if progress is not None and expected % CHUNK == 0:
                progress(expected)
        return Verdict(intact=expected, unsealed=unsealed)


def _fault(*, link: ChainLink, expected: int, previous: bytes) -> str:
    if link.sequence != expected:
        return f"the link {expected} is missing"
    if bytes(link.previous) != previous:
        return "the link does not continue the one before it"
    if link.event.organisation_id != link.organisation_id:
        return "the event belongs to another organisation"
    if chain.link_digest(previous=previous, event=as_sealed(link.event)) != bytes(link.digest):
        return "the event was altered after it was sealed"
    return ""
