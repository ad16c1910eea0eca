"""Check the chains against the events they fix, and against the signed heads outside the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from audit import heads, queries, sealing
from audit.domain import chain, findings
from audit.domain.findings import Finding, Link, Walk
from audit.domain.heads import Changed, Head, Record
from audit.errors import EarlierKeyMissing, HeadsUnusable
from audit.models import ChainLink, Event, as_sealed, as_written
from core.tenancy import all_tenants

CHUNK = 2000
A_COPY = gettext_noop("this event and event %(other)s have the same stamp: one is a copy of the other")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check of one chain found.

    `intact` of `total` links hold, from the first on; `unsealed` events wait. `broken_event` is the number of the first
    event that does not hold, `broken_at` its place in the chain, `code` what was done to it (changed, removed, inserted,
    forged, resealed, back-dated, unsealed, heads). `head` is the digest of the newest link, hexadecimal.
    """

    intact: int
    unsealed: int
    total: int = 0
    head: str = ""
    broken_at: int | None = None
    broken_event: int | None = None
    code: str = ""
    reason: str = ""

    @property
    def holds(self) -> bool:
        return not self.code


@dataclass
class Snapshot:
    """Heads and chains at one moment, while nobody sealed: what comes later is none of this check's business."""

    record: Record | None
    tops: dict[int | None, int]
    waiting: dict[int | None, Head] = field(default_factory=dict)
    """A head whose links were not committed yet, though they can be: its sealer died."""

    def heads_of(self, organisation: int | None) -> Sequence[Head]:
        found = self.record.of(organisation) if self.record is not None else ()
        # What is promised is the last line of the file.
        return found[:-1] if organisation in self.waiting else found


def take_snapshot(*, copy: Path | None = None) -> Snapshot:
    """Read the heads, or a copy of their file that was kept elsewhere. Raises `HeadsUnusable`, `KeyMissing`."""
    with all_tenants():
        with transaction.atomic():
            sealing.hold_still()
            size = heads.size()
            rows = ChainLink.objects.order_by().values_list("organisation_id").annotate(top=Max("sequence"))
            tops: dict[int | None, int] = dict(rows)
        record = heads.read(copy=copy) if copy is not None else heads.read(upto=size)
        _require_keys(record)
        if copy is not None and record is not None:
            # What was sealed since the copy was made is none of its business.
            tops = {one: min(top, _last_place(record.of(one))) for one, top in tops.items()}
        snapshot = Snapshot(record=record, tops=tops)
        last = record.last if record is not None else None
        if (
            last is not None
            and last.kind == "seal"
            and last.first == tops.get(last.organisation, 0) + 1
            and sealing.pending_links(last) is not None
        ):
            snapshot.waiting[last.organisation] = last
    return snapshot


def _last_place(found: Sequence[Head]) -> int:
    return found[-1].sequence if found else 0


def _require_keys(record: Record | None) -> None:
    known = {one.name for one in (heads.key(), *heads.earlier())}
    for period in record.keys if record is not None and record.broken_at is None else ():
        if period.name not in known:
            raise EarlierKeyMissing(name=period.name)


def file_finding(snapshot: Snapshot) -> Finding | None:
    """What is wrong with the file of heads itself."""
    if snapshot.record is None or not snapshot.record.is_begun:
        with all_tenants():
            is_needed = sealing.is_needed()
        if is_needed and snapshot.record is None:
            return Finding("heads", None, gettext_noop("the file of signed heads is missing, empty or unreadable"))
        if is_needed and snapshot.record is not None and snapshot.record.broken_at is None:
            return Finding("heads", None, gettext_noop("the file of signed heads was started but not finished"))
    if snapshot.record is None:
        return None
    if snapshot.record.broken_at is not None:
        values = {"line": snapshot.record.broken_at, "reason": _(snapshot.record.reason) % snapshot.record.values}
        return Finding("heads", None, gettext_noop("line %(line)s of the signed heads: %(reason)s"), values)
    if snapshot.record.torn_at is not None and snapshot.record.is_begun:
        values = {"line": snapshot.record.torn_at}
        return Finding(
            "heads", None, gettext_noop("line %(line)s of the signed heads is cut off, and no line follows it"), values
        )
    return None


def words(finding: Finding) -> str:
    """The reason in the language of whoever asked for the check."""
    return _(finding.reason) % finding.values


def chains(snapshot: Snapshot) -> set[int | None]:
    """Every chain there is or was, the installation's among them."""
    known = set(snapshot.record.heads) if snapshot.record is not None else set()
    return {None} | set(snapshot.tops) | known


def verify_chain(
    *,
    organisation_id: int | None,
    progress: Callable[[int], None] | None = None,
    snapshot: Snapshot | None = None,
) -> Verdict:
    """Walk one organisation's chain from its beginning and stop at the first event that does not hold.

    Raises `HeadsUnusable`, `KeyMissing`.
    """
    state = snapshot or take_snapshot()
    with all_tenants():
        try:
            return _Check(organisation_id=organisation_id, snapshot=state).run(progress=progress)
        except Changed as error:
            raise HeadsUnusable(reason=_(str(error))) from error


