"""Chain what was written, and say outside the database how far the chain goes.

One sealer works at a time in the whole installation. It writes the signed head to the file, has it on disk, and only then
commits the links. A sealer that dies between the two leaves a head whose events are still without links: the next one
makes exactly these links first, with the time and in the order that the head says. The other way round, links without a
head would have to be believed, and whoever writes to the database could add some.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Max

from audit import heads
from audit.domain import chain, findings
from audit.domain.heads import MARK_BYTES, Head
from audit.domain.keys import AuditKey
from audit.errors import HeadsLost
from audit.models import ChainLink, Event, as_sealed, as_written, in_utc
from core.tenancy import all_tenants

logger = structlog.get_logger(__name__)

SEAL_BATCH = 2000
LOCK = (0x5EA1, 0)
FORM = 2
#: From before there were stamps and heads.
OLD_FORM = 1
#: In the cache while sealing has stopped: the code of the reason.
STOPPED = "audit:sealing-stopped"
STOPPED_SECONDS = 60


def seal(*, organisation_id: int | None, limit: int = SEAL_BATCH) -> int:
    """Chain the events of one organisation that have no link yet; returns how many.

    Another sealer at work makes this return 0 at once. Events are taken in the order of their numbers as far as they are
    committed: the link's sequence, not the event's number, is the order of proof. Raises `HeadsLost`, `HeadsUnusable`,
    `HeadsForged`, `KeyChanged`, `KeyMissing`; the events wait. Events without a stamp that holds are passed over, and logged.
    """
    with all_tenants():
        done: int | None = None
        for _step in range(3):
            done = _seal(organisation_id=organisation_id, limit=limit)
            if done is not None:
                break
        return done or 0


def _seal(*, organisation_id: int | None, limit: int) -> int | None:
    """How many events were sealed; None when only what stood before them was, in a transaction of its own: events from before
    there were stamps, or the links of a head whose sealer died."""
    with transaction.atomic():
        if not _claim():
            return 0
        if not Event.objects.filter(organisation_id=organisation_id, link=None).exists():
            return 0
        with heads.writing() as file:
            if not file.is_begun:
                if _link_old():
                    return None
                _begin(file)
            heads.note_begun()
            if _finish(file.last):
                return None
            events = _with_a_stamp(organisation_id=organisation_id, limit=limit + 1)
            links = _links(events[:limit], organisation_id=organisation_id, sealed_at=_now())
            if links:
                file.append(_head(links, more=len(events) > limit))
                ChainLink.objects.bulk_create(links, batch_size=500)
            return len(links)


def _with_a_stamp(*, organisation_id: int | None, limit: int) -> list[Event]:
    """The next events to seal. One that the application did not write gets no seal: it waits, and the check names it."""
    waiting = Event.objects.filter(organisation_id=organisation_id, link=None)
    found: list[Event] = []
    refused: list[int] = []
    last: int | None = None
    while len(found) < limit:
        rows = waiting if last is None else waiting.filter(pk__gt=last)
        chunk = list(rows.order_by("pk")[:limit])
        for event in chunk:
            if is_ours(event):
                found.append(event)
            else:
                refused.append(event.pk)
        if len(chunk) < limit:
            break
        last = chunk[-1].pk
    if refused:
        logger.error("audit_events_refused", organisation=organisation_id, count=len(refused), first=refused[:10])
    return found[:limit]


def is_ours(event: Event) -> bool:
    """Whether the event has the stamp that the application gives, or gave before the key was changed. Raises `KeyMissing`."""
    if event.stamp is None:
        return False
    name = heads.stamped_with(as_written(event), stamp=bytes(event.stamp))
    if not name or name == heads.key().name:
        return bool(name)
    record = heads.read()
    since = datetime.fromisoformat(record.keys[-1].since) if record is not None and record.keys else None
    link = waiting_link(event, stamped_with=name)
    return findings.is_stamped(link, key=heads.key().name, since=since)


def waiting_link(event: Event, *, stamped_with: str | None, is_searchable: bool = True) -> findings.Link:
    """What is known of an event that has no link yet."""
    return findings.Link(
        sequence=0,
        event=event.pk,
        form=FORM,
        previous=b"",
        digest=b"",
        sealed_at=None,
        occurred_at=event.occurred_at,
        recorded_at=event.recorded_at,
        stamped_with=stamped_with,
        is_searchable=is_searchable,
    )


def is_needed() -> bool:
    """Whether there was a file of heads: what is in the database may have been made to look older."""
    return heads.was_begun() or ChainLink.objects.filter(form__gte=FORM).exists()


def _link_old() -> int:
    """Link, as an older release would have, what it left waiting: only what is adopted may lack a stamp.

    Before the file is begun and in a transaction of its own, so that no line speaks of links that were not committed.
    """
    if is_needed():
        return 0
    old: dict[int | None, list[Event]] = {}
    for event in Event.objects.filter(stamp=None, link=None).order_by("pk"):
        old.setdefault(event.organisation_id, []).append(event)
    for organisation_id, events in old.items():
        links = _links(events, organisation_id=organisation_id, sealed_at=_now(), form=OLD_FORM)
        ChainLink.objects.bulk_create(links, batch_size=500)
    return len(old)


def begin_again() -> bool:
    """Begin a new file of heads where the old one is lost, or was begun and not finished; False where it is whole.

    What is in the database now is taken as it is. For an administrator who has looked for the file and knows why it is
    gone; the trail says that it happened.
    """
    with all_tenants(), transaction.atomic():
        _claim(wait=True)
        with heads.writing() as file:
            if file.is_begun:
                return False
            _begin(file, is_wanted=True)
            heads.note_begun()
            return True


def rotate(*, old: AuditKey, new: AuditKey) -> None:
    """Replace the key that signs: both say so in the file. What waits for its seal is sealed with the new one.

    Raises `HeadsForged`, `HeadsLost`, `HeadsUnusable`, `KeyChanged`.
    """
    is_done = False
    while not is_done:
        with all_tenants(), transaction.atomic():
            _claim(wait=True)
            with heads.writing(signer=old) as file:
                if not file.is_begun:
                    raise HeadsLost
                if not _finish(file.last):
                    file.rotate(new, time=in_utc(_now()))
                    is_done = True
    logger.warning("audit_key_rotated", old=old.name, new=new.name)


def note_state(*, code: str) -> None:
    """Keep for a minute why nothing is sealed; empty when all is well. A cache that takes nothing changes nothing."""
    try:
        if code:
            cache.set(STOPPED, code, timeout=STOPPED_SECONDS)
        else:
            cache.delete(STOPPED)
    except Exception as error:  # noqa: BLE001 -- whatever the cache client raises
        logger.warning("cache_takes_nothing", kind=type(error).__name__)


def stopped() -> str:
    """The code of what stops sealing; empty when all is well, or the cache does not answer."""
    try:
        return str(cache.get(STOPPED) or "")
    except Exception as error:  # noqa: BLE001 -- the same
        logger.warning("cache_does_not_answer", kind=type(error).__name__)
        return ""


def hold_still() -> None:
    """Wait until no sealer works, and let none begin before the transaction ends."""
    _claim(wait=True)


def _begin(file: heads.Writer, *, is_wanted: bool = False) -> None:
    """The first lines: what was sealed before there were heads is adopted once, and never again.

    They are written at once, `adopted` last. Where the file ends before it, its writer died: the rest is adopted now.
    """
    if not is_wanted and is_needed():
        raise HeadsLost
    now = in_utc(_now())
    lines = []
    if file.last is None:
        newest = Event.objects.filter(stamp=None).aggregate(newest=Max("pk"))["newest"] or 0
        lines.append(Head(kind="begin", time=now, previous="", legacy=newest, public_key=heads.key().public.hex()))
    record = heads.read()
    for link in ChainLink.objects.order_by("organisation_id", "-sequence").distinct("organisation_id"):
        adopted = record.of(link.organisation_id) if record is not None else []
        if adopted and adopted[-1].sequence >= link.sequence:
            continue
        digest = bytes(link.digest).hex()
        lines.append(
            Head(
                kind="adopt", time=now, previous="", organisation=link.organisation_id, sequence=link.sequence,
                digest=digest,
            )
        )  # fmt: skip
    file.append(*lines, Head(kind="adopted", time=now, previous=""))
    logger.info("audit_heads_begun", lines=len(lines) + 1)


def _finish(head: Head | None) -> bool:
    """Make the links of the newest head when the one who wrote it died before they were committed; whether any were made.

    They are committed before a line stands behind that head: only the newest one can be finished.
    """
    if head is None or head.kind != "seal":
        return False
    top = ChainLink.objects.filter(organisation_id=head.organisation).aggregate(top=Max("sequence"))["top"] or 0
    if top >= head.sequence:
        return False
    links = pending_links(head)
    if links is None:
        # Somebody altered what the head vouches for. What comes now is sealed all the same; the check names it.
        logger.error("audit_head_cannot_be_completed", organisation=head.organisation, sequence=head.sequence, top=top)
        return False
    ChainLink.objects.bulk_create(links, batch_size=500)
    logger.info("audit_head_completed", organisation=head.organisation, links=len(links))
    return True


def pending_links(head: Head) -> list[ChainLink] | None:
    """The links that a head promises, made from its events as they are; None when they do not give its digest."""
    events = {
        one.pk: one for one in Event.objects.filter(pk__in=head.events, organisation_id=head.organisation, link=None)
    }
    if len(events) != len(head.events):
        return None
    made = _links(
        [events[pk] for pk in head.events],
        organisation_id=head.organisation,
        sealed_at=datetime.fromisoformat(head.time),
    )
    return made if made and bytes(made[-1].digest).hex() == head.digest else None


def _links(
    events: list[Event], *, organisation_id: int | None, sealed_at: datetime, form: int = FORM
) -> list[ChainLink]:
    last = ChainLink.objects.filter(organisation_id=organisation_id).order_by("-sequence").first()
    sequence = last.sequence if last is not None else 0
    previous = bytes(last.digest) if last is not None else chain.GENESIS
    links = []
    for event in events:
        sequence += 1
        digest = chain.link_digest(previous=previous, event=as_sealed(event, form=form))
        links.append(
            ChainLink(
                organisation_id=organisation_id,
                sequence=sequence,
                event=event,
                previous=previous,
                digest=digest,
                sealed_at=sealed_at,
                form=form,
            )
        )
        previous = digest
    return links


def _head(links: list[ChainLink], *, more: bool) -> Head:
    last = links[-1]
    return Head(
        kind="seal",
        time=in_utc(last.sealed_at),
        previous="",
        organisation=last.organisation_id,
        sequence=last.sequence,
        digest=bytes(last.digest).hex(),
        events=tuple(link.event_id for link in links),
        marks=b"".join(bytes(link.digest)[:MARK_BYTES] for link in links),
        more=more,
    )


def _now() -> datetime:
    """The database's clock: it wrote the times that this one is compared with."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: Any = cursor.fetchone()
    moment: datetime = found[0]
    return moment


def _claim(*, wait: bool = False) -> bool:
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", LOCK)
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", LOCK)
        row = cursor.fetchone()
    return bool(row and row[0])
