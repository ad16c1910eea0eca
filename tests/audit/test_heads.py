"""Signed heads and stamps: their form, and what of a file is believed."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from audit import heads, services
from audit.domain import heads as form
from audit.domain import stamps
from audit.domain.chain import canonical_json
from audit.domain.heads import Head
from audit.domain.keys import AuditKey, is_signed
from audit.tasks import seal_chains
from audit.verify import verify_chain
from tests.access.factories import make_organisation

KEY = AuditKey(bytes(range(32)))


@given(st.lists(st.integers(min_value=1, max_value=60), unique=True, max_size=40))
def test_ranges_keep_numbers_and_their_order(numbers: list[int]) -> None:
    assert list(form.spread(form.ranges(numbers))) == numbers


class Held:
    """Lines in memory as a file of heads."""

    def __init__(self, lines: list[bytes]) -> None:
        self.lines = lines

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        return iter(enumerate(self.lines))

    def at(self, places: Iterable[int]) -> Iterator[bytes]:
        return (self.lines[place] for place in places)


def made(*bodies: Head) -> list[bytes]:
    lines: list[bytes] = []
    previous = form.NOTHING_BEFORE
    for body in bodies:
        head = form.signed(Head(**{**vars(body), "previous": previous}), key=KEY)
        lines.append(head.line())
        previous = form.digest_of(lines[-1])
    return lines


def three() -> list[bytes]:
    time = "2026-01-01T00:00:00.000000+00:00"
    seals = [
        Head(
            kind="seal",
            time=time,
            previous="",
            organisation=7,
            sequence=n,
            digest="00" * 32,
            events=(n,),
            marks=b"mark",
        )
        for n in (1, 2)
    ]
    return made(Head(kind="begin", time=time, previous="", public_key=KEY.public.hex()), *seals)


def test_anybody_can_check_a_line_with_the_public_key() -> None:
    line = json.loads(three()[-1])
    import base64

    signature = base64.b64decode(line.pop("signature"))
    assert is_signed(public=KEY.public, content=canonical_json(line), signature=signature)
    line["sequence"] += 1
    assert not is_signed(public=KEY.public, content=canonical_json(line), signature=signature)


@given(st.data())
def test_no_byte_of_the_file_can_be_changed(data: st.DataObject) -> None:
    content = bytearray(b"\n".join(three()) + b"\n")
    place = data.draw(st.integers(min_value=0, max_value=len(content) - 1))
    other = data.draw(st.integers(min_value=0, max_value=255).filter(lambda byte: byte != content[place]))
    content[place] = other
    whole = form.read(Held(three()), public=KEY.public)
    read = form.read(Held(bytes(content).split(b"\n")), public=KEY.public)
    # White space between values says nothing; whatever is read as a line is one that was signed.
    for organisation, found in read.heads.items():
        assert list(found) == list(whole.of(organisation)[: len(found)])


@given(st.integers(min_value=1, max_value=40))
def test_a_line_that_was_cut_belongs_to_nothing(kept: int) -> None:
    lines = three()
    torn = [*lines[:2], lines[2][:kept], lines[2]]
    read = form.read(Held(torn), public=KEY.public)
    assert (read.broken_at, len(read.of(7))) == (None, 2)


def test_a_line_that_is_changed_after_the_file_was_checked_is_not_believed() -> None:
    lines = Held(three())
    read = form.read(lines, public=KEY.public)
    assert [head.sequence for head in read.of(7)] == [1, 2]
    lines.lines[1] = lines.lines[1].replace(b'"sequence":1', b'"sequence":3')
    with pytest.raises(form.Changed):
        list(read.of(7))


def test_a_long_file_of_heads_is_checked_without_being_held(tmp_path: Path, settings: Any) -> None:
    """20,000 lines of 40 chains are 8 MB; where they are is held, 16 bytes each."""
    file = tmp_path / "heads.jsonl"
    key, time = heads.key(), "2026-01-01T00:00:00.000000+00:00"
    begin = Head(kind="begin", time=time, previous=form.NOTHING_BEFORE, public_key=key.public.hex())
    with file.open("wb") as stream:
        line = form.signed(begin, key=key).line()
        stream.write(line + b"\n")
        for number in range(1, 20_001):
            head = Head(
                kind="seal", time=time, previous=form.digest_of(line), organisation=number % 40,
                sequence=number // 40 + 1, digest="00" * 32, events=(number,), marks=b"mark",
            )  # fmt: skip
            line = form.signed(head, key=key).line()
            stream.write(line + b"\n")
    tracemalloc.start()
    try:
        record = heads.read(copy=file)
        assert record is not None
        assert sum(1 for _head in record.of(7)) == 500
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (record.lines, record.broken_at) == (20_001, None)
    assert peak < 2_000_000


json_numbers = st.integers(min_value=-(10**15), max_value=10**15) | st.floats(
    allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15
)
details = st.dictionaries(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8),
    st.none()
    | st.booleans()
    | json_numbers
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
    | st.lists(json_numbers, max_size=3),
    max_size=4,
)


@pytest.mark.django_db
def test_a_stamp_survives_the_trip_through_the_database() -> None:
    @given(details)
    def check(detail: dict[str, Any]) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s::jsonb::text", [json.dumps(detail)])
            back = json.loads(cursor.fetchone()[0])
        assert stamps.content({"detail": back, "address": None}) == stamps.content({"detail": detail, "address": None})

    check()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["203.0.113.9", "2001:DB8::1", "::ffff:203.0.113.9", "::1", None])
def test_an_event_from_any_address_holds(address: str | None) -> None:
    organisation = make_organisation()
    services.record(action="organisation.changed", organisation=organisation, address=address, detail={"n": 1e20})
    seal_chains()
    assert verify_chain(organisation_id=organisation.pk).holds


@pytest.mark.django_db
def test_the_key_is_refused_unless_it_has_32_bytes() -> None:
    assert AuditKey.read("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8") == KEY
    for text in ("", "AAEC", "not base64 at all!", "A" * 60):
        with pytest.raises(ValueError, match="audit key"):
            AuditKey.read(text)