class _Check:
    def __init__(self, *, organisation_id: int | None, snapshot: Snapshot) -> None:
        self.organisation_id = organisation_id
        self.snapshot = snapshot
        periods = snapshot.record.keys if snapshot.record is not None else []
        self.keys = {one.name: datetime.fromisoformat(one.since) for one in periods}
        self.heads = snapshot.heads_of(organisation_id)
        record = snapshot.record
        self.is_begun = record is not None and (record.is_begun or record.broken_at is not None)
        self.top = snapshot.tops.get(organisation_id, 0)
        self.total = max(self.top, self.heads[-1].sequence if self.heads else 0)

    def run(self, *, progress: Callable[[int], None] | None) -> Verdict:
        walk = Walk(heads=self.heads, genesis=chain.GENESIS, is_begun=self.is_begun, keys=self.keys)
        copies = self._copies()
        head = ""
        for link in self._links():
            finding = walk.step(link)
            if finding is None and link.event in copies:
                finding = Finding("forged", link.event, A_COPY, {"other": copies[link.event]})
            if finding is not None:
                return self._broken(finding, intact=walk.last - 1, at=walk.last)
            head = link.digest.hex()
            if progress is not None and walk.last % CHUNK == 0:
                progress(walk.last)
        finding = walk.missing_at_the_end()
        if finding is None and self.organisation_id is None:
            finding = file_finding(self.snapshot)
        if finding is not None:
            return self._broken(finding, intact=walk.last, at=walk.last + 1)
        finding = self._first_of_waiting(copies)
        if finding is not None:
            return self._broken(finding, intact=walk.last, at=None)
        return Verdict(intact=walk.last, unsealed=self._unsealed().count(), total=self.total, head=head)

    def _broken(self, finding: Finding, *, intact: int, at: int | None) -> Verdict:
        return Verdict(
            intact=intact,
            unsealed=self._unsealed().count(),
            total=self.total,
            broken_at=at,
            broken_event=finding.event,
            code=finding.code,
            reason=words(finding),
        )

    def _links(self) -> Iterator[Link]:
        rows = ChainLink.objects.filter(organisation_id=self.organisation_id, sequence__lte=self.top)
        last = 0
        while True:
            chunk = list(rows.filter(sequence__gt=last).order_by("sequence")[:CHUNK])
            if not chunk:
                return
            # Not joined: a link whose event is gone has to be seen.
            events = {one.pk: one for one in Event.objects.filter(pk__in=[link.event_id for link in chunk])}
            for link in chunk:
                yield self._as_link(link, event=events.get(link.event_id))
            last = chunk[-1].sequence

    def _as_link(self, link: ChainLink, *, event: Event | None) -> Link:
        previous = bytes(link.previous)
        known: dict[str, Any] = {
            "sequence": link.sequence,
            "event": link.event_id,
            "form": link.form,
            "previous": previous,
            "digest": bytes(link.digest),
            "sealed_at": link.sealed_at,
        }
        if event is None:
            return Link(**known)
        sealed = as_sealed(event, form=link.form)
        return Link(
            **known,
            computed=chain.link_digest(previous=previous, event=sealed),
            organisation_fits=event.organisation_id == link.organisation_id,
            occurred_at=event.occurred_at,
            recorded_at=event.recorded_at,
            stamped_with=_stamped_with(event),
            is_searchable=event.stamp is None or queries.is_searchable(event),
        )

    def _unsealed(self) -> Any:
        return Event.objects.filter(organisation_id=self.organisation_id, link=None)

    def _first_of_waiting(self, copies: dict[int, int]) -> Finding | None:
        """What is wrong with the events that have no link yet, all of them. That they wait too long is told last."""
        now: datetime = timezone.now()
        key = heads.key().name
        late: Finding | None = None
        for event in self._waiting():
            link = sealing.waiting_link(
                event,
                stamped_with=_stamped_with(event),
                is_searchable=event.stamp is None or queries.is_searchable(event),
            )
            finding = findings.of_waiting(link, now=now, is_begun=self.is_begun, key=key, since=self.keys.get(key))
            if event.pk in copies and (finding is None or finding.code == "unsealed"):
                finding = Finding("forged", event.pk, A_COPY, {"other": copies[event.pk]})
            if finding is not None and finding.code != "unsealed":
                return finding
            late = late or finding
        return late

    def _waiting(self) -> Iterator[Event]:
        rows = self._unsealed().order_by("pk")
        chunk = list(rows[:CHUNK])  # from the first on: a number that was forged may be below 1
        while chunk:
            yield from chunk
            chunk = list(rows.filter(pk__gt=chunk[-1].pk)[:CHUNK])

    def _copies(self) -> dict[int, int]:
        """Events whose stamp another has, and which: each was written once. The one that was sealed first is taken for it."""
        where = "e.organisation_id IS NULL" if self.organisation_id is None else "e.organisation_id = %s"
        parameters = [] if self.organisation_id is None else [self.organisation_id]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id, first FROM (SELECT e.id, row_number() OVER same AS nth, first_value(e.id) OVER same AS first "  # noqa: S608
                "FROM audit_event e LEFT JOIN audit_chainlink l ON l.event_id = e.id "
                f"WHERE e.stamp IS NOT NULL AND {where} "
                "WINDOW same AS (PARTITION BY e.stamp ORDER BY l.sequence NULLS LAST, e.recorded_at, e.id)) AS each "
                "WHERE nth > 1",
                parameters,
            )
            return dict(cursor.fetchall())


def _stamped_with(event: Event) -> str | None:
    return None if event.stamp is None else heads.stamped_with(as_written(event), stamp=bytes(event.stamp))
