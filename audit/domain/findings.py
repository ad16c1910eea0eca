"""What is wrong with one link of a chain, from what the database says of it and what the signed heads say.

Pure: `audit.verify` fetches, this judges. The first finding of a chain is the one that is told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.domain.heads import MARK_BYTES, Head
from audit.domain.words import marked as _

#: Longer than any transaction lasts (the longest task, two hours, and its retries' grace): an event may be committed, and so
#: sealed, that much after it was written.
LONGEST_TRANSACTION = timedelta(hours=3)
#: How far the clocks of the application's machines may differ from the database's.
CLOCKS_DIFFER = timedelta(minutes=5)
#: The database's clock against itself, when it is set.
CLOCK_IS_SET = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is one word for programs, `event` the number of the first event that does not hold.

    `reason` is marked for translation and takes `values`, which whoever shows it fills in (`audit.verify.words`).
    """

    code: str
    event: int | None
    reason: str
    values: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Link:
    """One link as it is in the database. `event` is what its row points to; the rest is None where that row is gone."""

    sequence: int
    event: int
    form: int
    previous: bytes
    digest: bytes
    sealed_at: datetime | None
    """None for an event that waits for its seal; its sequence, form and digests say nothing."""
    computed: bytes | None = None
    organisation_fits: bool = True
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None
    stamped_with: str | None = None
    """The name of the known key that made the stamp, empty where none did; None where there is no stamp."""
    is_searchable: bool = True
    """Whether searches find it by its words: what they look in is in no digest."""


class Walk:
    """Along one chain from its beginning.

    Until the first seal with a head `is_begun` is False, and links need none. What was adopted may lack a stamp; what was
    sealed may not. `keys` says since when each key signs.
    """

    def __init__(self, *, heads: Sequence[Head], genesis: bytes, is_begun: bool, keys: Mapping[str, datetime]) -> None:
        self._is_begun = is_begun
        self._keys = keys
        self._heads = iter(heads)
        self._all = heads
        self._head: Head | None = None
        self._previous = genesis
        self._drained_at: datetime | None = None
        self.last = 0

    def step(self, link: Link) -> Finding | None:
        """The first thing that is wrong with the next link; None when it holds."""
        place = self.last + 1
        head = self._head_over(place)
        expected = _event_at(head, place)
        finding = self._order(link, place=place, expected=expected) or self._content(link, head=head, place=place)
        finding = finding or self._times(link, head=head) or _search(link)
        self.last, self._previous = place, link.digest
        if head is not None and head.sequence == place and head.left_none:
            # Behind a seal that left events waiting, however long, older ones may come.
            self._drained_at = link.sealed_at
        return finding

    def missing_at_the_end(self) -> Finding | None:
        """After the last link: what the heads have and the database has no more."""
        head = self._head_over(self.last + 1)
        if head is None:
            return None
        event = _event_at(head, self.last + 1)
        count = self._all[-1].sequence - self.last
        if self.last == 0:
            return Finding("removed", event, _("every event was removed (%(count)s)"), {"count": count})
        return Finding("removed", event, _("the newest events were removed (%(count)s)"), {"count": count})

    def _order(self, link: Link, *, place: int, expected: int | None) -> Finding | None:
        if link.sequence != place:
            return Finding(
                "removed", expected, _("the event at place %(place)s of the chain was removed"), {"place": place}
            )
        if expected is not None and link.event != expected:
            if not any(link.event in head.events for head in self._all):
                return Finding("inserted", link.event, _("the event was inserted and the chain recomputed"))
            return Finding("removed", expected, _("the event was removed and the chain recomputed"))
        if link.computed is None:
            return Finding("removed", link.event, _("the event was removed and its link left behind"))
        if not link.organisation_fits:
            return Finding("changed", link.event, _("the event was moved to another organisation"))
        if link.previous != self._previous:
            return Finding("changed", link.event, _("the link does not continue the one before it"))
        return None

    def _content(self, link: Link, *, head: Head | None, place: int) -> Finding | None:
        if link.computed != link.digest:
            return Finding("changed", link.event, _("the event was altered after it was sealed"))
        if head is None:
            if self._is_begun or link.form > 1:
                return Finding(
                    "forged",
                    link.event,
                    _("the event was added by something other than the application: no signed head includes it"),
                )
            return None
        if head.kind == "seal" and head.mark(place) != link.digest[:MARK_BYTES]:
            return Finding("resealed", link.event, _("the event was altered and the chain recomputed"))
        if head.sequence == place and head.digest != link.digest.hex():
            return Finding("resealed", link.event, _("the chain up to this event was recomputed"))
        if head.kind == "adopt":
            return None if link.stamped_with != "" else _forged(link.event)
        return None if is_stamped(link, key=head.key, since=self._keys.get(head.key)) else _forged(link.event)

    def _times(self, link: Link, *, head: Head | None) -> Finding | None:
        if head is not None and head.kind == "seal" and link.sealed_at != datetime.fromisoformat(head.time):
            return Finding("back-dated", link.event, _("the time of the seal differs from the one that was signed"))
        differs = _clocks(link)
        if differs is not None or link.recorded_at is None or link.sealed_at is None:
            return differs
        if link.recorded_at > link.sealed_at + CLOCK_IS_SET:
            return Finding("back-dated", link.event, _("the event was recorded after it was sealed"))
        if self._drained_at is not None and link.recorded_at < self._drained_at - LONGEST_TRANSACTION:
            return Finding(
                "back-dated", link.event, _("the event is older than events that were sealed long before it")
            )
        return None

    def _head_over(self, place: int) -> Head | None:
        """The head whose seal, or adoption, took in the event at a place."""
        while self._head is None or self._head.sequence < place:
            self._head = next(self._heads, None)
            if self._head is None:
                self._heads = iter(())
                return None
        return self._head


