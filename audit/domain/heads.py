"""Signed heads: what the trail looked like at each seal, said outside the database.

A file of lines, each a JSON object on its own. A line names an organisation's chain (null: the installation's), its newest
link (`sequence`, `digest`), the `time` of the seal, the `events` that it sealed (ranges of event numbers, in the order of
the chain) and a `mark` for each of them (the first four bytes of its link's digest, all in one base64 text), so that what
was changed or removed since can be named. `previous` is the SHA-256 of the line before, `signature` the Ed25519 signature
over the line's canonical JSON without the signature. So the last signature vouches for the whole file.

=========  =================================================================================================
begin      the file begins; `public_key`, and `legacy`: the newest event without a stamp then (excuses nothing)
adopt      the newest link of a chain that was sealed before there were heads
adopted    the last of these: the file is begun, and nothing is adopted any more
seal       events were sealed; `more` says whether others already waited behind them
rotate     the audit key is replaced: `public_key` is the new one. The old key signs the line as it signs every other, the
           new one countersigns it (`countersignature`); from the next line on the new key signs
=========  =================================================================================================

Files from before there was `adopted` are begun once they have a seal.

A line that was cut while it was written does not parse and belongs to nothing: the next line continues the last whole one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, overload

from audit.domain.chain import canonical_json
from audit.domain.keys import AuditKey, is_signed, name_of
from audit.domain.words import marked as _

NOTHING_BEFORE = bytes(32).hex()
MARK_BYTES = 4
KINDS = frozenset({"begin", "adopt", "adopted", "seal", "rotate"})
#: What a seal took in at most before heads said `more`.
FORMER_BATCH = 2000


@dataclass(frozen=True, kw_only=True)
class Head:
    """One line. `events` and `marks` are empty but for seals; `time` is ISO 8601 in UTC with microseconds."""

    kind: str
    time: str
    previous: str
    organisation: int | None = None
    sequence: int = 0
    digest: str = ""
    events: tuple[int, ...] = ()
    marks: bytes = b""
    legacy: int = 0
    public_key: str = ""
    more: bool | None = None
    """None in seals from before heads said so."""
    key: str = ""
    signature: bytes = b""
    countersignature: bytes = b""
    """By the key that a rotation brings, over the same content as `signature`."""

    @property
    def next_key(self) -> str:
        """The name of the key that has to sign the next line."""
        return name_of(bytes.fromhex(self.public_key)) if self.kind == "rotate" else self.key

    @property
    def left_none(self) -> bool:
        """Whether every event that was committed when this was signed is sealed. What was adopted does not say."""
        if self.kind != "seal":
            return False
        return not self.more if self.more is not None else len(self.events) < FORMER_BATCH

    @property
    def has_chain(self) -> bool:
        return self.kind in {"adopt", "seal"}

    @property
    def first(self) -> int:
        """The place of the first event that this line sealed."""
        return self.sequence - len(self.events) + 1

    def content(self) -> dict[str, Any]:
        """What is signed."""
        found: dict[str, Any] = {"kind": self.kind, "time": self.time, "previous": self.previous, "key": self.key}
        if self.kind == "begin":
            return found | {"legacy": self.legacy, "public_key": self.public_key}
        if self.kind == "rotate":
            return found | {"public_key": self.public_key}
        if self.kind == "adopted":
            return found
        found |= {"organisation": self.organisation, "sequence": self.sequence, "digest": self.digest}
        if self.kind == "seal":
            found |= {"events": ranges(self.events), "marks": base64.b64encode(self.marks).decode("ascii")}
            if self.more is not None:
                found["more"] = self.more
        return found

    def line(self) -> bytes:
        """The line without its end."""
        signatures = {"signature": base64.b64encode(self.signature).decode("ascii")}
        if self.kind == "rotate":
            signatures["countersignature"] = base64.b64encode(self.countersignature).decode("ascii")
        return canonical_json(self.content() | signatures)

    def mark(self, place: int) -> bytes:
        """The mark of the event at a place of the chain."""
        start = (place - self.first) * MARK_BYTES
        return self.marks[start : start + MARK_BYTES]


def signed(head: Head, *, key: AuditKey) -> Head:
    """The head with the name of the key and its signature."""
    named = replace(head, key=key.name, signature=b"")
    return replace(named, signature=key.sign(canonical_json(named.content())))


def rotation(*, old: AuditKey, new: AuditKey, time: str, previous: str) -> Head:
    """The statement of both keys that `new` follows `old`."""
    head = signed(Head(kind="rotate", time=time, previous=previous, public_key=new.public.hex()), key=old)
    return replace(head, countersignature=new.sign(canonical_json(head.content())))


def digest_of(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def parse(line: bytes) -> Head | None:
    """The head in a line; None for a line that is none: cut, or damaged."""
    try:
        found = json.loads(line)
        kind = found["kind"]
        if kind not in KINDS or not isinstance(found["time"], str):
            return None
        organisation = found.get("organisation")
        head = Head(
            kind=kind,
            time=found["time"],
            previous=str(found["previous"]),
            organisation=None if organisation is None else int(organisation),
            sequence=int(found.get("sequence", 0)),
            digest=str(found.get("digest", "")),
            events=tuple(spread(found.get("events", ()))),
            marks=base64.b64decode(found.get("marks", ""), validate=True),
            legacy=int(found.get("legacy", 0)),
            public_key=str(found.get("public_key", "")),
            more=None if found.get("more") is None else bool(found["more"]),
            key=str(found["key"]),
            signature=base64.b64decode(found["signature"], validate=True),
            countersignature=base64.b64decode(found.get("countersignature", ""), validate=True),
        )
        bytes.fromhex(head.public_key)
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
        return None
    return head if len(head.marks) == MARK_BYTES * len(head.events) else None


def ranges(numbers: Iterable[int]) -> list[list[int]]:
    """Numbers in their order as ranges [first, last]; a step that does not go up by one begins a new range."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def spread(pairs: Iterable[Sequence[int]], *, limit: int = 1_000_000) -> Iterator[int]:
    """The numbers of `ranges`. Raises `ValueError` for what are none, or more than a seal ever holds."""
    total = 0
    for first, last in pairs:
        total += last - first + 1
        if last < first or total > limit:
            raise ValueError("not ranges of event numbers")
        yield from range(first, last + 1)