def is_stamped(link: Link, *, key: str, since: datetime | None) -> bool:
    """Whether the stamp is one of the key that signs, or, of an event from before it did, of one before it.

    Transactions that were under way when the key was changed, and processes that were not started again, used the old one.
    """
    if not link.stamped_with or link.stamped_with == key:
        return bool(link.stamped_with)
    return since is not None and link.recorded_at is not None and link.recorded_at <= since + LONGEST_TRANSACTION


def _forged(event: int) -> Finding:
    return Finding("forged", event, _("the event was not written by the application: its stamp is invalid"))


def of_waiting(link: Link, *, now: datetime, is_begun: bool, key: str, since: datetime | None) -> Finding | None:
    """An event that has no link yet; `link` says what is known of it. Before the file of heads is begun it may be an old one.

    `key` signs now, and has since `since`.
    """
    is_ours = is_stamped(link, key=key, since=since) if is_begun else link.stamped_with != ""
    finding = (None if is_ours else _forged(link.event)) or _clocks(link) or _search(link)
    if finding is None and link.recorded_at is not None and link.recorded_at < now - LONGEST_TRANSACTION:
        reason = _("the event has been waiting for hours to be sealed: sealing has stopped, or its link was removed")
        return Finding("unsealed", link.event, reason)
    return finding


def _search(link: Link) -> Finding | None:
    if link.is_searchable:
        return None
    return Finding("changed", link.event, _("the words by which searches find the event were changed"))


def _clocks(link: Link) -> Finding | None:
    if link.recorded_at is None or link.occurred_at is None:
        return None
    if abs(link.occurred_at - link.recorded_at) > CLOCKS_DIFFER:
        return Finding("back-dated", link.event, _("the time in the event differs from the time it was recorded"))
    return None


def _event_at(head: Head | None, place: int) -> int | None:
    if head is None or not head.events or place < head.first:
        return None
    return head.events[place - head.first]