class Changed(Exception):
    """A line is not what it was when the file was checked."""


class Source(Protocol):
    """A file of heads, read as often as needed."""

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        """Each line without its end, and where it is."""

    def at(self, places: Iterable[int]) -> Iterator[bytes]:
        """The lines at these places."""


class Lines(Sequence[Head]):
    """The heads of one chain, oldest first. Where each is and what it was is held, 16 bytes a line; it is read when it is asked
    for. Raises `Changed`."""

    def __init__(self, source: Source, found: Iterable[tuple[int, int]] = ()) -> None:
        self._source = source
        self._places, self._digests = array("Q"), array("Q")
        for place, digest in found:
            self._places.append(place)
            self._digests.append(digest)

    def add(self, place: int, digest: str) -> None:
        self._places.append(place)
        self._digests.append(_short(digest))

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Head]:
        for line, digest in zip(self._source.at(self._places), self._digests, strict=True):
            head = parse(line)
            if head is None or _short(digest_of(line)) != digest:
                raise Changed(_("it changed while it was being read"))
            yield head

    @overload
    def __getitem__(self, index: int) -> Head: ...
    @overload
    def __getitem__(self, index: slice) -> Lines: ...
    def __getitem__(self, index: int | slice) -> Head | Lines:
        if isinstance(index, slice):
            return Lines(self._source, zip(self._places[index], self._digests[index], strict=True))
        return next(iter(Lines(self._source, [(self._places[index], self._digests[index])])))


def _short(digest: str) -> int:
    return int(digest[:16], 16)


@dataclass(frozen=True, kw_only=True)
class KeyPeriod:
    """The lines from `line` on, as far as the next period, are signed with this key. `since` is ISO 8601."""

    public: bytes
    since: str
    line: int

    @property
    def name(self) -> str:
        return name_of(self.public)


@dataclass
class Record:
    """A file of heads as far as it can be believed."""

    keys: list[KeyPeriod] = field(default_factory=list)
    """Every key that signed lines of the file, the newest last."""
    heads: dict[int | None, Lines] = field(default_factory=dict)
    legacy: int = 0
    lines: int = 0
    last: Head | None = None
    is_begun: bool = False
    """False while what was there before waits to be adopted: whoever began the file died over it."""
    broken_at: int | None = None
    """The first line, from 1, that cannot be believed; nothing from there on is."""
    torn_at: int | None = None
    """The first of the last lines that are none: cut by whoever died over it, or by somebody else."""
    reason: str = ""
    """Marked for translation; it takes `values`."""
    values: Mapping[str, str] = field(default_factory=dict)

    def of(self, organisation: int | None) -> Sequence[Head]:
        """The seals and adoptions of a chain, oldest first."""
        return self.heads.get(organisation, ())


def read(source: Source, *, public: bytes, earlier: Iterable[bytes] = (), is_copy: bool = False) -> Record:
    """Check a file from its first line: every line continues the one before, and the last one is signed with the audit key.

    The last signature covers every line before it, and so does the one of each change of key; each is asked only where one
    does not hold, to name the first. No more than a line is held at a time, and where each one is. A copy of the file may be
    from before the newest changes of key: it may end with one of the `earlier` keys.
    """
    record = _follow(source)
    if record.last is None:
        return record
    period = record.keys[-1]
    trusted = {name_of(public)}
    if is_copy or record.broken_at is not None:
        # What lies before the line that is broken may be from before a change of key that lies behind it.
        trusted |= {name_of(one) for one in earlier}
    if period.name in trusted and _holds(record.last, public=period.public):
        return record
    if period.name not in trusted and len(record.keys) > 1:
        # Whoever wrote this change of key had both keys of the line, and neither is the one of this installation.
        record = _follow(source, before=period.line)
        record.broken_at = period.line
        record.reason = _("the audit key was changed to %(other)s, but this installation uses %(key)s")
        record.values = {"key": name_of(public), "other": period.name}
        return record
    expected = period.public if period.name in trusted else public
    for number, (_place, line) in enumerate(source, start=1):
        head = parse(line) if line.strip() and number >= period.line else None
        if head is not None and not _is_signed_at(head, number=number, period=period, expected=expected):
            record = _follow(source, before=number)
            record.broken_at, record.reason = number, _("the line is not signed with the audit key")
            if head.key != name_of(expected):
                record.reason = _("the line is signed with the key %(other)s, not with the audit key (%(key)s)")
                record.values = {"key": name_of(expected), "other": head.key}
            break
    return record


def _is_signed_at(head: Head, *, number: int, period: KeyPeriod, expected: bytes) -> bool:
    # The line of a change of key is the last that the old key signs; both its signatures were asked on the way to it.
    return (head.kind == "rotate" and number == period.line) or _holds(head, public=expected)


def _follow(source: Source, *, before: int | None = None) -> Record:
    """The lines as far as each continues the one before it, in the name of the key that signs there.

    Of signatures only those of changes of the key are looked at.
    """
    record = Record()
    previous, torn = NOTHING_BEFORE, 0
    for number, (place, line) in enumerate(source, start=1):
        if number == before:
            break
        if not line.strip():
            continue
        head = parse(line)
        if head is None:
            torn = torn or number
            continue
        if head.previous != previous or (head.kind == "begin") != (record.last is None):
            record.broken_at, record.reason = torn or number, _("the line does not continue the one before it")
            break
        if not _follow_key(record, head, number=number):
            record.broken_at = number
            break
        torn, previous = 0, digest_of(line)
        record.lines, record.last = number, head
        record.is_begun |= head.kind in {"adopted", "seal"}
        if head.kind == "begin":
            record.legacy = head.legacy
        elif head.has_chain:
            if head.organisation not in record.heads:
                record.heads[head.organisation] = Lines(source)
            record.heads[head.organisation].add(place, previous)
    if record.broken_at is None:
        record.torn_at = torn or None
    return record


def _follow_key(record: Record, head: Head, *, number: int) -> bool:
    """Whether the line names the key that signs there; notes a change of it."""
    begins = head.kind == "begin"
    current = (
        KeyPeriod(public=bytes.fromhex(head.public_key), since=head.time, line=number) if begins else record.keys[-1]
    )
    if head.key != current.name:
        record.reason = _("the line is signed with the key %(other)s, not with the audit key (%(key)s)")
        record.values = {"key": current.name, "other": head.key}
        return False
    if begins:
        record.keys.append(current)
    if head.kind != "rotate":
        return True
    public = bytes.fromhex(head.public_key)
    if not _holds(head, public=current.public) or not is_signed(
        public=public, content=canonical_json(head.content()), signature=head.countersignature
    ):
        record.reason = _("the change of the audit key is not signed by both the old and the new key")
        return False
    record.keys.append(KeyPeriod(public=public, since=head.time, line=number))
    return True


def _holds(head: Head, *, public: bytes) -> bool:
    return head.key == name_of(public) and is_signed(
        public=public, content=canonical_json(head.content()), signature=head.signature
    )
